"""JSON, CSV and Parquet files, published whole; CSV files of users, read strictly."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

from medvlp.errors import MedvlpError
from medvlp.io.hashing import plain_value
from medvlp.io.publish import publish_file

if TYPE_CHECKING:
    from _csv import Reader
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["read_csv", "write_csv", "write_json", "write_table"]


def write_json(path: Path, value: object) -> None:
    """Publish plain data as indented UTF-8 JSON that ends with a line feed.

    Args:
        path: The file; an existing one is replaced.
        value: Plain data; paths and numpy values are turned into it.

    Raises:
        ValueError: If a number is NaN or infinite, which JSON cannot hold.
        TypeError: If a value has no JSON form.
        OutputError: MV1104 to MV1106 where the file cannot be written.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=plain_value)
    with publish_file(path) as temporary:
        temporary.write_bytes(f"{text}\n".encode("utf-8", "backslashreplace"))


def write_csv(path: Path, rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> None:
    """Publish rows as UTF-8 CSV with a header line.

    Args:
        path: The file; an existing one is replaced.
        rows: One mapping per row; a missing value or None is written as an empty cell.
        columns: Names of the columns, in order.

    Raises:
        ValueError: If a row has a key that is no column.
        OutputError: MV1104 to MV1106 where the file cannot be written.
    """
    _check_rows(rows, columns)
    with (
        publish_file(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_table(
    path: Path, rows: Sequence[Mapping[str, object]], columns: Sequence[str]
) -> tuple[Path, Path]:
    """Publish the same rows as ``<path>.csv`` and ``<path>.parquet``.

    Each file is whole or absent; the CSV file is published last, so where it is new the other is
    too.

    Args:
        path: Path of both files without suffix.
        rows: One mapping per row; missing values are null in Parquet and empty in CSV.
        columns: Names of the columns, in order.

    Returns:
        The paths of the CSV and of the Parquet file.

    Raises:
        ValueError: If a row has a key that is no column.
        TypeError: If the values of a column have no common type; names the column.
        OutputError: MV1104 to MV1106 where a file cannot be written.
    """
    import pyarrow as pa  # noqa: PLC0415 - 80 ms that most commands need not pay
    import pyarrow.parquet as pq  # noqa: PLC0415

    _check_rows(rows, columns)
    arrays: list[Any] = []
    for column in columns:
        try:
            arrays.append(pa.array([row.get(column) for row in rows]))
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise TypeError(f"column {column!r} mixes types: {error}") from error
    csv_path, parquet_path = (path.with_name(path.name + suffix) for suffix in (".csv", ".parquet"))
    with publish_file(parquet_path) as temporary:
        pq.write_table(pa.Table.from_arrays(arrays, names=list(columns)), temporary)
    write_csv(csv_path, rows, columns)
    return csv_path, parquet_path


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read a table with a header line: UTF-8 with or without a byte order mark.

    Commas separate the cells; where the header has no comma, semicolons or tabs do, as spreadsheet
    programs of many countries write them. Empty lines are skipped.

    Args:
        path: The file.

    Returns:
        One dictionary per row, header name to text.

    Raises:
        MedvlpError: MV1101 where the file cannot be read; MV1107 where it is not UTF-8, has no
            header, repeats a column, or has a row with more or fewer cells than the header.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header_line = file.readline()
            file.seek(0)
            delimiter = next((mark for mark in ",;\t" if mark in header_line), ",")
            return list(_checked_rows(path, csv.reader(file, delimiter=delimiter, strict=True)))
    except UnicodeDecodeError as error:
        raise _bad_table(path, f"byte {error.start} is not UTF-8", "save it as UTF-8") from error
    except csv.Error as error:
        raise _bad_table(path, str(error), "check quotes and line ends") from error
    except OSError as error:
        raise MedvlpError(
            "MV1101",
            f"{path} cannot be read ({error.strerror or error})",
            hint="check that the file exists and that you may read it",
        ) from error


def _checked_rows(path: Path, reader: Reader) -> Iterator[dict[str, str]]:
    header = [name.strip() for name in next(reader, [])]
    if not any(header):
        raise _bad_table(path, "the header line is missing", "name the columns in the first line")
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise _bad_table(path, f"column {repeated[0]!r} is there twice", "rename or delete one")
    for cells in reader:
        if not cells:
            continue
        if len(cells) != len(header):
            raise _bad_table(
                path,
                f"line {reader.line_num} has {len(cells)} cells, the header has {len(header)}",
                "quote cells that hold the separator",
            )
        yield dict(zip(header, cells, strict=True))


def _bad_table(path: Path, what: str, hint: str) -> MedvlpError:
    return MedvlpError(
        "MV1107",
        f"{path}: {what}",
        expected="a UTF-8 table whose first line names the columns",
        hint=hint,
    )


def _check_rows(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> None:
    known = set(columns)
    for index, row in enumerate(rows):
        unknown = sorted(set(row) - known)
        if unknown:
            raise ValueError(
                f"row {index} has the key {unknown[0]!r}, which is no column: {columns}"
            )
