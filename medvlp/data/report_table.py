"""Reports to train a text tower on: from a table, a folder of scan pairs or a folder of texts."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from medvlp.config.strict import StrictModel
from medvlp.errors import DataError, nearest_name
from medvlp.io import read_csv
from medvlp.text.reports.cleaning import check_report, report_variants
from medvlp.text.reports.sides import side_texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Report", "ReportParts", "ReportSource", "clean_reports", "part_reports", "read_reports"]

_SAMPLES = "samples.parquet"
_PATIENT = ("patient_id", "patient")
_SPLITS = {"train": 0, "training": 0, "validation": 1, "valid": 1, "val": 1}


class ReportSource(StrictModel):
    """Where reports are.

    Attributes:
        file: A CSV or Parquet table; a folder of scan pairs, whose ``samples.parquet`` is read; or
            a folder with a ``.txt`` file for each report, in folders of their patients or not.
        report: Column of the whole report.
        findings: Column of the findings, where they stand apart; then ``report`` is not read.
        impression: Column of the impression, likewise.
        patient: Column of the patient or another group, all of whose reports are trained on or
            none; None for ``patient_id`` or ``patient``, whichever there is. Without one, every
            text is a group.
        split: Column that says ``train`` or ``validation``; rows of other splits are left out. A
            table without it is parted by a hash of the patient.
        by_side: Make two texts of a report: what it says of the left kidney, and of the right.
    """

    file: Path
    report: str = "report"
    findings: str | None = None
    impression: str | None = None
    patient: str | None = None
    split: str | None = "split"
    by_side: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """One text to train on.

    Attributes:
        text: The words.
        group: Patient or other group; empty where it is not known.
        split: Split that the table states; empty where it states none.
    """

    text: str
    group: str = ""
    split: str = ""


@dataclass(frozen=True)
class ReportParts:
    """Reports to train on and to validate on.

    Attributes:
        training: Texts to train on, in their order.
        validation: Texts held out, none of which is trained on word by word.
        seen: Number of texts held out at first that are also trained on, as the one sentence of
            many normal organs is.
    """

    training: tuple[str, ...]
    validation: tuple[str, ...]
    seen: int = 0


def read_reports(source: ReportSource) -> list[Report]:
    """Read reports as they are written.

    Args:
        source: Where they are.

    Returns:
        In the order of the table, or of the names of files.

    Raises:
        DataError: If there is no such file, or it cannot be read (MV1754), or lacks a column that
            is asked for (MV1757).
    """
    file = source.file
    if file.is_dir() and not (file / _SAMPLES).is_file():
        return _read_folder(file)
    texts = [c for c in (source.findings, source.impression) if c is not None] or [source.report]
    path = file / _SAMPLES if file.is_dir() else file
    columns, rows = _read_rows(path, {*texts, *_PATIENT, source.patient, source.split})
    patient = source.patient or next((name for name in _PATIENT if name in columns), "")
    for column in [*texts, *([source.patient] if source.patient else [])]:
        if column not in columns:
            raise DataError(
                "MV1757",
                f"{file} has no column {column!r}{nearest_name(column, columns)}",
                expected=f"one of {columns[:12]}",
                hint="data.source.report, .findings, .impression and .patient name columns",
            )
    return [
        Report(
            _text(row, source),
            str(row.get(patient) or ""),
            str(row.get(source.split or "") or ""),
        )
        for row in rows
    ]


def clean_reports(
    reports: Iterable[Report], *, by_side: bool = False
) -> tuple[list[Report], Counter[str]]:
    """Bring reports to the form that towers read, and leave out what is none.

    A text that a patient has twice is kept once, as that of several phases of one scan.

    Args:
        reports: As they are written.
        by_side: Make two texts of each, one for each kidney.

    Returns:
        Cleaned texts, and how many reports were left out for each code of
        :func:`medvlp.text.reports.cleaning.check_report` (MV2300 without words, MV2301 not
        English, MV2302 too long).

    Raises:
        DataError: If none is left (MV1758).
    """
    kept: list[Report] = []
    known: set[Report] = set()
    refused: Counter[str] = Counter()
    for report in reports:
        try:
            check_report(report.text)
        except DataError as error:
            refused[error.code] += 1
            continue
        texts = side_texts(report.text).values() if by_side else report_variants(report.text, 0, 0)
        for text in filter(None, texts):
            cleaned = Report(text, report.group, report.split)
            if not cleaned.group or cleaned not in known:
                kept.append(cleaned)
            known.add(cleaned)
    if not kept:
        raise DataError(
            "MV1758",
            f"no report is left of {refused.total()}: "
            f"{', '.join(f'{count} by {code}' for code, count in sorted(refused.items())) or '0'}",
            expected="reports in English with words in them",
            hint="`medvlp explain CODE` tells what each code means",
        )
    return kept, refused


def part_reports(reports: Sequence[Report], share: float, seed: int) -> ReportParts:
    """Part reports into those to train on and those to validate on, by patient.

    Where any report states a split, splits decide, and those of other splits are left out.
    Otherwise a hash of the seed and the patient does, so that the choice does not depend on what
    else there is.

    Args:
        reports: Cleaned reports.
        share: Share of patients to hold out where no split is stated, in ``[0, 1)``.
        seed: Part of the hash.
    """
    parts: tuple[list[str], list[str]] = ([], [])
    states_split = any(report.split for report in reports)
    for report in reports:
        if states_split:
            number = _SPLITS.get(report.split.lower())
            if number is None:
                continue
        else:
            number = int(_draw(seed, report.group or report.text) < share)
        parts[number].append(report.text)
    trained = set(parts[0])
    validation = tuple(text for text in parts[1] if text not in trained)
    return ReportParts(tuple(parts[0]), validation, len(parts[1]) - len(validation))


def _draw(seed: int, group: str) -> float:
    digest = hashlib.sha256(f"{seed}\0{group}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _text(row: Mapping[str, object], source: ReportSource) -> str:
    if source.findings is None and source.impression is None:
        return str(row[source.report] or "")
    parts = []
    for heading, column in (("Findings", source.findings), ("Impression", source.impression)):
        words = str(row[column] or "").strip() if column is not None else ""
        if words:
            parts.append(f"{heading}: {words}")
    return "\n".join(parts)


def _read_folder(folder: Path) -> list[Report]:
    paths = sorted(folder.rglob("*.txt"))
    if not paths:
        raise _refuse(folder, f"it holds neither {_SAMPLES} nor a .txt file")
    found = []
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, ValueError) as error:
            raise _refuse(path, str(error)) from error
        inner = path.relative_to(folder)
        found.append(Report(text, str(inner.parent if len(inner.parts) > 1 else inner.stem)))
    return found


def _read_rows(
    path: Path, wanted: set[str | None]
) -> tuple[list[str], Sequence[Mapping[str, object]]]:
    """Return the names of all columns, and the rows with those that are wanted."""
    if not path.is_file():
        raise _refuse(path, "there is no such file or folder")
    if path.suffix.lower() == ".csv":
        cells = read_csv(path)
        return list(cells[0]) if cells else [], cells
    if path.suffix.lower() != ".parquet":
        raise _refuse(path, "it is neither CSV nor Parquet")
    try:
        columns = list(pq.read_schema(path).names)
        table = pq.read_table(path, columns=[name for name in columns if name in wanted])
    except (OSError, pa.ArrowException) as error:
        raise _refuse(path, str(error)) from error
    return columns, table.to_pylist()


def _refuse(path: Path, why: str) -> DataError:
    return DataError(
        "MV1754",
        f"{path} cannot be read as reports: {why}",
        expected="a .csv or .parquet table, a folder of scan pairs, or a folder of .txt files",
        hint="check data.source.file",
    )
