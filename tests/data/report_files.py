"""Phantom reports in the files that reports come in."""

from pathlib import Path

from medvlp.io import write_csv
from medvlp.phantoms.abdomen.patients import draw_patient
from medvlp.phantoms.abdomen.report import write_report


def phantom_rows(patients: int) -> list[dict[str, str]]:
    """Return a row for each kidney of so many phantom patients."""
    rows = []
    for number in range(patients):
        report = write_report(draw_patient(number))
        for side in ("left", "right"):
            text = report.kidneys[side]
            rows.append(
                {
                    "patient_id": f"patient_{number:03d}",
                    "report": text.text,
                    "findings": text.findings,
                    "impression": text.impression,
                }
            )
    return rows


def write_reports(path: Path, patients: int = 40) -> Path:
    """Write a table of the reports of phantom kidneys."""
    rows = phantom_rows(patients)
    write_csv(path, rows, list(rows[0]))
    return path
