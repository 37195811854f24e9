"""What the pipelines share: items of a job, the tables of cases and failures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medvlp.config.run_tables import write_case_rows
from medvlp.config.runs import CaseRow, FailureRow
from medvlp.errors import MedvlpError
from medvlp.jobs.runner import JobItem

if TYPE_CHECKING:
    from pathlib import Path

    from medvlp.jobs.runner import JobReport
    from medvlp.pipelines.discover import Discovery
    from medvlp.types import Case, Modality

__all__ = [
    "MODALITY_WORDS",
    "case_rows",
    "failure_rows",
    "items_of",
    "missing_model",
    "write_case_tables",
]

MODALITY_WORDS: dict[Modality, str] = {
    "slide": "slide",
    "ct": "CT scan",
    "radiograph": "X-ray, or a picture taken for one",
}
"""What messages call a case."""


def items_of(discovery: Discovery) -> list[JobItem[Case]]:
    """Return one job item per case, in the order of the cases."""
    return [JobItem(case.case_key, case.case_id, case) for case in discovery.cases]


def missing_model(case: Case) -> MedvlpError:
    """Return the error of a case whose modality no given model serves."""
    what = MODALITY_WORDS[case.modality]
    return MedvlpError(
        "MV1109",
        f"{case.path.name} is a {what}, and no model for that modality was given",
        hint="pass a further --model for it, or leave such files out",
    )


def case_rows(discovery: Discovery) -> list[CaseRow]:
    """Return the table of cases with their local paths."""
    return [
        CaseRow(case_id=case.case_id, case_key=case.case_key, path=str(case.path.resolve()))
        for case in discovery.cases
    ]


def failure_rows(report: JobReport) -> list[FailureRow]:
    """Return one row per case that failed."""
    return [
        FailureRow(
            case_id=outcome.case_id,
            stage=outcome.stage,
            code=outcome.code,
            reason=outcome.reason,
            hint=outcome.hint,
        )
        for outcome in report.failures
    ]


def write_case_tables(out: Path, discovery: Discovery, report: JobReport) -> None:
    """Write ``cases.csv`` and ``failures.csv`` of an output folder."""
    write_case_rows(out, failure_rows(report), case_rows(discovery))
