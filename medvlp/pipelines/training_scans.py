"""Rows of a manifest of scans to train from: whose, in which phase, what is said of each side."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from medvlp.data.manifest_checks import SPLITS
from medvlp.data.scan_checks import check_splits
from medvlp.data.scan_reports import SideReport, read_report, report_of_columns
from medvlp.errors import DataError, MedvlpError
from medvlp.pipelines.manifest import read_case_manifest, read_manifest_table
from medvlp.pipelines.manifest_cells import (
    cell_text,
    check_table_columns,
    hashed_name,
    text_rows,
)
from medvlp.text.reports.measurements import find_measurements
from medvlp.text.reports.sides import SIDES, Side

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from medvlp.text.reports.extraction import AttributeExtractor

__all__ = [
    "SideLabels",
    "TrainingScan",
    "phase_letter",
    "read_side_labels",
    "read_training_scans",
]

_MOST_MONTHS = 1200.0
_PHASE_LETTERS = {"non-contrast": "N", "arterial": "A", "venous": "V", "delayed": "D"}
_PHASE = re.compile(r"[A-Za-z0-9]{1,16}")
_NEEDED = ("path", "mask", "patient_id", "split")


@dataclass(frozen=True, kw_only=True)
class SideLabels:
    """What a table says of one side of a patient.

    Attributes:
        malignant: 0, 1, or -1 where not known.
        attributes: Attribute -> class, -1 where not known.
    """

    malignant: int = -1
    attributes: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class TrainingScan:
    """One row of the manifest.

    Attributes:
        case_id: Name of the scan.
        path: The scan.
        mask: Its label map.
        patient: Hash of the patient's name.
        phase: Contrast phase, empty where the manifest does not say.
        split: Part of the data.
        months: Follow-up, NaN where not known.
        event: 0, 1, or -1 where not known.
        sides: Side -> what is said of it; only the sides that the row is about.
        labels: Side -> what a table says of it.
        fault: Why the row cannot be used, or None.
    """

    case_id: str
    path: Path
    mask: Path | None
    patient: str
    phase: str
    split: str
    months: float
    event: int
    sides: Mapping[Side, SideReport]
    labels: Mapping[Side, SideLabels]
    fault: MedvlpError | None = None


def read_training_scans(
    manifest: Path,
    *,
    extractor: AttributeExtractor | None,
    labels: Mapping[tuple[str, str], SideLabels],
    salt: str = "",
) -> list[TrainingScan]:
    """Read a manifest of scans to train from.

    Columns are ``path``, ``mask``, ``patient_id``, ``split``, and what there is of ``case_id``,
    ``phase``, ``side``, ``report`` or ``findings`` and ``impression``, ``malignant`` (with
    ``side``), ``months``, ``event``. A row with a wrong value or report has a ``fault``; the others
    can still be used.

    Args:
        manifest: CSV or Parquet.
        extractor: What reads attributes from reports; None reads none.
        labels: Patient and side -> what a table says.
        salt: Put before patients' names when they are hashed.

    Raises:
        ConfigError: MV1002 if a column is missing.
        DataError: MV1726 if a patient is in two splits.
    """
    cases = read_case_manifest(manifest)
    rows = text_rows(read_manifest_table(manifest))
    check_table_columns(manifest, rows, _NEEDED)
    check_splits(str(manifest), [(row["patient_id"], row["split"]) for row in rows])
    scans = []
    for case, row in zip(cases, rows, strict=True):
        scan = TrainingScan(
            case_id=case.case_id,
            path=case.path,
            mask=case.mask,
            patient=hashed_name(row["patient_id"], salt),
            phase=phase_letter(row.get("phase", "")),
            split=row["split"],
            months=math.nan,
            event=-1,
            sides={},
            labels={
                side: labels[key] for side in SIDES if (key := (row["patient_id"], side)) in labels
            },
        )
        try:
            scans.append(_filled(scan, row, extractor))
        except MedvlpError as error:
            scans.append(replace(scan, fault=error))
    return _without_shared_reports(scans, rows)


def phase_letter(word: str) -> str:
    """Return N, A, V or D for the words that headers are read as; other words as they are.

    Args:
        word: ``non-contrast``, ``arterial``, ``venous``, ``delayed``, or any other.
    """
    return _PHASE_LETTERS.get(word.lower(), word)


def read_side_labels(
    table: Path, classes: Mapping[str, Sequence[str]]
) -> dict[tuple[str, str], SideLabels]:
    """Read a table with one row for each side of a patient.

    Args:
        table: CSV with ``patient_id``, ``side``, and what there is of ``malignant`` and attributes.
        classes: Attribute -> names of its classes; an empty cell is class -1.

    Raises:
        ConfigError: MV1002 if a column is missing.
        DataError: MV1727 if a value is none of the classes, or a side stands twice.
    """
    rows = read_manifest_table(table)
    check_table_columns(table, rows, ("patient_id", "side", *classes), "table")
    found: dict[tuple[str, str], SideLabels] = {}
    for number, row in enumerate(rows, start=2):
        where = f"{table}, line {number}"
        key = (cell_text(row["patient_id"]), cell_text(row["side"]))
        if key[1] not in SIDES or key in found:
            raise _bad(where, "side", key[1], "left or right, once for each patient")
        attributes = {}
        for name, names in classes.items():
            word = cell_text(row[name])
            if word and word not in names:
                raise _bad(where, name, word, f"one of {list(names)}, or nothing")
            attributes[name] = names.index(word) if word else -1
        malignant = _flag(where, "malignant", cell_text(row.get("malignant")))
        found[key] = SideLabels(malignant=malignant, attributes=attributes)
    return found


def _filled(
    scan: TrainingScan, row: Mapping[str, str], extractor: AttributeExtractor | None
) -> TrainingScan:
    """Read the cells of a row."""
    where = f"manifest row of {scan.case_id}"
    for name in ("patient_id", "mask"):
        if not row[name]:
            raise _bad(where, name, "", "a value")
    if scan.split not in SPLITS:
        raise _bad(where, "split", scan.split, str(SPLITS))
    if scan.phase and not _PHASE.fullmatch(scan.phase):
        raise _bad(where, "phase", scan.phase, "1 to 16 letters and digits, such as A, V, D or N")
    side = _side(where, row.get("side", ""))
    labels = dict(scan.labels)
    if row.get("malignant"):
        if side is None:
            raise _bad(where, "malignant", row["malignant"], "a column side beside it, or a table")
        told = labels.get(side, SideLabels(attributes={}))
        labels[side] = replace(told, malignant=_flag(where, "malignant", row["malignant"]))
    months, event = (
        _months(where, row.get("months", "")),
        _flag(where, "event", row.get("event", "")),
    )
    if math.isnan(months) != (event < 0):
        raise _bad(where, "months", row.get("months", ""), "months and event together, or neither")
    report = report_of_columns(
        row.get("report", ""), row.get("findings", ""), row.get("impression", "")
    )
    sides = read_report(
        report,
        extractor=extractor,
        only_side=side,
        abnormal=frozenset(name for name, told in labels.items() if told.malignant == 1),
    )
    return replace(scan, sides=sides, labels=labels, months=months, event=event)


def _without_shared_reports(
    scans: list[TrainingScan], rows: Sequence[Mapping[str, str]]
) -> list[TrainingScan]:
    """Refuse rows whose report, with a length in it, stands for another patient as well.

    Normal reports are often alike to the letter; one that states a size belongs to one body.
    """
    owners: dict[str, set[str]] = defaultdict(set)
    texts = [
        " ".join(
            report_of_columns(
                row.get("report", ""), row.get("findings", ""), row.get("impression", "")
            )
            .casefold()
            .split()
        )
        for row in rows
    ]
    for scan, text in zip(scans, texts, strict=True):
        owners[text].add(scan.patient)
    checked = []
    for scan, text in zip(scans, texts, strict=True):
        if scan.fault is None and len(owners[text]) > 1 and find_measurements(text):
            count = len(owners[text])
            fault = DataError(
                "MV1728",
                f"the report of {scan.case_id} states a size and stands for {count} patients",
                expected="one report for the scans of one patient",
                hint="check how reports and scans were joined",
            )
            scan = replace(scan, fault=fault)  # noqa: PLW2901  the checked one takes its place
        checked.append(scan)
    return checked


def _side(where: str, word: str) -> Side | None:
    if word == "left":
        return "left"
    if word == "right":
        return "right"
    if word:
        raise _bad(where, "side", word, "left, right, or nothing for both")
    return None


def _flag(where: str, column: str, word: str) -> int:
    known = {"": -1, "-1": -1, "0": 0, "1": 1, "false": 0, "true": 1, "0.0": 0, "1.0": 1}
    if word.lower() not in known:
        raise _bad(where, column, word, "0 or 1, or nothing where it is not known")
    return known[word.lower()]


def _months(where: str, word: str) -> float:
    if not word:
        return math.nan
    try:
        months = float(word)
    except ValueError:
        months = math.nan
    if not 0 < months <= _MOST_MONTHS:
        raise _bad(
            where,
            "months",
            word,
            f"above 0, at most {_MOST_MONTHS:g}, or nothing: a time of 0 is no follow-up",
        )
    return months


def _bad(where: str, column: str, value: str, expected: str) -> DataError:
    return DataError("MV1727", f"{where}: {column} is {value[:60]!r}", expected=expected)
