"""Tables of labels: one row per case, or per case and side, from CSV or Parquet.

Columns: ``case_id``; targets under any name; ``side`` or ``unit`` where the boxes of a scan have
labels of their own; ``split``; ``patient_id``, ``patient`` or ``group``; ``months`` and ``event``;
``site`` or ``scanner``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medvlp.errors import DataError, MedvlpError, nearest_name
from medvlp.io import read_csv

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["GROUP_COLUMNS", "SITE_COLUMNS", "LabelTable", "bad_labels", "read_label_table"]

GROUP_COLUMNS = ("patient_id", "patient", "group")
"""Columns that say which cases are of one patient; the first that is there counts."""

SITE_COLUMNS = ("site", "scanner")
"""Columns that figures are given apart by, where they are there."""

_UNIT_COLUMNS = ("unit", "side")


@dataclass(frozen=True)
class LabelTable:
    """The rows of a table of labels as texts; what is missing is an empty text.

    Attributes:
        path: The file.
        columns: Names of the columns.
        rows: The rows, each with every column.
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Mapping[str, str], ...]

    def require(self, *names: str) -> None:
        """Refuse the table if it lacks a column.

        Raises:
            DataError: MV2320 naming the nearest column.
        """
        for name in names:
            if name not in self.columns:
                raise bad_labels(
                    self.path,
                    f"there is no column {name!r}{nearest_name(name, self.columns)}",
                    expected=f"one of {list(self.columns)}",
                )

    def first_of(self, names: tuple[str, ...]) -> str | None:
        """Return the first of these columns that is there, or None."""
        return next((name for name in names if name in self.columns), None)

    @property
    def unit_column(self) -> str | None:
        """Column that names a box of the case, ``unit`` or ``side``; None where cases are whole."""
        return self.first_of(_UNIT_COLUMNS)


def bad_labels(
    path: Path, what: str, *, code: str = "MV2320", expected: str = "", hint: str = ""
) -> DataError:
    """Return the error of a table of labels that cannot be used.

    Args:
        path: The table.
        what: What is wrong.
        code: Which error it is.
        expected: What was expected.
        hint: What helps.
    """
    return DataError(code, f"{path}: {what}", expected=expected, hint=hint)


def read_label_table(path: Path) -> LabelTable:
    """Read a table of labels.

    Args:
        path: A ``.parquet`` file, else CSV.

    Raises:
        DataError: MV2320 without a column ``case_id``, without rows or with a row that names no
            case; MV2321 if a case, or a case and side, has two rows.
        MedvlpError: MV1101 or MV1107 if the file cannot be read.
    """
    rows = _read_parquet(path) if path.suffix.lower() == ".parquet" else read_csv(path)
    rows = [{name: cell.strip() for name, cell in row.items()} for row in rows]
    table = LabelTable(path, tuple(rows[0]) if rows else (), tuple(rows))
    if not rows:
        raise bad_labels(path, "there are no rows", expected="one row per case")
    table.require("case_id")
    nameless = [number for number, row in enumerate(rows, start=1) if not row["case_id"]]
    if nameless:
        raise bad_labels(path, f"row {nameless[0]} names no case", expected="a case_id in each row")
    _check_once(table)
    return table


def _check_once(table: LabelTable) -> None:
    """Refuse a second row of a case; say whether the rows agree."""
    unit = table.unit_column

    def key(row: Mapping[str, str]) -> tuple[str, str]:
        return row["case_id"], row[unit] if unit else ""

    counts = Counter(map(key, table.rows))
    twice = [name for name, count in counts.items() if count > 1]
    if not twice:
        return
    same = [row for row in table.rows if key(row) == twice[0]]
    differing = [name for name in table.columns if len({row[name] for row in same}) > 1]
    case_id, part = twice[0]
    raise bad_labels(
        table.path,
        f"{len(twice)} cases have several rows, such as {' '.join(filter(None, (case_id, part)))} "
        f"with {len(same)} that {'differ in ' + ', '.join(differing) if differing else 'agree'}",
        code="MV2321",
        expected="one row per case, or per case and side",
        hint="keep one row of each; scans of one patient share a patient_id, not a case_id",
    )


def _read_parquet(path: Path) -> list[dict[str, str]]:
    import pyarrow as pa  # noqa: PLC0415 - 80 ms that a CSV file need not pay
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    except OSError as error:
        code, what = "MV1101", f"{path} cannot be read ({error})"
        raise MedvlpError(code, what, hint="check that the file exists and is whole") from error
    except pa.ArrowInvalid as error:
        raise MedvlpError("MV1107", f"{path}: {error}", expected="a Parquet file") from error
    return [{name: _text(value) for name, value in row.items()} for row in rows]


def _text(value: object) -> str:
    """Return a cell as a CSV file would have it: 1 for 1.0 and True, nothing for NaN."""
    if value is None or value != value:  # noqa: PLR0124 - NaN is what differs from itself
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
