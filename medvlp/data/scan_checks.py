"""What must hold for the columns and values of a table of crops."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from medvlp.data.manifest_checks import SPLITS, check_columns
from medvlp.data.scan_manifest import SAMPLES_SCHEMA
from medvlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["check_rows", "check_splits", "read_samples_table"]

_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
_MOST_REPORT = 50_000
_MOST_MONTHS = 1200.0
_PHASE = re.compile(r"[A-Za-z0-9]{1,16}")


def read_samples_table(path: Path) -> list[dict[str, Any]]:
    """Read a table of crops as rows; attributes become dictionaries.

    Args:
        path: A Parquet file.

    Raises:
        DataError: MV1720 if it is no Parquet file or a column has another type, MV1771 if a column
            is missing.
    """
    try:
        found = pq.read_schema(path)
        check_columns(str(path), set(found.names), SAMPLES_SCHEMA)
        table = pq.read_table(path, columns=SAMPLES_SCHEMA.names).cast(SAMPLES_SCHEMA)
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            "MV1720",
            f"{path} cannot be read as a table of crops ({error})",
            expected="the Parquet file that the folder was written with",
            hint="copy the whole folder again, or crop the scans again",
        ) from error
    rows: list[dict[str, Any]] = table.to_pylist()
    for row in rows:
        row["attributes"] = dict(row["attributes"] or ())
    return rows


def check_rows(
    where: str, rows: Sequence[Mapping[str, Any]], attributes: Mapping[str, Sequence[str]]
) -> None:
    """Refuse values that no crop can have, naming column and row (from 0).

    Args:
        where: What is checked, for the message.
        rows: Column -> value.
        attributes: Attribute -> its classes.

    Raises:
        DataError: MV1725 for a value, MV1726 for a patient in two splits.
    """
    if not rows:
        raise DataError("MV1725", f"{where} lists no crop", expected="one crop at least")
    names: set[str] = set()
    for number, row in enumerate(rows):
        for column, expected in _faults(row, number, attributes):
            raise DataError(
                "MV1725",
                f"{where}: row {number}: {column} is {str(row[column])[:60]!r}",
                expected=expected,
            )
        if row["sample_id"] in names:
            raise DataError(
                "MV1725",
                f"{where}: row {number}: sample_id {row['sample_id']!r} stands twice",
                expected="a name of its own for every crop",
            )
        names.add(row["sample_id"])
    check_splits(where, [(row["patient"], row["split"]) for row in rows])


def check_splits(where: str, pairs: Sequence[tuple[str, str]]) -> None:
    """Refuse a patient who is in two splits.

    Args:
        where: What is checked, for the message.
        pairs: Patient and split of each row.

    Raises:
        DataError: MV1726.
    """
    seen: dict[str, str] = {}
    for patient, split in pairs:
        if seen.setdefault(patient, split) != split:
            raise DataError(
                "MV1726",
                f"{where}: patient {patient!r} is in {seen[patient]!r} and in {split!r}",
                expected="all scans of a patient in one split",
                hint="split by patient: scans of one body tell a model what it should not know",
            )


def _faults(
    row: Mapping[str, Any], number: int, attributes: Mapping[str, Sequence[str]]
) -> list[tuple[str, str]]:
    """Return columns of a row that hold what they cannot, and what was expected."""
    rules = (
        ("sample_id", _is_name(row["sample_id"]), "letters, digits, _ and -"),
        ("patient", _is_name(row["patient"]), "letters, digits, _ and -"),
        ("crop", row["crop"] == number, f"{number}, the row"),
        ("side", row["side"] in {"left", "right"}, "left or right"),
        ("phase", bool(_PHASE.fullmatch(row["phase"] or "")), "letters and digits, such as A"),
        ("split", row["split"] in SPLITS, str(SPLITS)),
        ("report", _is_report(row["report"]), f"text of at most {_MOST_REPORT} characters"),
        ("report_origin", row["report_origin"] in {"stated", "silent", "none"}, "its origin"),
        ("attributes", _are_classes(row["attributes"], attributes), "classes of the schema, or -1"),
        ("malignant", row["malignant"] in {-1, 0, 1}, "0, 1, or -1"),
        ("event", row["event"] in {-1, 0, 1}, "0, 1, or -1"),
        ("months", _is_time(row["months"]), f"0 to {_MOST_MONTHS:g}, or NaN"),
        ("crop_crc32", isinstance(row["crop_crc32"], int), "a checksum"),
    )
    return [(column, expected) for column, is_right, expected in rules if not is_right]


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(_NAME.fullmatch(value))


def _is_report(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _MOST_REPORT


def _is_time(value: object) -> bool:
    return isinstance(value, float) and (math.isnan(value) or 0 <= value <= _MOST_MONTHS)


def _are_classes(found: Mapping[str, int], attributes: Mapping[str, Sequence[str]]) -> bool:
    return all(
        name in attributes and isinstance(value, int) and -1 <= value < len(attributes[name])
        for name, value in found.items()
    )
