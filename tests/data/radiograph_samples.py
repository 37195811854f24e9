"""A small folder of radiographs, made on the spot: a mark whose place tells the side."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medvlp.data.radiograph_manifest import FindingPlace
from medvlp.data.radiograph_pairs import RadiographRecord, write_radiograph_pairs

SIZE = 32
FINDINGS = ("nodule", "left pleural effusion", "right pleural effusion", "cardiomegaly")
BOOK = """
name: marks
findings:
  nodule:
    definition: A small round spot.
    appearances: [It is bright and sharp.]
  left pleural effusion:
    appearances: [The left angle is blunted.]
  right pleural effusion:
    appearances: [The right angle is blunted.]
  cardiomegaly:
    synonyms: [enlarged heart]
    appearances: [The heart is wide.]
"""


def patient_name(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()[:16]


def side_of(number: int) -> str:
    return ("left", "right")[number % 2]


def make_record(number: int, **changes: Any) -> RadiographRecord:
    """Odd patients have the mark on the right, and so say report, label and box."""
    side = side_of(number)
    left = 20.0 if side == "left" else 6.0
    fields = {
        "sample_id": f"p{number:02d}",
        "patient": patient_name(number),
        "split": ("train", "train", "train", "validation", "test")[number % 5],
        "height_px": 40,
        "width_px": 30,
        "view": ("PA", "AP")[number % 2],
        "report": f"Findings: Nodule of {number + 2} mm in the {side} lung. Bones are normal.",
        "labels": {"nodule": 1, f"{side} pleural effusion": 0, "cardiomegaly": -(number % 2)},
        "places": (FindingPlace(finding="nodule", side=side, box=(10.0, 16.0, left, left + 6)),),
    }
    return RadiographRecord(**fields | changes)


def make_records(count: int = 10, **changes: Any) -> list[RadiographRecord]:
    return [make_record(number, **changes) for number in range(count)]


def make_images(records: Sequence[RadiographRecord]) -> list[np.ndarray]:
    images = []
    for number, record in enumerate(records):
        image = np.full((SIZE, SIZE), 40, np.uint8)
        image[0, 0] = number
        for place in record.places:
            r0, r1, c0, c1 = (int(edge) for edge in place.box)
            image[r0:r1, c0:c1] = 230
        images.append(image)
    return images


def write_samples(
    folder: Path, records: list[RadiographRecord] | None = None, **changes: Any
) -> Path:
    records = make_records() if records is None else records
    describe = {"size_px": SIZE, "findings": FINDINGS}
    write_radiograph_pairs(folder, records, make_images(records), describe | changes, book=BOOK)
    return folder
