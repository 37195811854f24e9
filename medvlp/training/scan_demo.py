"""RenalCLIP's recipe on phantom patients: scans, crops, attributes, alignment, and a bundle.

Every step leaves its result under its own name and is skipped when it is there, so a demo that was
stopped goes on where it was.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import yaml

from medvlp.config.task import parse_task
from medvlp.data.modules_scans import ScanPairsDataModule
from medvlp.data.sampler import Draw
from medvlp.data.scan_manifest import INFO_FILE
from medvlp.io import check_output_folder, publish_file, read_csv
from medvlp.jobs.progress import Progress
from medvlp.jobs.runner import LeaseSettings
from medvlp.metrics.pair_retrieval import first_hits
from medvlp.metrics.ranking import auroc
from medvlp.models.volume.bundle import load_volume_bundle
from medvlp.pipelines.crop_organs import CropSettings, crop_organs
from medvlp.pipelines.training_scans import read_side_labels, read_training_scans
from medvlp.text.reports.extraction import RulesExtractor
from medvlp.text.reports.schema import load_schema
from medvlp.training.cli import main as train
from medvlp.training.demo import claim_demo, shipped_config
from medvlp.training.run import BUNDLE_FOLDER, IMAGE_TOWER_FOLDER
from medvlp.training.scan_demo_patients import KINDS, write_demo_patients
from medvlp.types import VolumePreprocessing
from medvlp.volumes.crops import CropSpec
from medvlp.volumes.organ_sides import OrganPlan
from medvlp.zeroshot.classifier import build_classifier

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

__all__ = ["ScanDemoModel", "ScanDemoSettings", "demo_task", "judge_held_out", "prepare_scan_demo"]

_ATTRIBUTES_CONFIG = "renalclip/attributes_small.yaml"
_ALIGNMENT_CONFIG = "renalclip/align_small.yaml"
_TEST_SEED_OFFSET = 500
_REGION = "kidney_tumor"
_SEEN = VolumePreprocessing(
    spacing_mm=(4.0, 4.0, 4.0),
    shape_zyx=(16, 16, 16),
    orientation="LPS",
    axes="zyx",
    window_hu=(-200.0, 300.0),
    air_hu=-1000.0,
    region=_REGION,
)
_STORED_MM = (80.0, 80.0, 80.0)
_SCHEMA = "kidney"
_NETWORK = {"depth": 10, "width": 16}
_STEADY_HU = {"intensity_scale": 0, "intensity_shift": 0, "gamma_probability": 0}
_TEMPLATES = tuple(
    template.format(side, side.capitalize())
    for side in ("left", "right")
    for template in ("{1} renal {{}}.", "There is a {{}} in the {0} kidney.")
)
_NAMES: dict[str, tuple[str, ...]] = {
    "solid mass without fat": (
        "solid mass without macroscopic fat",
        "solid mass, suspicious for malignancy",
        "solid mass; malignancy cannot be excluded",
    ),
    "angiomyolipoma": (
        "angiomyolipoma",
        "solid mass that contains macroscopic fat",
        "fat-containing lesion in keeping with angiomyolipoma",
    ),
}
_MALIGNANCY = {
    "benign": ("mass, probably benign", "angiomyolipoma", "mass; favour a benign lesion"),
    "malignant": (
        "mass, suspicious for malignancy",
        "mass highly suspicious for renal cell carcinoma",
    ),
}


@dataclass(frozen=True, kw_only=True)
class ScanDemoSettings:
    """Size of the demo."""

    seed: int = 0
    """Seed of patients and training."""

    train_patients: int = 300
    """Patients with reports; four of five are trained on, the others are for figures."""

    test_patients: int = 12
    """Patients to diagnose; no model sees them before."""

    attribute_steps: int = 800
    """Steps of the first stage."""

    alignment_steps: int = 200
    """Steps of the second stage."""


@dataclass(frozen=True, kw_only=True)
class ScanDemoModel:
    """What training leaves behind.

    Attributes:
        bundle: Folder of the model bundle.
        task: The task file.
        crops: Folder of the crops, of which split ``test`` was not trained on.
        scans: Folder of scans to diagnose, not trained on either.
        masks: Folder of their label maps.
        truth: Name of each such scan -> kind of its mass.
        num_kidneys: Kidneys that were trained on.
    """

    bundle: Path
    task: Path
    crops: Path
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
    _write_patients(known, settings.train_patients, settings.seed, is_known=True)
    say("scanning phantom patients to diagnose")
    _write_patients(
        unseen, settings.test_patients, settings.seed + _TEST_SEED_OFFSET, is_known=False
    )
    crops = out / "kidneys"
    if not (crops / INFO_FILE).exists():
        say("cutting out kidneys around their masses, and reading attributes from reports")
        _crop(known, crops)
    bundle = _train(out, crops, settings, say)
    task = out / "task.yaml"
    with publish_file(task) as partial:
        partial.write_text(yaml.safe_dump(demo_task(), sort_keys=False), encoding="utf-8")
    truth = {row["path"].split("/")[-1]: row["kind"] for row in read_csv(unseen / "manifest.csv")}
    trained = [row for row in read_csv(known / "manifest.csv") if row["split"] == "train"]
    return ScanDemoModel(
        bundle=bundle,
        task=task,
        crops=crops,
        scans=unseen / "scans",
        masks=unseen / "masks",
        truth=truth,
        num_kidneys=len(trained),
    )


def judge_held_out(model: ScanDemoModel) -> dict[str, float]:
    """Compute figures on the kidneys that were held out of training.

    Args:
        model: What was trained.

    Returns:
        ``kidneys``: how many; ``R@1``, ``R@5``, ``R@10``: means of both directions among them;
        ``auroc``: of malignancy, asked in words.
    """
    bundle = load_volume_bundle(model.bundle)
    encoder, words = bundle.volume_encoder, bundle.require_text()
    data = ScanPairsDataModule(folder=model.crops, batch_size=1, text="none", augment=None)
    test = data.dataset("test")
    rows = [rows[0] for rows in test.kidneys]
    boxes = np.stack([test[Draw(0, place)].volume for place in range(len(test))])
    with torch.inference_mode():
        images = encoder.embed(torch.from_numpy(boxes)).double().numpy()
    texts = words.embed([row.report for row in rows])
    group = np.array([row.report_group for row in rows])
    hits = [
        first_hits(*pair) for pair in ((images, group, texts, group), (texts, group, images, group))
    ]
    task = parse_task(_task("malignancy", _MALIGNANCY), source="demo")
    classifier = build_classifier(words.embed, task, bundle.logit_scale)
    cosines = images @ classifier.weights
    benign, malignant = (classifier.class_names.index(name) for name in _MALIGNANCY)
    label = np.array([row.malignant for row in rows])
    found = {f"R@{rank}": float(np.mean([way < rank for way in hits])) for rank in (1, 5, 10)}
    return {
        "kidneys": len(rows),
        **found,
        "auroc": auroc(label, cosines[:, malignant] - cosines[:, benign]),
    }


def demo_task() -> dict[str, Any]:
    """Return the task of the demo as plain values: of what kind is the mass?"""
    return _task("phantom-kidney-masses", {kind: _NAMES[kind] for kind in KINDS})


def _task(name: str, classes: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    return {
        "name": name,
        "modality": "ct",
        "scale": {
            "spacing_mm": list(_SEEN.spacing_mm),
            "region": _REGION,
            "box_mm": list(_SEEN.box_mm),
            "window_hu": list(_SEEN.window_hu),
        },
        "head": ["mean"],
        "logit_scale": "model",
        "classes": {kind: {"names": list(names)} for kind, names in classes.items()},
        "templates": list(_TEMPLATES),
    }


def _write_patients(folder: Path, patients: int, seed: int, *, is_known: bool) -> None:
    with Progress(patients, "scans", label="Scanning") as progress:
        write_demo_patients(
            folder, patients=patients, seed=seed, is_known=is_known, on_scan=progress.advance
        )


def _crop(known: Path, out: Path) -> None:
    schema = load_schema(_SCHEMA)
    settings = CropSettings(
        plan=OrganPlan(
            structures=("kidney", _REGION, "kidney_cyst"),
            centre_on=(_REGION,),
            spec=CropSpec(box_mm=_STORED_MM, spacing_mm=_SEEN.spacing_mm),
        ),
        preprocessing=_SEEN,
        attributes={name: one.class_names for name, one in schema.attributes.items()},
        schema_name=schema.name,
    )
    labels = read_side_labels(known / "kidneys.csv", {})
    scans = read_training_scans(
        known / "manifest.csv", extractor=RulesExtractor(schema), labels=labels
    )
    with Progress(len(scans), "scans", label="Cropping") as progress:
        crop_organs(scans, settings, out, progress=progress, lease=LeaseSettings())


def _train(out: Path, crops: Path, settings: ScanDemoSettings, say: Callable[[str], None]) -> Path:
    """Train both stages, each unless it is done, and return the bundle."""
    tower = out / "attributes" / IMAGE_TOWER_FOLDER
    if not tower.exists():
        say("training a network to name the attributes of kidneys")
        sizes = {"data.batch_size": 16, "trainer.max_steps": settings.attribute_steps}
        train(
            [
                *_words(_ATTRIBUTES_CONFIG, "model.image", crops, settings.seed, sizes),
                f"--run.folder={out / 'attributes'}",
            ]
        )
    bundle = out / "model" / BUNDLE_FOLDER
    if not bundle.exists():
        say("aligning kidneys with what reports say of them")
        sizes = {"data.batch_size": 32, "trainer.max_steps": settings.alignment_steps}
        train(
            [
                *_words(_ALIGNMENT_CONFIG, "model.encoder.image", crops, settings.seed, sizes),
                f"--model.image_from={tower}",
                '--model.optimizer.rates=[{"pattern": "volume_tower.*", "learning_rate": 0.0001}]',
                f"--run.folder={out / 'model'}",
            ]
        )
    return bundle


def _words(
    config: str, network: str, crops: Path, seed: int, sizes: Mapping[str, int]
) -> list[str]:
    options: dict[str, object] = {
        "config": shipped_config(config),
        "seed_everything": seed,
        "data.folder": crops,
        "data.seed": seed,
        "model.seed": seed,
        "trainer.max_epochs": -1,
        "trainer.limit_val_batches": 0,
        **sizes,
        **{f"{network}.{name}": value for name, value in _NETWORK.items()},
        **{f"data.augment.{name}": value for name, value in _STEADY_HU.items()},
    }
    return ["fit", *(f"--{name}={value}" for name, value in options.items())]
