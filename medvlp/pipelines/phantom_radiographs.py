"""Phantom chest X-rays to a folder of radiographs, without files in between."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

import numpy as np

from medvlp.data.radiograph_manifest import FindingPlace
from medvlp.data.radiograph_pairs import RadiographRecord, write_radiograph_pairs
from medvlp.phantoms.chest.book import phantom_findings_yaml
from medvlp.phantoms.chest.cohort import phantom_chest_cohort
from medvlp.phantoms.chest.exposure import BITS
from medvlp.phantoms.chest.traits import PHANTOM_FINDINGS, SEEN
from medvlp.radiographs.framing import frame_image

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from medvlp.data.radiograph_manifest import RadiographPairsInfo
    from medvlp.phantoms.chest.picture import ChestPhantom

__all__ = ["write_phantom_radiograph_pairs"]

_VALUES = {"present": 1, "absent": 0, "uncertain": -1}
_FULL = 255
_LEAST_ROWS = 96


def write_phantom_radiograph_pairs(
    folder: Path,
    *,
    seed: int,
    n_train: int,
    n_val: int,
    n_test: int = 0,
    size_px: int = 128,
    labels: Literal["report", "truth"] = "report",
    train_findings: Sequence[str] = SEEN,
    prevalence: float = 0.05,
    normal_share: float = 0.1,
    lateral_share: float = 0.0,
    on_image: Callable[[], None] = lambda: None,
) -> RadiographPairsInfo:
    """Write a folder of phantom radiographs as ``preprocessing.prepare_radiographs`` would.

    In training only the findings of ``train_findings`` occur, are named in reports and have labels;
    in validation and test all occur, and labels are the truth about all of them.

    Args:
        folder: The folder.
        seed: Seed of the patients; other seeds give other ones.
        n_train: Number of patients to train on.
        n_val: Number of patients to validate on.
        n_test: Number of patients to test on.
        size_px: Side of the square that pictures are framed in.
        labels: Labels of the training split: what the report states (1, 0 or -1, the others not
            mentioned), or the truth.
        train_findings: Findings that occur in training.
        prevalence: Share of patients with each finding, about.
        normal_share: Share of patients that are normal whatever the chances.
        lateral_share: Share of patients with a lateral picture beside the frontal one.
        on_image: Called after each picture.

    Returns:
        What all pictures have in common.

    Raises:
        PhantomError: MV1905 for an unknown finding.
    """
    records: list[RadiographRecord] = []
    images: list[NDArray[np.uint8]] = []
    counts = {"train": n_train, "validation": n_val, "test": n_test}
    for number, (split, patients) in enumerate(counts.items()):
        is_training = split == "train"
        cohort = phantom_chest_cohort(
            seed * len(counts) + number,
            patients,
            occurring=tuple(train_findings) if is_training else tuple(PHANTOM_FINDINGS),
            prevalence=prevalence,
            normal_share=normal_share,
            lateral_share=lateral_share,
            rows_px=(max(size_px, _LEAST_ROWS), max(round(1.25 * size_px), _LEAST_ROWS)),
        )
        known = frozenset(train_findings) if is_training else frozenset(PHANTOM_FINDINGS)
        for phantom in cohort:
            is_read = is_training and labels == "report"
            found = _stated(phantom) if is_read else phantom.labels
            image, record = _framed(
                phantom, split, size_px, {name: v for name, v in found.items() if name in known}
            )
            images.append(image)
            records.append(record)
            on_image()
    describe = {
        "size_px": size_px,
        "findings": tuple(PHANTOM_FINDINGS),
        "schema_name": "phantom",
        "counts": {"pictures": len(records), "patients": sum(counts.values())},
    }
    return write_radiograph_pairs(folder, records, images, describe, book=phantom_findings_yaml())


def _stated(phantom: ChestPhantom) -> dict[str, int]:
    return {name: _VALUES[word] for name, word in phantom.chest_report.stated.items()}


def _framed(
    phantom: ChestPhantom, split: str, size_px: int, labels: dict[str, int]
) -> tuple[NDArray[np.uint8], RadiographRecord]:
    gray = phantom.pixels.astype(np.float32) / np.float32(2**BITS - 1)
    square, frame = frame_image(gray, size_px)
    height, width = gray.shape
    key = hashlib.sha256(f"phantom:{phantom.patient_id}".encode()).hexdigest()[:16]
    record = RadiographRecord(
        sample_id=f"{key}_{phantom.view}",
        patient=key,
        split=split,
        height_px=height,
        width_px=width,
        view=phantom.view,
        report=phantom.report,
        labels=labels,
        places=tuple(
            FindingPlace(
                finding=box.finding, side=box.side, box=frame.to_frame_box((*box.rows, *box.cols))
            )
            for box in phantom.boxes
        ),
    )
    return np.rint(square * _FULL).astype(np.uint8), record
