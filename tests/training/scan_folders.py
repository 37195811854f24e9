"""A small folder of crops with reports and attributes that a small network can learn."""

import hashlib
from pathlib import Path

import numpy as np

from medvlp.data.modules_scans import ScanPairsDataModule
from medvlp.data.scan_augment import ScanAugmentSettings
from medvlp.data.scan_pairs import ScanRecord, write_scan_pairs
from medvlp.models.architecture import TextTowerSettings
from medvlp.models.volume.bundle_schema import VolumeModelSettings
from medvlp.models.volume.settings import ResNet3dSettings, VolumeHeadSettings

STORED, SEEN = (8, 18, 18), (8, 16, 16)
ATTRIBUTES = {"mass": ("absent", "present"), "pole": ("upper", "middle", "lower")}
STILL = ScanAugmentSettings(
    random_crop=False,
    translate=0.0,
    scale=0.0,
    rotate_deg=0.0,
    intensity_scale=0.0,
    intensity_shift=0.0,
    gamma_probability=0.0,
)
IMAGE = ResNet3dSettings(depth=10, width=4)
ENCODER = VolumeModelSettings(
    image=IMAGE,
    head=VolumeHeadSettings(projection="linear", dim=12),
    text=TextTowerSettings(
        width=16, layers=1, heads=2, feedforward=32, max_tokens=24, projection="linear"
    ),
)
VECTORS = VolumeModelSettings(image=IMAGE, head=VolumeHeadSettings(projection="linear", dim=5))
REPORTS = (
    "Findings: No abnormalities in the kidney.",
    "Findings: There is a mass in the upper pole of the kidney.",
    "Findings: There is a mass in the middle of the kidney.",
    "Findings: There is a mass in the lower pole of the kidney.",
)


def write_crops_folder(folder: Path, patients: int = 20) -> Path:
    """Write crops with a bright slab at one of three heights, or none, and the report of it.

    Patients 0 to 13 of 20 are trained on, and 6 validate; both kidneys of a patient are alike.
    """
    rng = np.random.default_rng(0)
    records, crops = [], []
    for number in range(patients):
        kind = number % 4
        for side in ("left", "right"):
            crop = rng.normal(30, 20, STORED)
            if kind:
                crop[2 * kind - 1 : 2 * kind + 1] += 200
            crops.append(crop.astype(np.int16))
            records.append(
                ScanRecord(
                    sample_id=f"p{number:02d}_{side}_V",
                    patient=hashlib.sha256(str(number).encode()).hexdigest()[:16],
                    side=side,
                    phase="V",
                    split="train" if number < 0.7 * patients else "validation",
                    report=REPORTS[kind],
                    report_origin="stated",
                    attributes={"mass": int(kind > 0), "pole": kind - 1},
                    malignant=-1 if kind == 0 else kind % 2,
                )
            )
    describe = {
        "region": "kidney",
        "structures": ("kidney",),
        "spacing_mm": (5.0, 2.0, 2.0),
        "shape_zyx": SEEN,
        "stored_shape_zyx": STORED,
        "window_hu": (-200.0, 300.0),
        "axes": "zxy",
        "attributes": ATTRIBUTES,
        "schema_name": "slabs",
    }
    write_scan_pairs(folder, records, crops, describe)
    return folder


def scans(folder: Path, text: str = "none", **more) -> ScanPairsDataModule:
    """Return the data of a folder, unchanged in training."""
    options = {"batch_size": 8, "augment": STILL, "shuffle_sentences": False, "max_tokens": 24}
    return ScanPairsDataModule(folder=folder, text=text, **options | more)


class FakeTrainer:
    """As much of a trainer as building and stepping a module needs."""

    world_size = 1
    global_rank = 0
    estimated_stepping_batches = 10

    def __init__(self, datamodule: ScanPairsDataModule) -> None:
        self.datamodule = datamodule


def windowed(volume):
    """Return what the network gets, by hand: window -200 to 300, then (z, y, x) to (z, x, y)."""
    return ((volume.clamp(-200, 300) + 200) / 500).transpose(2, 3).unsqueeze(1)
