"""Rows of a manifest of radiographs to train from: whose, in which view, with which labels."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from medvlp.data.manifest_checks import SPLITS
from medvlp.data.scan_checks import check_splits
from medvlp.data.scan_reports import report_of_columns
from medvlp.errors import DataError, MedvlpError
from medvlp.pipelines.manifest import read_case_manifest, read_manifest_table
from medvlp.pipelines.manifest_cells import check_table_columns, hashed_name, text_rows

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from medvlp.text.reports.finding_labels import FindingLabeller

__all__ = ["TrainingRadiograph", "read_training_radiographs", "read_view"]

_NEEDED = ("path", "patient_id", "split")
_LABELS = {"1": 1, "0": 0, "-1": -1}
_MOST_REPORT = 50_000
_VIEWS = {
    **dict.fromkeys(("pa", "posteroanterior"), "PA"),
    **dict.fromkeys(("ap", "anteroposterior", "portable"), "AP"),
    **dict.fromkeys(("lateral", "lat", "l", "ll", "rl"), "LATERAL"),
}
_POSTURE = re.compile(r"\b(?:supine|erect|upright|sitting|semi[- ]?erect|left|right|view)\b")


@dataclass(frozen=True, kw_only=True)
class TrainingRadiograph:
    """One row of the manifest.

    Attributes:
        case_id: Name of the picture.
        path: The file.
        frame: Which frame of several, from 0; None where there is one.
        patient: Hash of the patient's name.
        split: Part of the data.
        view: What the row says of the view, empty where it is silent.
        report: The report, empty where there is none.
        labels: Finding -> 1, 0 or -1; lacks those that are not mentioned.
        from_columns: How many of these the row's own columns state.
        fault: Why the row cannot be used, or None.
    """

    case_id: str
    path: Path
    frame: int | None
    patient: str
    split: str
    view: str = ""
    report: str = ""
    labels: Mapping[str, int] = field(default_factory=dict)
    from_columns: int = 0
    fault: MedvlpError | None = None


def read_training_radiographs(
    manifest: Path,
    *,
    label_columns: Mapping[str, str],
    labeller: FindingLabeller | None,
    salt: str = "",
) -> list[TrainingRadiograph]:
    """Read a manifest of radiographs to train from.

    Columns are ``path``, ``patient_id``, ``split``, and what there is of ``case_id``, ``view``,
    ``frame``, ``report`` or ``findings`` and ``impression``, and those of labels. A row with a
    wrong value has a ``fault``; the others can still be used. A label comes from its column where
    that has a value, else from the report.

    Args:
        manifest: CSV or Parquet.
        label_columns: Finding -> column of its labels: 1, 0, -1, or empty where not mentioned.
        labeller: What reads labels from reports; None reads none.
        salt: Put before patients' names when they are hashed.

    Raises:
        ConfigError: MV1002 if a column is missing.
        DataError: MV1726 if a patient is in two splits.
    """
    cases = read_case_manifest(manifest)
    rows = text_rows(read_manifest_table(manifest))
    check_table_columns(manifest, rows, (*_NEEDED, *label_columns.values()))
    check_splits(str(manifest), [(row["patient_id"], row["split"]) for row in rows])
    found = []
    for case, row in zip(cases, rows, strict=True):
        picture = TrainingRadiograph(
            case_id=case.case_id,
            path=case.path,
            frame=None,
            patient=hashed_name(row["patient_id"], salt),
            split=row["split"],
        )
        try:
            found.append(_filled(picture, row, label_columns, labeller))
        except MedvlpError as error:
            found.append(replace(picture, fault=error))
    return found


def read_view(text: str) -> str | None:
    """Return the view that words of a table mean, empty for no words, None for unknown ones.

    Args:
        text: Such as ``pa``, ``AP supine``, ``left lateral``, ``LL``.
    """
    words = " ".join(_POSTURE.sub(" ", text.lower().replace("_", " ")).split())
    return _VIEWS.get(words) if text.strip() else ""


def _filled(
    picture: TrainingRadiograph,
    row: Mapping[str, str],
    label_columns: Mapping[str, str],
    labeller: FindingLabeller | None,
) -> TrainingRadiograph:
    """Read the cells of a row."""
    where = f"manifest row of {picture.case_id}"
    if not row["patient_id"]:
        raise _bad(where, "patient_id", "", "a value")
    if picture.split not in SPLITS:
        raise _bad(where, "split", picture.split, str(SPLITS))
    view = read_view(row.get("view", ""))
    if view is None:
        raise _bad(where, "view", row["view"], "PA, AP, lateral, or nothing")
    frame = row.get("frame", "")
    if frame and not frame.isdecimal():
        raise _bad(where, "frame", frame, "a number from 0, or nothing")
    report = report_of_columns(
        row.get("report", ""), row.get("findings", ""), row.get("impression", "")
    )
    if len(report) > _MOST_REPORT:
        raise _bad(where, "report", report, f"at most {_MOST_REPORT} characters")
    stated = {
        finding: _label(where, column, row[column])
        for finding, column in label_columns.items()
        if not _is_silent(row[column])
    }
    read = {} if labeller is None or not report else labeller.label(report)
    return replace(
        picture,
        view=view,
        frame=int(frame) if frame else None,
        report=report,
        labels={**read, **stated},
        from_columns=len(stated),
    )


def _is_silent(word: str) -> bool:
    return word.lower() in {"", "nan"}


def _label(where: str, column: str, word: str) -> int:
    label = _LABELS.get(re.sub(r"\.0+$", "", word))
    if label is None:
        raise _bad(where, column, word, "1 present, 0 absent, -1 uncertain, or nothing")
    return label


def _bad(where: str, column: str, value: str, expected: str) -> DataError:
    return DataError("MV1797", f"{where}: {column} is {value[:60]!r}", expected=expected)
