"""The folder of one case: its result, and what each model and task leaves there."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from medvlp.config.runs import PredictionRow, RunFolder
from medvlp.errors import OutputError
from medvlp.io import case_keys, content_sha256, publish_folder, write_json
from medvlp.reporting.page import CaseDetails, CaseFigure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from medvlp.types import Case

__all__ = [
    "CaseFinding",
    "CaseResult",
    "picture_folder",
    "read_case_result",
    "result_path",
    "write_case_folder",
]

_RESULT_FILE = "result.json"


class CaseFinding(Protocol):
    """What one model and task found on a case."""

    @property
    def row(self) -> PredictionRow:
        """The line of the prediction table."""

    @property
    def content_sha256(self) -> str:
        """Hash of the content that was judged."""

    @property
    def mask_sha256(self) -> str:
        """Hash of the user's mask that took part, empty where none did."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about the finding, such as the rule that decided."""

    @property
    def folder(self) -> str:
        """Name of the subfolder for pictures, empty for the case's own folder."""

    def draw(self, place: Path) -> list[CaseFigure]:
        """Write the files of the finding, and return the pictures for the report."""


@dataclass(frozen=True, kw_only=True)
class CaseResult:
    """What a finished case folder says.

    Attributes:
        content_sha256: Hash of the content that was judged.
        mask_sha256: Hash of the user's mask that took part, empty where none did.
        parameters_sha256: Hash of models, tasks and settings.
        rows: Lines of the prediction table.
        details: Pictures and notes for the report.
    """

    content_sha256: str
    mask_sha256: str
    parameters_sha256: str
    rows: tuple[PredictionRow, ...]
    details: CaseDetails


def result_path(run: RunFolder, case: Case) -> Path:
    """Return the file whose existence says that a case is finished."""
    return run.case_folder(case.case_key) / _RESULT_FILE


def picture_folder(task: str, model: str, num_judges: int) -> str:
    """Return the subfolder of a case for one model with one task, empty where there is one only.

    Args:
        task: Name of the task.
        model: Name of the model.
        num_judges: How many models with tasks the run has.
    """
    if num_judges == 1:
        return ""
    return "__".join(case_keys([name])[name] for name in (task, model))


def read_case_result(run: RunFolder, case: Case) -> CaseResult:
    """Read the result of a finished case.

    Raises:
        OutputError: MV1111 if the file is not what this program writes.
    """
    path = result_path(run, case)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        figures = tuple(
            CaseFigure(**{**figure, "path": path.parent / figure["path"]})
            for figure in record["figures"]
        )
        return CaseResult(
            content_sha256=record["content_sha256"],
            mask_sha256=record["mask_sha256"],
            parameters_sha256=record["parameters_sha256"],
            rows=tuple(_row_from_json(row) for row in record["rows"]),
            details=CaseDetails(figures=figures, notes=tuple(record["notes"])),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(
            "MV1111",
            f"the result of case {case.case_id} is damaged ({type(error).__name__})",
            hint=f"delete the folder cases/{case.case_key} of the run and start again",
        ) from error


def _row_from_json(values: dict[str, Any]) -> PredictionRow:
    lists = {
        name: None if values[name] is None else tuple(values[name])
        for name in ("findings", "node_path", "prediction_set")
    }
    return PredictionRow(**{**values, **lists})


def write_case_folder(
    run: RunFolder,
    case: Case,
    findings: Sequence[CaseFinding],
    *,
    parameters_sha256: str,
) -> None:
    """Draw and write everything of one case; the folder appears whole, and once.

    Args:
        run: The run folder.
        case: The case.
        findings: One per model and task.
        parameters_sha256: Hash of models, tasks and settings.

    Raises:
        AlreadyPublishedError: If another process published the case first.
        OutputError: If the folder cannot be written.
    """
    final = run.case_folder(case.case_key)
    final.parent.mkdir(parents=True, exist_ok=True)
    with publish_folder(final) as folder:
        drawn: list[CaseFigure] = []
        for finding in findings:
            place = folder / finding.folder
            place.mkdir(parents=True, exist_ok=True)
            drawn += finding.draw(place)
        record = {
            "content_sha256": findings[0].content_sha256,
            "mask_sha256": max(finding.mask_sha256 for finding in findings),
            "parameters_sha256": parameters_sha256,
            "rows": [asdict(finding.row) for finding in findings],
            "figures": [
                {**asdict(figure), "path": figure.path.relative_to(folder).as_posix()}
                for figure in _each_picture_once(drawn)
            ],
            "notes": _notes(findings),
        }
        write_json(folder / _RESULT_FILE, record)


def _notes(findings: Sequence[CaseFinding]) -> list[str]:
    """Return each note once, after the task that it is about unless all findings share it."""
    several_models = len({finding.row.model for finding in findings}) > 1
    notes: dict[str, None] = {}
    for finding in findings:
        about = finding.row.task
        about += f" with {finding.row.model}" if several_models else ""
        for note in finding.notes:
            is_shared = all(note in other.notes for other in findings)
            notes[note if is_shared else f"{about}: {note}"] = None
    return list(notes)


def _each_picture_once(figures: Sequence[CaseFigure]) -> list[CaseFigure]:
    """Join the titles of equal pictures, which several tasks made of the same units."""
    found: dict[str, CaseFigure] = {}
    for figure in figures:
        digest = content_sha256(figure.path, companions=False)
        first = found.get(digest)
        title = figure.title if first is None else f"{first.title}; {figure.title}"
        found[digest] = replace(first or figure, title=title)
    return list(found.values())
