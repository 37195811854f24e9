"""What lies where in the folder of a run."""

__all__ = [
    "BUNDLE_FOLDER",
    "CLASSIFIER_FOLDER",
    "IMAGE_TOWER_FOLDER",
    "PROGRESS_FILE",
    "REPORT_GENERATOR_FOLDER",
    "RESULT_FOLDERS",
    "SEGMENTER_FOLDER",
    "STATE_FOLDER",
    "TEXT_TOWER_FOLDER",
]

BUNDLE_FOLDER = "bundle"
CLASSIFIER_FOLDER = "classifier"
IMAGE_TOWER_FOLDER = "image_tower"
REPORT_GENERATOR_FOLDER = "report_generator"
SEGMENTER_FOLDER = "segmenter"
TEXT_TOWER_FOLDER = "text_tower"
RESULT_FOLDERS = (
    *(BUNDLE_FOLDER, CLASSIFIER_FOLDER, IMAGE_TOWER_FOLDER),
    *(REPORT_GENERATOR_FOLDER, SEGMENTER_FOLDER, TEXT_TOWER_FOLDER),
)
"""A finished run has left one of these."""

STATE_FOLDER = "state"
"""What a run notes for whoever watches it or takes it up."""

PROGRESS_FILE = "progress.json"
"""How far it has come, in that folder."""
