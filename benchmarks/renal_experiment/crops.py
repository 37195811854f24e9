"""Crops of phantom kidneys, each centred on its mass, or on the kidney where it has none.

A segmentation of both is what a real scan would need for that. Whether there is a mass is then easy
for every arm; what kind it is, and whether it is malignant, is not: malignancy is judged among
masses alone.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from medvlp.data.scan_manifest import INFO_FILE
from medvlp.data.scan_pairs import ScanRecord, write_scan_pairs
from medvlp.data.scan_reports import read_report
from medvlp.phantoms.abdomen.findings import SIDES
from medvlp.phantoms.abdomen.kidneys import place_kidney
from medvlp.phantoms.abdomen.lesions import lesion_shape
from medvlp.phantoms.abdomen.patients import draw_patient
from medvlp.phantoms.abdomen.report import write_report
from medvlp.phantoms.abdomen.scan import PhantomScanSpec, make_phantom_scan
from medvlp.text.reports.extraction import RulesExtractor
from medvlp.text.reports.schema import load_schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from benchmarks.renal_experiment.settings import DataSettings
    from medvlp.phantoms.abdomen.contrast import Phase
    from medvlp.phantoms.abdomen.findings import Side
    from medvlp.phantoms.abdomen.patients import PhantomPatient

__all__ = ["make_crops"]

_SEEDS_PER_COHORT = 100_000
_SCHEMA = "kidney"
_WINDOW_HU = (-200.0, 300.0)
_NOISE_HU = 12.0


def make_crops(folder: Path, data: DataSettings, seed: int) -> None:
    """Write the crops of a seed, unless they are there.

    Args:
        folder: Where to.
        data: Which.
        seed: Seed of the patients; different seeds share none.
    """
    if (folder / INFO_FILE).exists():
        return
    schema = load_schema(_SCHEMA)
    extractor = RulesExtractor(schema)
    patients = [
        draw_patient(seed * _SEEDS_PER_COHORT + number)
        for number in range(data.train_patients + data.test_patients)
    ]
    records: list[ScanRecord] = []
    for number, patient in enumerate(patients):
        split = "train" if number < data.train_patients else "test"
        records += _records(patient, split, data.phases, extractor)
    describe = {
        "region": "kidney",
        "structures": ("kidney_tumor", "kidney"),
        "spacing_mm": data.spacing_mm,
        "shape_zyx": data.shape_zyx,
        "stored_shape_zyx": _stored(data),
        "window_hu": _WINDOW_HU,
        "attributes": {name: one.class_names for name, one in schema.attributes.items()},
        "schema_name": _SCHEMA,
        "counts": {"patients": len(patients), "crops": len(records)},
    }
    write_scan_pairs(folder, records, _crops(patients, data), describe)


def _records(
    patient: PhantomPatient, split: str, phases: tuple[Phase, ...], extractor: RulesExtractor
) -> Iterator[ScanRecord]:
    """Say of each crop of a patient what the report does: one side after the other."""
    said = read_report(write_report(patient).text, extractor=extractor)
    key = hashlib.sha256(f"phantom:{patient.seed}".encode()).hexdigest()[:16]
    for side in SIDES:
        has_mass = patient.kidneys[side].mass is not None
        for phase in phases:
            yield ScanRecord(
                sample_id=f"{key}_{side}_{phase}",
                patient=key,
                side=side,
                phase=phase,
                split=split,
                report=said[side].text,
                report_origin=said[side].origin,
                attributes=said[side].attributes,
                malignant=int(patient.is_malignant[side]) if has_mass else -1,
                months=float(patient.survival.months),
                event=int(patient.survival.event),
            )


def _crops(patients: list[PhantomPatient], data: DataSettings) -> Iterator[NDArray[np.int16]]:
    """Make the crops in the order of :func:`_records`."""
    for patient in patients:
        for side in SIDES:
            centre_mm = _centre(patient, side)
            for phase in data.phases:
                spec = PhantomScanSpec(
                    seed=patient.seed,
                    patient=patient,
                    phase=phase,
                    shape_zyx=_stored(data),
                    spacing_mm=data.spacing_mm,
                    centre_mm=centre_mm,
                    noise_hu=_NOISE_HU,
                    has_table=False,
                )
                yield make_phantom_scan(spec).hu


def _centre(patient: PhantomPatient, side: Side) -> tuple[float, float, float]:
    """Return the middle of the mass, or of the kidney where it has none, ``(x, y, z)``."""
    place, mass = place_kidney(patient, side), patient.kidneys[side].mass
    x, y, z = place.centre_mm if mass is None else lesion_shape(place, mass).centre_mm
    return float(x), float(y), float(z)


def _stored(data: DataSettings) -> tuple[int, int, int]:
    (z, y, x), margin = data.shape_zyx, data.margin_zyx
    return z + margin[0], y + margin[1], x + margin[2]
