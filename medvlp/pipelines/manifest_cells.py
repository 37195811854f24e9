"""Cells of tables that people make: their text, the names that are hashed, columns that must be."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any

from medvlp.errors import ConfigError, nearest_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

__all__ = ["cell_text", "check_table_columns", "hashed_name", "text_rows"]


def cell_text(value: Any) -> str:  # noqa: ANN401  cells of Parquet tables
    """Return the text of a cell without spaces around it; empty where nothing stands in it."""
    is_nothing = value is None or (isinstance(value, float) and math.isnan(value))
    return "" if is_nothing else str(value).strip()


def text_rows(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return the text of all cells of a table.

    Args:
        rows: Column -> cell.
    """
    return [{name: cell_text(value) for name, value in row.items()} for row in rows]


def check_table_columns(
    table: Path, rows: Sequence[Mapping[str, Any]], needed: Sequence[str], what: str = "manifest"
) -> None:
    """Refuse a table that lacks a column.

    Args:
        table: The file.
        rows: Its rows; columns are those of any of them.
        needed: Columns that there must be.
        what: What the table is, for the message.

    Raises:
        ConfigError: MV1002, with the nearest column that is there.
    """
    columns = set().union(*(row.keys() for row in rows)) if rows else set()
    for name in needed:
        if name not in columns:
            raise ConfigError(
                "MV1002",
                f"{what} {table} has no column {name!r}{nearest_name(name, columns)}",
                expected=f"columns {', '.join(needed)}",
            )


def hashed_name(name: str, salt: str) -> str:
    """Return 16 hex digits that stand for a name.

    Args:
        name: A patient's name.
        salt: Put before it; who does not know it cannot try names out.
    """
    return hashlib.sha256(f"{salt}:{name}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
