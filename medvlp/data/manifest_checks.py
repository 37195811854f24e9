"""What must hold for the columns and values of a manifest of pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from medvlp.errors import DataError, nearest_name
from medvlp.types import Modality

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SPLITS", "check_columns", "check_values"]

SPLITS = ("train", "validation", "test")
_MAX_CRC32 = 2**32 - 1


def check_columns(where: str, found: set[str], schema: pa.Schema) -> None:
    """Refuse a manifest that lacks a column.

    Args:
        where: What is checked, for the message.
        found: Names of its columns.
        schema: The columns that there must be.

    Raises:
        DataError: Naming the missing columns and the nearest that is there (MV1771).
    """
    missing = [name for name in schema.names if name not in found]
    if missing:
        raise DataError(
            "MV1771",
            f"{where}: column {missing[0]!r} is missing{nearest_name(missing[0], found)}",
            expected=f"columns {', '.join(schema.names)}",
            hint=f"add {', '.join(missing)}" if len(missing) > 1 else "",
        )


def check_values(where: str, table: pa.Table) -> None:
    """Refuse values that no pair can have, naming column and row (from 0).

    Args:
        where: What is checked, for the message.
        table: A table of the manifest's schema.

    Raises:
        DataError: For a missing or impossible value (MV1773), or a sample_id used twice (MV1774).
    """
    for name in table.schema.names:
        _refuse_first(where, name, table[name], pc.is_null, "a value")
        if pa.types.is_list(table.schema.field(name).type):
            _refuse_first(where, name, table[name], _has_blank, "no empty text")
    rules: list[tuple[str, Callable[[pa.ChunkedArray], pa.ChunkedArray], str]] = [
        ("sample_id", _is_blank, "a name"),
        ("shard", _leaves_the_folder, "the name of a file in the folder of the manifest"),
        ("offset", lambda x: pc.less(x, 0), "a byte offset >= 0"),
        ("size", lambda x: pc.less(x, 1), "a number of bytes >= 1"),
        ("modality", lambda x: _is_not_among(x, get_args(Modality)), str(get_args(Modality))),
        ("captions", lambda x: pc.less(pc.list_value_length(x), 1), "one caption at least"),
        ("split", lambda x: _is_not_among(x, SPLITS), str(SPLITS)),
    ]
    if "crc32" in table.column_names:
        rules.append(("crc32", _is_no_crc32, f"a CRC-32 from 0 to {_MAX_CRC32}"))
    for name, is_bad, expected in rules:
        _refuse_first(where, name, table[name], is_bad, expected)
    _check_unique(where, table["sample_id"])


def _refuse_first(
    where: str,
    name: str,
    column: pa.ChunkedArray,
    is_bad: Callable[[pa.ChunkedArray], pa.ChunkedArray],
    expected: str,
) -> None:
    row = pc.index(is_bad(column), value=True).as_py()
    if row >= 0:
        raise DataError(
            "MV1773", f"{where}: row {row}: {name} is {column[row].as_py()!r}", expected=expected
        )


def _check_unique(where: str, sample_ids: pa.ChunkedArray) -> None:
    counts = pc.value_counts(sample_ids)
    repeated = pc.index(pc.greater(counts.field("counts"), 1), value=True).as_py()
    if repeated >= 0:
        name = counts.field("values")[repeated]
        rows = pc.indices_nonzero(pc.equal(sample_ids, name)).to_pylist()
        raise DataError(
            "MV1774",
            f"{where}: sample_id {name.as_py()!r} stands in rows {rows[:5]}",
            expected="a sample_id of its own for every row",
            hint="put the source's name before the id, or drop the copies",
        )


def _is_blank(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.equal(pc.utf8_trim_whitespace(column), "")


def _has_blank(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Tell which lists hold a missing or blank text."""
    texts = pc.list_flatten(column)
    is_bad = pc.fill_null(_is_blank(texts), fill_value=True)
    owners = pc.list_parent_indices(column).filter(is_bad)
    rows = pa.chunked_array([pa.array(np.arange(len(column)))])
    return pc.is_in(rows, value_set=pc.unique(owners).cast(pa.int64()))


def _leaves_the_folder(column: pa.ChunkedArray) -> pa.ChunkedArray:
    has_separator = pc.match_substring_regex(column, pattern=r"[/\\\x00]")
    return pc.or_(has_separator, _is_not_a_name(column))


def _is_not_a_name(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.is_in(pc.utf8_trim_whitespace(column), value_set=pa.array(["", ".", ".."]))


def _is_no_crc32(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.or_(pc.less(column, 0), pc.greater(column, _MAX_CRC32))


def _is_not_among(column: pa.ChunkedArray, values: tuple[str, ...]) -> pa.ChunkedArray:
    return pc.invert(pc.is_in(column, value_set=pa.array(values)))
