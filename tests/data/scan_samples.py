"""A small folder of crops, made on the spot: noise with a mark that tells which crop it is."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medvlp.data.scan_manifest import ScanPairsInfo
from medvlp.data.scan_pairs import ScanRecord, write_scan_pairs

STORED, SEEN = (6, 12, 12), (4, 8, 8)
ATTRIBUTES = {"mass": ("absent", "present"), "pole": ("upper", "middle", "lower")}
NORMAL = "Findings: No abnormalities in the {side} kidney."


def patient_name(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()[:16]


def make_records(
    patients: int = 10, phases: Sequence[str] = ("V", "N", "A"), **changes: Any
) -> list[ScanRecord]:
    """Two kidneys of each patient; odd patients have a mass on the left, a third are malignant."""
    records = []
    for number in range(patients):
        split = ("train", "train", "train", "validation", "test")[number % 5]
        for side in ("left", "right"):
            has_mass = bool(number % 2 and side == "left")
            text = f"Findings: A mass of {number + 2} cm. It lies in the left kidney."
            for phase in phases:
                fields = {
                    "sample_id": f"p{number:02d}_{side}_{phase}",
                    "patient": patient_name(number),
                    "side": side,
                    "phase": phase,
                    "split": split,
                    "report": text if has_mass else NORMAL.format(side=side),
                    "report_origin": "stated",
                    "attributes": {"mass": int(has_mass), "pole": 2 if has_mass else -1},
                    "malignant": int(number % 3 == 0) if has_mass else -1,
                    "months": 10.0 + number,
                    "event": number % 2,
                }
                records.append(ScanRecord(**fields | changes))
    return records


def make_crops(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    crops = [rng.integers(-100, 200, STORED).astype(np.int16) for _ in range(count)]
    for number, crop in enumerate(crops):
        crop[STORED[0] // 2, STORED[1] // 2, STORED[2] // 2] = 1000 + number
    return crops


def write_samples(folder: Path, records: list[ScanRecord] | None = None, **changes: Any) -> Path:
    records = make_records() if records is None else records
    describe = {
        "region": "kidney",
        "structures": ("kidney",),
        "spacing_mm": (4.0, 2.0, 2.0),
        "shape_zyx": SEEN,
        "stored_shape_zyx": STORED,
        "window_hu": (-200.0, 300.0),
        "attributes": ATTRIBUTES,
    }
    write_scan_pairs(folder, records, make_crops(len(records)), describe | changes)
    return folder


def make_info(**changes: Any) -> ScanPairsInfo:
    fields = {
        "region": "kidney",
        "structures": ("kidney",),
        "spacing_mm": (4.0, 2.0, 2.0),
        "shape_zyx": SEEN,
        "stored_shape_zyx": STORED,
        "window_hu": (-200.0, 300.0),
        "samples_sha256": "0" * 64,
        "crops_sha256": "0" * 64,
        "crops_bytes": 1,
    }
    return ScanPairsInfo(**fields | changes)
