"""RenalCLIP's recipe on phantom patients: scans, crops, attributes, alignment, and a bundle.

Every step leaves its result under its own name and is skipped when it is there, so a demo that was
stopped goes on where it was.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import yaml

from medvlp.data.scan_manifest import INFO_FILE
from medvlp.io import check_output_folder, publish_file, read_csv
from medvlp.jobs.progress import Progress
from medvlp.jobs.runner import LeaseSettings
from medvlp.phantoms.abdomen.cohort import write_scan_cohort
from medvlp.pipelines.crop_organs import CropSettings, crop_organs
from medvlp.pipelines.training_scans import read_training_scans
from medvlp.text.reports.extraction import RulesExtractor
from medvlp.text.reports.schema import load_schema
from medvlp.training.cli import main as train
from medvlp.training.demo import claim_demo, shipped_config
from medvlp.training.run import BUNDLE_FOLDER, IMAGE_TOWER_FOLDER
from medvlp.types import VolumePreprocessing
from medvlp.volumes.crops import CropSpec
from medvlp.volumes.organ_sides import OrganPlan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["ScanDemoModel", "ScanDemoSettings", "demo_task", "prepare_scan_demo"]

_ATTRIBUTES_CONFIG = "renalclip/attributes_small.yaml"
_ALIGNMENT_CONFIG = "renalclip/align_small.yaml"
_TEST_SEED_OFFSET = 500
_SCAN: dict[str, Any] = {"shape_zyx": (60, 92, 108), "spacing_mm": (6.0, 4.0, 4.0)}
_SEEN = VolumePreprocessing(
    spacing_mm=(6.0, 4.0, 4.0),
    shape_zyx=(24, 32, 32),
    orientation="LPS",
    axes="zyx",
    window_hu=(-200.0, 300.0),
    air_hu=-1000.0,
    region="kidney",
)
_STORED_MM = (26 * 6.0, 36 * 4.0, 36 * 4.0)
_SCHEMA = "kidney"
_NETWORK = {"depth": 10, "width": 16}
_STEADY_HU = {"intensity_scale": 0, "intensity_shift": 0, "gamma_probability": 0}


@dataclass(frozen=True, kw_only=True)
class ScanDemoSettings:
    """Size of the demo."""

    seed: int = 0
    """Seed of patients and training."""

    train_patients: int = 160
    """Patients with reports; 60 % of them are trained on."""

    test_patients: int = 12
    """Patients to diagnose; no model sees them before."""

    attribute_steps: int = 300
    """Steps of the first stage."""

    alignment_steps: int = 200
    """Steps of the second stage."""


@dataclass(frozen=True, kw_only=True)
class ScanDemoModel:
    """What training leaves behind.

    Attributes:
        bundle: Folder of the model bundle.
        task: The task file.
        scans: Folder of scans that were not trained on.
        masks: Folder of their label maps.
        truth: Name of each such scan -> ``normal`` (no mass), ``benign`` or ``malignant``.
        num_kidneys: Kidneys that were trained on.
    """

    bundle: Path
    task: Path
    scans: Path
    masks: Path
    truth: dict[str, str]
    num_kidneys: int


def prepare_scan_demo(
    out: Path, settings: ScanDemoSettings, say: Callable[[str], None]
) -> ScanDemoModel:
    """Scan phantom patients, crop their kidneys, train both stages from scratch, write a task.

    Args:
        out: Folder of the demo.
        settings: Its size.
        say: Told what is being done, one line at a time.

    Returns:
        Where model, task and unseen scans are.

    Raises:
        UsageError: MV1110 if the folder holds a demo of another recipe, size or seed.
    """
    check_output_folder(out)
    claim_demo(out, {"recipe": "renalclip", **asdict(settings)})
    known, unseen = out / "patients" / "train", out / "patients" / "test"
    say("scanning phantom patients to train on, with reports")
    _write_patients(known, settings.train_patients, settings.seed)
    say("scanning phantom patients to diagnose")
    _write_patients(unseen, settings.test_patients, settings.seed + _TEST_SEED_OFFSET)
    crops = out / "kidneys"
    if not (crops / INFO_FILE).exists():
        say("cutting out both kidneys of each scan and reading attributes from its report")
        _crop(known / "manifest.csv", crops)
    bundle = _train(out, crops, settings, say)
    task = out / "task.yaml"
    with publish_file(task) as partial:
        partial.write_text(yaml.safe_dump(demo_task(), sort_keys=False), encoding="utf-8")
    truth = {row["path"].split("/")[-1]: row["label"] for row in read_csv(unseen / "manifest.csv")}
    trained = [row for row in read_csv(known / "manifest.csv") if row["split"] == "train"]
    return ScanDemoModel(
        bundle=bundle,
        task=task,
        scans=unseen / "scans",
        masks=unseen / "masks",
        truth=truth,
        num_kidneys=2 * len(trained),
    )


def demo_task() -> dict[str, Any]:
    """Return the task of the demo as plain values: is there a mass in either kidney?"""
    z, y, x = (size * mm for size, mm in zip(_SEEN.shape_zyx, _SEEN.spacing_mm, strict=True))
    return {
        "name": "phantom-kidney-masses",
        "modality": "ct",
        "scale": {
            "spacing_mm": list(_SEEN.spacing_mm),
            "region": _SEEN.region,
            "box_mm": [z, y, x],
            "window_hu": list(_SEEN.window_hu),
        },
        "head": ["present-absent"],
        "unit_pooling": "max",
        "logit_scale": "model",
        "threshold": 0.5,
        "classes": {
            "renal mass": {
                "names": [
                    "Solid renal mass, suspicious for malignancy",
                    "Renal mass, probably benign",
                    "Indeterminate complex cystic lesion of the kidney",
                ],
                "absent_names": [
                    "No abnormalities in the kidney",
                    "No solid or complex lesion of the kidney",
                    "Simple renal cyst",
                    "Nephrolithiasis",
                ],
            }
        },
        "templates": ["{}."],
    }


def _write_patients(folder: Path, patients: int, seed: int) -> None:
    """Write a cohort, unless an earlier run finished it: its manifest is written last."""
    if (folder / "manifest.csv").exists():
        return
    with Progress(patients, "scans", label="Scanning") as progress:
        write_scan_cohort(folder, patients=patients, seed=seed, on_scan=progress.advance, **_SCAN)


def _crop(manifest: Path, out: Path) -> None:
    schema = load_schema(_SCHEMA)
    settings = CropSettings(
        plan=OrganPlan(
            structures=("kidney", "kidney_tumor", "kidney_cyst"),
            spec=CropSpec(box_mm=_STORED_MM, spacing_mm=_SEEN.spacing_mm),
        ),
        preprocessing=_SEEN,
        attributes={name: one.class_names for name, one in schema.attributes.items()},
        schema_name=schema.name,
    )
    scans = read_training_scans(manifest, extractor=RulesExtractor(schema), labels={})
    with Progress(len(scans), "scans", label="Cropping") as progress:
        crop_organs(scans, settings, out, progress=progress, lease=LeaseSettings())


def _train(out: Path, crops: Path, settings: ScanDemoSettings, say: Callable[[str], None]) -> Path:
    """Train both stages, each unless it is done, and return the bundle."""
    tower = out / "attributes" / IMAGE_TOWER_FOLDER
    if not tower.exists():
        say("training a network to name the attributes of kidneys")
        steps = settings.attribute_steps
        words = _words(_ATTRIBUTES_CONFIG, "model.image", crops, settings.seed, steps)
        train([*words, f"--run.folder={out / 'attributes'}"])
    bundle = out / "model" / BUNDLE_FOLDER
    if not bundle.exists():
        say("aligning kidneys with what reports say of them")
        steps = settings.alignment_steps
        words = _words(_ALIGNMENT_CONFIG, "model.encoder.image", crops, settings.seed, steps)
        train([*words, f"--model.image_from={tower}", f"--run.folder={out / 'model'}"])
    return bundle


def _words(config: str, network: str, crops: Path, seed: int, steps: int) -> list[str]:
    options: dict[str, object] = {
        "config": shipped_config(config),
        "seed_everything": seed,
        "data.folder": crops,
        "data.seed": seed,
        "model.seed": seed,
        "trainer.max_epochs": -1,
        "trainer.max_steps": steps,
        "trainer.limit_val_batches": 0,
        **{f"{network}.{name}": value for name, value in _NETWORK.items()},
        **{f"data.augment.{name}": value for name, value in _STEADY_HU.items()},
    }
    return ["fit", *(f"--{name}={value}" for name, value in options.items())]
