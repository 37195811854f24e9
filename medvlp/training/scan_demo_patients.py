"""Phantom patients of the demo on scans: each has one solid mass, with or without fat, in turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medvlp.io import write_csv
from medvlp.phantoms.abdomen.cohort import kidney_rows
from medvlp.phantoms.abdomen.nifti import write_phantom_mask, write_phantom_nifti
from medvlp.phantoms.abdomen.patients import draw_patient
from medvlp.phantoms.abdomen.report import write_report
from medvlp.phantoms.abdomen.scan import PhantomScanSpec, make_phantom_scan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from medvlp.phantoms.abdomen.patients import PhantomPatient

__all__ = ["KINDS", "kind_of", "write_demo_patients"]

KINDS = ("solid mass without fat", "angiomyolipoma")
"""Kinds of masses; an angiomyolipoma is a solid mass that holds fat, and is benign."""

_SEEDS_PER_COHORT = 100_000
_HELD_OUT = 5
_SHAPE_ZYX, _SPACING_MM = (72, 80, 100), (4.0, 4.0, 4.0)
_MANIFEST = (
    *("path", "mask", "modality", "patient_id", "phase", "split", "kind"),
    *("findings", "impression", "months", "event"),
)
_KIDNEYS = ("patient_id", "side", "malignant")


def kind_of(patient: PhantomPatient) -> str | None:
    """Return the kind of a patient's one mass; None without a solid one, or with several masses."""
    masses = [found.mass for found in patient.kidneys.values() if found.mass is not None]
    if len(masses) != 1 or masses[0].kind != "solid":
        return None
    return "angiomyolipoma" if masses[0].has_fat else "solid mass without fat"


def write_demo_patients(
    folder: Path, *, patients: int, seed: int, is_known: bool, on_scan: Callable[[], None]
) -> None:
    """Write scans and masks, ``kidneys.csv`` with malignancy, and ``manifest.csv`` with reports.

    A cohort that an earlier run finished stays as it is.

    Args:
        folder: Where to.
        patients: How many; kinds of masses take turns.
        seed: Seed of the cohort; cohorts of different seeds share no patient.
        is_known: Whether they are for training: every fifth of a kind is held out then.
        on_scan: Called after each scan.
    """
    if (folder / "manifest.csv").exists():
        return
    manifest: list[dict[str, object]] = []
    kidneys: list[dict[str, object]] = []
    for number, patient in enumerate(_draw(patients, seed)):
        patient_id = f"patient_{number:04d}"
        is_held_out = not is_known or number // len(KINDS) % _HELD_OUT == _HELD_OUT - 1
        split = "test" if is_held_out else "train"
        report = write_report(patient)
        scan = make_phantom_scan(
            PhantomScanSpec(
                seed=patient.seed, patient=patient, shape_zyx=_SHAPE_ZYX, spacing_mm=_SPACING_MM
            )
        )
        path = folder / "scans" / f"{patient_id}.nii.gz"
        mask = folder / "masks" / f"{patient_id}.nii.gz"
        write_phantom_nifti(path, scan)
        write_phantom_mask(mask, scan)
        rows = kidney_rows(patient, report, patient_id=patient_id, split=split)
        kidneys += [{name: row[name] for name in _KIDNEYS} for row in rows]
        manifest.append(
            {
                "path": path.relative_to(folder).as_posix(),
                "mask": mask.relative_to(folder).as_posix(),
                "modality": "ct",
                "patient_id": patient_id,
                "phase": "V",
                "split": split,
                "kind": kind_of(patient),
                "findings": report.findings,
                "impression": report.impression,
                "months": patient.survival.months,
                "event": int(patient.survival.event),
            }
        )
        on_scan()
    write_csv(folder / "kidneys.csv", kidneys, _KIDNEYS)
    write_csv(folder / "manifest.csv", manifest, _MANIFEST)


def _draw(patients: int, seed: int) -> Iterator[PhantomPatient]:
    """Draw patients until each kind had its turns; the others are passed over."""
    number = seed * _SEEDS_PER_COHORT
    for place in range(patients):
        while kind_of(patient := draw_patient(number)) != KINDS[place % len(KINDS)]:
            number += 1
        number += 1
        yield patient
