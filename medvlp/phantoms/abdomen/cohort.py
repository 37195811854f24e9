"""A cohort of phantom scans: scans, label maps, and tables of truth and reports."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from medvlp.io import write_csv
from medvlp.phantoms.abdomen.contrast import Phase
from medvlp.phantoms.abdomen.dicom import write_phantom_dicom
from medvlp.phantoms.abdomen.findings import ATTRIBUTES, SIDES, attributes_of
from medvlp.phantoms.abdomen.nifti import write_phantom_mask, write_phantom_nifti
from medvlp.phantoms.abdomen.outcomes import malignancy_probability
from medvlp.phantoms.abdomen.patients import PhantomPatient, draw_patient
from medvlp.phantoms.abdomen.report import PhantomReport, write_report
from medvlp.phantoms.abdomen.scan import PhantomScan, PhantomScanSpec, make_phantom_scan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = [
    "KIDNEY_COLUMNS",
    "MANIFEST_COLUMNS",
    "CohortScan",
    "draw_splits",
    "kidney_rows",
    "write_scan_cohort",
]

_SEEDS_PER_COHORT = 100_000
_SPLIT_SHARES = (("train", 0.6), ("validation", 0.15), ("test", 0.25))

MANIFEST_COLUMNS = (
    *("path", "mask", "modality", "patient_id", "phase", "split"),
    *("label", "report", "findings", "impression", "months", "event", "log_hazard"),
)
"""Columns of ``manifest.csv``, one row for each scan; ``label`` is benign or malignant where a
kidney of the patient holds a mass, else normal."""

KIDNEY_COLUMNS = (
    *("patient_id", "side", "split", *ATTRIBUTES, "size_mm", "exophytic"),
    *("malignant", "malignancy_probability", "findings", "impression"),
    *(f"stated_{name}" for name in ATTRIBUTES),
)
"""Columns of ``kidneys.csv``, one row for each kidney: the class of each attribute (empty where
it does not apply), the text, and the classes that the text states."""


@dataclass(frozen=True, kw_only=True)
class CohortScan:
    """One scan of a cohort.

    Attributes:
        path: The scan: a NIfTI file, or the folder of a series.
        mask: Its label map.
        patient_id: Whose it is.
        phase: Its contrast phase.
        patient: Who was scanned.
        report: The report.
    """

    path: Path
    mask: Path
    patient_id: str
    phase: Phase
    patient: PhantomPatient
    report: PhantomReport


def write_scan_cohort(
    folder: Path,
    *,
    patients: int,
    seed: int,
    phases: Sequence[Phase] = ("V",),
    shape_zyx: tuple[int, int, int] = (96, 160, 160),
    spacing_mm: tuple[float, float, float] = (3.0, 2.0, 2.0),
    noise_hu: float = 12.0,
    file_format: Literal["nifti", "dicom"] = "nifti",
    on_scan: Callable[[], None] = lambda: None,
) -> list[CohortScan]:
    """Write scans of many patients, ``manifest.csv`` and ``kidneys.csv``.

    Args:
        folder: Where to; scans are named ``scans/patient_<number>_<phase>``: no name tells a
            finding. Paths in the manifest start at the folder.
        patients: How many patients.
        seed: Seed of the cohort; cohorts of different seeds share no patient.
        phases: Contrast phases, each a scan of every patient.
        shape_zyx: Number of voxels.
        spacing_mm: Their distances along ``(z, y, x)``.
        noise_hu: Standard deviation of the noise.
        file_format: Of the scans; label maps are NIfTI files.
        on_scan: Called after each scan.

    Returns:
        The scans, patients in turn.
    """
    grid = PhantomScanSpec(seed=0, shape_zyx=shape_zyx, spacing_mm=spacing_mm, noise_hu=noise_hu)
    scans: list[CohortScan] = []
    manifest: list[dict[str, object]] = []
    kidneys: list[dict[str, object]] = []
    for number, split in enumerate(draw_splits(patients, seed)):
        patient = draw_patient(seed * _SEEDS_PER_COHORT + number)
        report, patient_id = write_report(patient), f"patient_{number:04d}"
        kidneys += kidney_rows(patient, report, patient_id=patient_id, split=split)
        for phase in phases:
            stem = f"{patient_id}_{phase}"
            scan = CohortScan(
                path=folder / "scans" / (f"{stem}.nii.gz" if file_format == "nifti" else stem),
                mask=folder / "masks" / f"{stem}.nii.gz",
                patient_id=patient_id,
                phase=phase,
                patient=patient,
                report=report,
            )
            spec = replace(grid, seed=patient.seed, patient=patient, phase=phase)
            _write_scan(scan, make_phantom_scan(spec), file_format)
            scans.append(scan)
            manifest.append(_manifest_row(scan, folder, split))
            on_scan()
    write_csv(folder / "kidneys.csv", kidneys, KIDNEY_COLUMNS)
    write_csv(folder / "manifest.csv", manifest, MANIFEST_COLUMNS)
    return scans


def _write_scan(scan: CohortScan, made: PhantomScan, file_format: str) -> None:
    if file_format == "nifti":
        write_phantom_nifti(scan.path, made)
    else:
        write_phantom_dicom(scan.path, made)
    write_phantom_mask(scan.mask, made)


def draw_splits(patients: int, seed: int) -> list[str]:
    """Return the split of each patient: 60 % train, 15 % validation, 25 % test, shuffled.

    Args:
        patients: How many patients.
        seed: Seed of the cohort.
    """
    ends = np.cumsum([share for _, share in _SPLIT_SHARES]) * patients
    names = [name for name, _ in _SPLIT_SHARES]
    splits = [names[int(np.searchsorted(ends, index + 0.5))] for index in range(patients)]
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(7,)))
    return [splits[int(index)] for index in rng.permutation(patients)]


def kidney_rows(
    patient: PhantomPatient, report: PhantomReport, *, patient_id: str, split: str
) -> list[dict[str, object]]:
    """Return the rows of ``kidneys.csv`` of one patient, left kidney first.

    Args:
        patient: The patient.
        report: The patient's report.
        patient_id: Name of the patient.
        split: The patient's split.
    """
    rows: list[dict[str, object]] = []
    for side in SIDES:
        findings, text = patient.kidneys[side], report.kidneys[side]
        mass = findings.mass
        classes = {name: word or "" for name, word in attributes_of(findings).items()}
        stated = {f"stated_{name}": text.stated.get(name, "") for name in ATTRIBUTES}
        rows.append(
            {
                **{"patient_id": patient_id, "side": side, "split": split},
                **classes,
                **stated,
                "size_mm": "" if mass is None else mass.size_mm,
                "exophytic": "" if mass is None else mass.exophytic,
                "malignant": int(patient.is_malignant[side]),
                "malignancy_probability": round(malignancy_probability(mass), 4),
                "findings": text.findings,
                "impression": text.impression,
            }
        )
    return rows


def _manifest_row(scan: CohortScan, folder: Path, split: str) -> dict[str, object]:
    patient = scan.patient
    has_mass = any(findings.mass is not None for findings in patient.kidneys.values())
    label = "malignant" if any(patient.is_malignant.values()) else "benign"
    return {
        "path": scan.path.relative_to(folder).as_posix(),
        "mask": scan.mask.relative_to(folder).as_posix(),
        "modality": "ct",
        "patient_id": scan.patient_id,
        "phase": scan.phase,
        "split": split,
        "label": label if has_mass else "normal",
        "report": scan.report.text,
        "findings": scan.report.findings,
        "impression": scan.report.impression,
        "months": patient.survival.months,
        "event": int(patient.survival.event),
        "log_hazard": round(patient.log_hazard, 4),
    }
