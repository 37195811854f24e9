"""Read texts from a table of CSV, JSON lines or Parquet; rows that hold none are listed by name."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from medvlp.errors import DataError, UsageError, nearest_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["BadRow", "TextRow", "TextTable", "read_texts"]

TEXT_COLUMNS = ("caption", "text", "report", "findings", "label")
ID_COLUMNS = ("id", "caption_id", "case_id", "sample_id")
_Row = dict[str, Any] | str
"""A row by column, or what is wrong with it."""

_MAX_CELL_LETTERS = 100_000_000


@dataclass(frozen=True, slots=True)
class TextRow:
    """A row with its text.

    Attributes:
        id: What the id column says, or the number of the row.
        text: The text.
    """

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row without a usable text.

    Attributes:
        row: Number of the line (CSV, JSON lines) or row (Parquet), from 1.
        id: Its id, as far as known.
        reason: What is wrong with it.
    """

    row: int
    id: str
    reason: str


@dataclass(frozen=True)
class TextTable:
    """The texts of a file.

    Attributes:
        rows: Rows with texts, in order.
        bad_rows: Rows without.
        text_column: The column that was read.
        id_column: The column of ids; None where rows are numbered.
    """

    rows: tuple[TextRow, ...]
    bad_rows: tuple[BadRow, ...]
    text_column: str
    id_column: str | None


def read_texts(
    path: Path, *, text_column: str | None = None, id_column: str | None = None
) -> TextTable:
    """Read the texts of a table.

    Args:
        path: A ``.csv``, ``.jsonl`` or ``.parquet`` file.
        text_column: Column of the texts; by default the first of caption, text, report, findings
            and label that exists.
        id_column: Column of the ids; by default the first of id, caption_id, case_id and sample_id
            that exists, else rows are numbered.

    Raises:
        DataError: MV2030 if the file cannot be read, MV2032 if no row holds a text.
        UsageError: MV2031 if a column does not exist.
    """
    readers = {".csv": _csv_rows, ".jsonl": _json_rows, ".parquet": _parquet_rows}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise _unreadable(path, f"has the suffix {path.suffix!r}")
    try:
        found = list(reader(path))
    except (OSError, UnicodeDecodeError, csv.Error, pa.ArrowException) as error:
        raise _unreadable(path, f"cannot be read ({error})") from error
    columns = list(dict.fromkeys(key for _, row in found if isinstance(row, dict) for key in row))
    text_name = _column(path, text_column, TEXT_COLUMNS, columns)
    if text_name is None:
        raise UsageError(
            "MV2031",
            f"{path} has none of the columns {', '.join(TEXT_COLUMNS)}",
            expected=f"--text-column, one of {', '.join(columns)}" if columns else "rows",
        )
    id_name = _column(path, id_column, ID_COLUMNS, columns)
    checked = [_checked(number, row, text_name, id_name) for number, row in found]
    rows = tuple(row for row in checked if isinstance(row, TextRow))
    bad_rows = tuple(row for row in checked if isinstance(row, BadRow))
    if not rows:
        why = f"; row {bad_rows[0].row}: {bad_rows[0].reason}" if bad_rows else ""
        raise DataError("MV2032", f"{path} holds no text{why}", expected="a text in some row")
    return TextTable(rows, bad_rows, text_name, id_name)


def _csv_rows(path: Path) -> Iterator[tuple[int, _Row]]:
    """Yield the line number and the row, or what is wrong with it."""
    limit = csv.field_size_limit(_MAX_CELL_LETTERS)
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            head = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter=next((m for m in ",;\t" if m in head), ","))
            header = [name.strip() for name in next(reader, [])]
            for cells in reader:
                if not cells:
                    continue
                if len(cells) != len(header):
                    yield reader.line_num, f"{len(cells)} cells, the header has {len(header)}"
                else:
                    yield reader.line_num, dict(zip(header, cells, strict=True))
    finally:
        csv.field_size_limit(limit)


def _json_rows(path: Path) -> Iterator[tuple[int, _Row]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                yield number, "no JSON, or not UTF-8"
            else:
                yield number, row if isinstance(row, dict) else "no JSON object"


def _parquet_rows(path: Path) -> Iterator[tuple[int, _Row]]:
    number = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches():
            for row in batch.to_pylist():
                number += 1
                yield number, row


def _column(path: Path, wanted: str | None, usual: Iterable[str], columns: list[str]) -> str | None:
    """Return the column that is asked for, or the first usual one that exists."""
    if wanted is None:
        return next((name for name in usual if name in columns), None)
    if wanted not in columns:
        raise UsageError(
            "MV2031",
            f"{path} has no column {wanted!r}{nearest_name(wanted, columns)}",
            expected=f"one of {', '.join(columns) or 'none: the file has no rows'}",
        )
    return wanted


def _checked(number: int, row: _Row, text_column: str, id_column: str | None) -> TextRow | BadRow:
    if isinstance(row, str):
        return BadRow(number, "", row)
    written = row.get(id_column) if id_column is not None else None
    id_ = str(number) if written is None or str(written).strip() == "" else str(written)
    id_ = id_.encode("utf-8", "backslashreplace").decode()
    text = row.get(text_column)
    if text is None or text == "":
        return BadRow(number, id_, "no text")
    if not isinstance(text, str):
        return BadRow(number, id_, f"the text is a {type(text).__name__}")
    if not text.strip():
        return BadRow(number, id_, "no text but spaces")
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        return BadRow(number, id_, "the text is not UTF-8")
    return TextRow(id_, text)


def _unreadable(path: Path, what: str) -> DataError:
    return DataError(
        "MV2030",
        f"{path} {what}",
        expected="a UTF-8 .csv or .jsonl file, or a .parquet file, with a column of texts",
    )
