"""What must hold for the columns and values of a table of radiographs."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from medvlp.data.manifest_checks import SPLITS, check_columns
from medvlp.data.radiograph_manifest import SAMPLES_SCHEMA, VIEWS
from medvlp.data.scan_checks import check_splits
from medvlp.errors import DataError, nearest_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["check_rows", "read_samples_table"]

_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
_MOST_REPORT = 50_000
_LARGEST_PX = 2**20
_SIDES = ("left", "right", "both", "")


def read_samples_table(path: Path) -> list[dict[str, Any]]:
    """Read a table of radiographs as rows; labels become dictionaries.

    Args:
        path: A Parquet file.

    Raises:
        DataError: MV1790 if it is no Parquet file or a column has another type, MV1771 if a column
            is missing.
    """
    try:
        found = pq.read_schema(path)
        check_columns(str(path), set(found.names), SAMPLES_SCHEMA)
        table = pq.read_table(path, columns=SAMPLES_SCHEMA.names).cast(SAMPLES_SCHEMA)
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            "MV1790",
            f"{path} cannot be read as a table of radiographs ({error})",
            expected="the Parquet file that the folder was written with",
            hint="copy the whole folder again, or prepare the radiographs again",
        ) from error
    rows: list[dict[str, Any]] = table.to_pylist()
    for row in rows:
        row["labels"] = dict(row["labels"] or ())
        row["boxes"] = row["boxes"] or []
    return rows


def check_rows(
    where: str, rows: Sequence[Mapping[str, Any]], findings: Sequence[str], size_px: int
) -> None:
    """Refuse values that no picture can have, naming column and row (from 0).

    Args:
        where: What is checked, for the message.
        rows: Column -> value.
        findings: Names that labels and boxes may have.
        size_px: Side of the square that pictures are framed in.

    Raises:
        DataError: MV1793 for a value, MV1795 for a finding that the folder does not know, MV1726
            for a patient in two splits.
    """
    if not rows:
        raise DataError("MV1793", f"{where} lists no picture", expected="one picture at least")
    known = set(findings)
    names: set[str] = set()
    for number, row in enumerate(rows):
        for column, expected in _faults(row, number, size_px):
            raise DataError(
                "MV1793",
                f"{where}: row {number}: {column} is {str(row[column])[:60]!r}",
                expected=expected,
            )
        for finding in (*row["labels"], *(box["finding"] for box in row["boxes"])):
            if finding not in known:
                raise DataError(
                    "MV1795",
                    f"{where}: row {number}: a label is about {finding!r}"
                    f"{nearest_name(finding, findings)}",
                    expected=f"names out of {list(findings)}",
                )
        if row["sample_id"] in names:
            raise DataError(
                "MV1793",
                f"{where}: row {number}: sample_id {row['sample_id']!r} stands twice",
                expected="a name of its own for every picture",
            )
        names.add(row["sample_id"])
    check_splits(where, [(row["patient"], row["split"]) for row in rows])


def _faults(row: Mapping[str, Any], number: int, size_px: int) -> list[tuple[str, str]]:
    """Return columns of a row that hold what they cannot, and what was expected."""
    rules = (
        ("sample_id", _is_name(row["sample_id"]), "letters, digits, _ and -"),
        ("patient", _is_name(row["patient"]), "letters, digits, _ and -"),
        ("image", row["image"] == number, f"{number}, the row"),
        ("image_crc32", isinstance(row["image_crc32"], int), "a checksum"),
        ("view", row["view"] in VIEWS, f"one of {VIEWS}"),
        ("height_px", _is_size(row["height_px"]), "a number of pixels"),
        ("width_px", _is_size(row["width_px"]), "a number of pixels"),
        ("split", row["split"] in SPLITS, str(SPLITS)),
        ("report", _is_report(row["report"]), f"text of at most {_MOST_REPORT} characters"),
        ("report_group", _is_group(row["report_group"]), "a number from 0, or -1"),
        ("turned_group", _is_group(row["turned_group"]), "a number from 0, or -1"),
        (
            "labels",
            all(value in {-1, 0, 1} for value in row["labels"].values()),
            "1 present, 0 absent, -1 uncertain; what is not mentioned is left out",
        ),
        (
            "boxes",
            all(_is_place(box, size_px) for box in row["boxes"]),
            "a finding, a side, and rows and columns in the square that rise",
        ),
    )
    return [(column, expected) for column, is_right, expected in rules if not is_right]


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(_NAME.fullmatch(value))


def _is_size(value: object) -> bool:
    return isinstance(value, int) and 0 < value <= _LARGEST_PX


def _is_report(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _MOST_REPORT


def _is_group(value: object) -> bool:
    return isinstance(value, int) and value >= -1


def _is_place(box: Mapping[str, Any], size_px: int) -> bool:
    edges = [box[name] for name in ("row0", "row1", "col0", "col1")]
    if box["side"] not in _SIDES or not all(
        isinstance(edge, float) and math.isfinite(edge) and 0 <= edge <= size_px for edge in edges
    ):
        return False
    return bool(edges[0] < edges[1] and edges[2] < edges[3])
