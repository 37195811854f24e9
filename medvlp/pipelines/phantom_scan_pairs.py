"""Phantom patients to a folder of crops, without a scan in between: each kidney is made alone."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

import numpy as np

from medvlp.data.scan_pairs import ScanRecord, write_scan_pairs
from medvlp.data.scan_reports import read_report
from medvlp.phantoms.abdomen.canvas import Canvas
from medvlp.phantoms.abdomen.cohort import draw_splits
from medvlp.phantoms.abdomen.findings import ATTRIBUTES, SIDES
from medvlp.phantoms.abdomen.grid import ScanGrid, grid_affine
from medvlp.phantoms.abdomen.kidneys import paint_kidney, place_kidney
from medvlp.phantoms.abdomen.lesions import paint_cyst, paint_mass
from medvlp.phantoms.abdomen.names import LABELS
from medvlp.phantoms.abdomen.patients import draw_patient
from medvlp.phantoms.abdomen.report import write_report
from medvlp.phantoms.abdomen.scan import PhantomScanSpec, make_phantom_scan
from medvlp.phantoms.abdomen.torso import paint_torso
from medvlp.text.reports.extraction import RulesExtractor
from medvlp.text.reports.schema import load_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from medvlp.data.scan_manifest import ScanPairsInfo
    from medvlp.phantoms.abdomen.contrast import Phase
    from medvlp.phantoms.abdomen.findings import Side
    from medvlp.phantoms.abdomen.patients import PhantomPatient

__all__ = ["write_phantom_scan_pairs"]

_SEEDS_PER_COHORT = 100_000
_WINDOW_HU = (-200.0, 300.0)
_SCHEMA = "kidney"
_PARTS = {"kidney": ("kidney", "kidney_tumor", "kidney_cyst"), "tumour": ("kidney_tumor",)}
_SEARCHED, _SEARCH_MM = (64, 64, 64), (4.0, 4.0, 4.0)


def write_phantom_scan_pairs(
    folder: Path,
    *,
    patients: int,
    seed: int,
    shape_zyx: tuple[int, int, int] = (24, 48, 48),
    spacing_mm: tuple[float, float, float] = (6.0, 3.0, 3.0),
    margin_zyx: tuple[int, int, int] = (4, 6, 6),
    phases: Sequence[Phase] = ("N", "A", "V", "D"),
    noise_hu: float = 12.0,
    attributes: Literal["report", "truth"] = "report",
    centre_on: Literal["kidney", "tumour"] = "kidney",
    splits: Sequence[str] | None = None,
    on_crop: Callable[[], None] = lambda: None,
) -> ScanPairsInfo:
    """Write crops of phantom kidneys as ``preprocessing.crop_organs`` would.

    The patients are those of :func:`medvlp.phantoms.abdomen.cohort.write_scan_cohort` with the same
    seed. Months and event are the patient's, on both sides.

    Args:
        folder: The folder.
        patients: How many patients, each with two kidneys.
        seed: Seed of the cohort.
        shape_zyx: Voxels that the model sees.
        spacing_mm: Their distances.
        margin_zyx: Voxels that are stored beyond these, for random crops.
        phases: Contrast phases, each a crop of every kidney.
        noise_hu: Standard deviation of the noise.
        attributes: What the report states, read by rules (18 attributes of the kidney schema, -1
            where not stated), or the ``truth`` of the phantom (its 13 attributes, -1 where one
            does not apply).
        centre_on: ``kidney``: both kidneys, each with its lesions in the middle of the box as
            :mod:`medvlp.pipelines.crop_organs` puts them; ``tumour``: the mass, and only kidneys
            that have one.
        splits: Split of each patient; None draws 60 % train, 15 % validation, 25 % test.
        on_crop: Called after each crop.

    Returns:
        What all crops have in common.
    """
    drawn = [draw_patient(seed * _SEEDS_PER_COHORT + number) for number in range(patients)]
    stored = _sum(shape_zyx, margin_zyx)
    records: list[ScanRecord] = []
    places: list[tuple[PhantomPatient, Side, Phase]] = []
    names = list(draw_splits(patients, seed) if splits is None else splits)
    extractor = RulesExtractor(load_schema(_SCHEMA)) if attributes == "report" else None
    for patient, split in zip(drawn, names, strict=True):
        for record, side, phase in _records(patient, split, phases, extractor):
            if centre_on == "kidney" or patient.kidneys[side].mass is not None:
                records.append(record)
                places.append((patient, side, phase))

    def crops() -> Iterator[NDArray[np.int16]]:
        centres: dict[tuple[int, Side], tuple[float, float, float]] = {}
        for patient, side, phase in places:
            key = (patient.seed, side)
            if key not in centres:
                centres[key] = _centre(patient, side, _PARTS[centre_on])
            spec = PhantomScanSpec(
                seed=patient.seed,
                patient=patient,
                phase=phase,
                shape_zyx=stored,
                spacing_mm=spacing_mm,
                centre_mm=centres[key],
                noise_hu=noise_hu,
                has_table=False,
            )
            yield make_phantom_scan(spec).hu
            on_crop()

    schema = load_schema(_SCHEMA)
    by_report = {name: one.class_names for name, one in schema.attributes.items()}
    describe = {
        "region": "kidney",
        "structures": _PARTS[centre_on],
        "spacing_mm": spacing_mm,
        "shape_zyx": shape_zyx,
        "stored_shape_zyx": stored,
        "window_hu": _WINDOW_HU,
        "attributes": by_report if attributes == "report" else ATTRIBUTES,
        "schema_name": _SCHEMA if attributes == "report" else "phantom",
        "counts": {"patients": patients, "crops": len(records)},
    }
    return write_scan_pairs(folder, records, crops(), describe)


def _records(
    patient: PhantomPatient,
    split: str,
    phases: Sequence[Phase],
    extractor: RulesExtractor | None,
) -> Iterator[tuple[ScanRecord, Side, Phase]]:
    said = read_report(write_report(patient).text, extractor=extractor)
    key = hashlib.sha256(f"phantom:{patient.seed}".encode()).hexdigest()[:16]
    for side in SIDES:
        truth = {
            name: -1 if word is None else ATTRIBUTES[name].index(word)
            for name, word in patient.attributes[side].items()
        }
        has_mass = patient.kidneys[side].mass is not None
        for phase in phases:
            record = ScanRecord(
                sample_id=f"{key}_{side}_{phase}",
                patient=key,
                side=side,
                phase=phase,
                split=split,
                report=said[side].text,
                report_origin=said[side].origin,
                attributes=truth if extractor is None else said[side].attributes,
                malignant=int(patient.is_malignant[side]) if has_mass else -1,
                months=float(patient.survival.months),
                event=int(patient.survival.event),
            )
            yield record, side, phase


def _centre(
    patient: PhantomPatient, side: Side, parts: Sequence[str]
) -> tuple[float, float, float]:
    """Return the middle of the bounding box of parts of a kidney, ``(x, y, z)`` of the body."""
    place, findings = place_kidney(patient, side), patient.kidneys[side]
    affine = grid_affine(_SEARCHED, _SEARCH_MM, "LPS", (0.0, 0.0, 0.0), place.centre_mm)
    canvas = Canvas(ScanGrid(_SEARCHED, affine), "V", patient.build.dose)
    paint_torso(canvas, patient.build)  # lesions end at the wall of the trunk
    paint_kidney(canvas, place, findings, patient.seed)
    for cyst in findings.cysts:
        paint_cyst(canvas, place, cyst)
    if findings.mass is not None:
        paint_mass(canvas, place, findings.mass)
    numbers = [LABELS[f"{part}_{side}"] for part in parts]
    where = np.argwhere(np.isin(canvas.labels, numbers))
    z, y, x = (where.min(axis=0) + where.max(axis=0)) / 2
    x_mm, y_mm, z_mm = (affine @ (x, y, z, 1.0))[:3]
    return float(x_mm), float(y_mm), float(z_mm)


def _sum(one: tuple[int, int, int], two: tuple[int, int, int]) -> tuple[int, int, int]:
    return one[0] + two[0], one[1] + two[1], one[2] + two[2]
