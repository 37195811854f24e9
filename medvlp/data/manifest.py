"""The table of pairs: where each image is, what is said about it, and what it belongs to.

A Parquet file beside the shards, so that captions, groups and concepts can change without writing
an image again. Columns stay columns: a million rows are read and checked in seconds.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from medvlp.data.manifest_checks import check_columns, check_values
from medvlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

__all__ = [
    "CHECKSUM",
    "PAIRS_SCHEMA",
    "PairsTable",
    "make_pairs_table",
    "read_pairs_table",
    "write_pairs_table",
]

_TEXTS = pa.list_(pa.string())

PAIRS_SCHEMA = pa.schema(
    [
        ("sample_id", pa.string()),
        ("shard", pa.string()),
        ("offset", pa.int64()),
        ("size", pa.int64()),
        ("modality", pa.string()),
        ("group_id", pa.int64()),
        ("concept_ids", _TEXTS),
        ("captions", _TEXTS),
        ("split", pa.string()),
        ("source", pa.string()),
        ("licence", pa.string()),
    ]
)
"""Columns of the manifest, in their order. ``offset`` and ``size`` are bytes within ``shard``;
``group_id`` names the semantic group, equal ids are positives; ``concept_ids`` are nodes of the
knowledge graph such as ``DOID:4467`` and may be empty; ``captions`` holds one text at least."""

CHECKSUM = "crc32"
"""Optional column: the CRC-32 of a sample's bytes, compared when they are read."""


@dataclass(frozen=True)
class PairsTable:
    """Checked pairs; row i is sample i of the sampler.

    Attributes:
        table: Columns as :data:`PAIRS_SCHEMA` says, and :data:`CHECKSUM` where it is there.
    """

    table: pa.Table

    def __len__(self) -> int:
        """Return the number of pairs."""
        return int(self.table.num_rows)

    def integers(self, name: str) -> Ints:
        """Return a whole-number column, shape ``(N,)``, int64: offset, size, group_id or crc32."""
        return np.asarray(self.table[name].to_numpy(), dtype=np.int64)

    @property
    def has_checksums(self) -> bool:
        """Whether the column :data:`CHECKSUM` is there."""
        return CHECKSUM in self.table.column_names

    def row(self, index: int) -> dict[str, Any]:
        """Return one pair, column name to value."""
        values: dict[str, Any] = self.table.slice(index, 1).to_pylist()[0]
        return values

    def of_split(self, split: str) -> PairsTable:
        """Return the pairs of one split, in their order."""
        return PairsTable(self.table.filter(pc.equal(self.table["split"], split)).combine_chunks())

    def concept_lists(self, vocabulary: Sequence[str]) -> tuple[Ints, Ints]:
        """Return each pair's concepts as numbers.

        Args:
            vocabulary: All concepts of the knowledge graph; a concept's place is its number.

        Returns:
            Where each pair's list begins, shape ``(N + 1,)``, and the numbers of all lists.

        Raises:
            DataError: If a concept is not in the vocabulary (MV1775).
        """
        column = self.table["concept_ids"]
        flat = pc.list_flatten(column)
        numbers = pc.index_in(flat, value_set=pa.array(vocabulary, pa.string()))
        if numbers.null_count:
            missing = pc.unique(flat.filter(pc.is_null(numbers))).to_pylist()
            raise DataError(
                "MV1775",
                f"{len(missing)} concepts are not in the knowledge graph, such as {missing[:3]}",
                expected=f"concepts among the {len(vocabulary)} of the graph",
                hint="build the graph from the release that the pairs were linked with",
            )
        lengths = pc.list_value_length(column).to_numpy()
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return starts, np.asarray(numbers.to_numpy(), dtype=np.int64)

    def content_hash(self) -> str:
        """Return 16 hex digits of the SHA-256 of all values, whatever file they came from."""
        digest = hashlib.sha256()
        for name in self.table.column_names:
            column = self.table[name].combine_chunks()
            column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
            digest.update(f"{name}:{len(column)};".encode())
            _hash_values(digest, column)
        return digest.hexdigest()[:16]


def make_pairs_table(rows: Sequence[Mapping[str, Any]]) -> PairsTable:
    """Build and check a table from rows.

    Args:
        rows: Column name to value, all columns in each row.

    Raises:
        DataError: As :func:`read_pairs_table`.
    """
    if rows:
        check_columns("the rows", set(rows[0]), PAIRS_SCHEMA)
    try:
        table = pa.Table.from_pylist(list(rows), schema=_schema(rows[0] if rows else ()))
    except (pa.ArrowException, TypeError) as error:
        raise DataError(
            "MV1772", f"the rows do not have the types of the manifest ({error})"
        ) from error
    check_values("the rows", table)
    return PairsTable(table)


def write_pairs_table(path: Path, pairs: PairsTable) -> None:
    """Write a manifest at exactly this path; the same pairs give the same bytes.

    The caller publishes the file: this writes to a temporary name.

    Args:
        path: Where to.
        pairs: Checked pairs.
    """
    pq.write_table(
        pairs.table.cast(_schema(pairs.table.column_names)).replace_schema_metadata(None),
        path,
        compression="zstd",
        row_group_size=65536,
        store_schema=False,
    )


def read_pairs_table(path: Path) -> PairsTable:
    """Read and check a manifest; columns beyond the known ones are not read.

    Args:
        path: A Parquet file.

    Raises:
        DataError: If it is no Parquet file (MV1770), a column is missing (MV1771) or has another
            type (MV1772), a value is missing or not one that can be (MV1773), or a sample_id is
            used twice (MV1774). The message names the column and the row.
    """
    try:
        found = pq.read_schema(path)
        check_columns(str(path), set(found.names), PAIRS_SCHEMA)
        wanted = _schema(found.names)
        table = pq.read_table(path, columns=wanted.names)
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            "MV1770",
            f"{path} cannot be read as a manifest of pairs ({error})",
            expected="a Parquet file",
            hint="write the pairs again, or check the path",
        ) from error
    for field in wanted:
        if not _fits(table.schema.field(field.name).type, field.type):
            raise DataError(
                "MV1772",
                f"{path}: column {field.name!r} has type {table.schema.field(field.name).type}",
                expected=str(field.type),
                hint="convert the column where the manifest is written",
            )
    table = table.cast(wanted).combine_chunks()
    check_values(str(path), table)
    return PairsTable(table)


def _schema(columns: Iterable[str]) -> pa.Schema:
    """Return the schema of a manifest with these columns."""
    if CHECKSUM in columns:
        return PAIRS_SCHEMA.append(pa.field(CHECKSUM, pa.int64()))
    return PAIRS_SCHEMA


def _fits(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Tell whether a type holds the same kind of values: other widths and encodings are fine."""
    if pa.types.is_dictionary(found):
        found = found.value_type
    if pa.types.is_list(wanted):
        is_list = pa.types.is_list(found) or pa.types.is_large_list(found)
        return is_list and _fits(found.value_type, wanted.value_type)
    if pa.types.is_integer(wanted):
        return bool(pa.types.is_integer(found))
    return bool(pa.types.is_string(found) or pa.types.is_large_string(found))


def _hash_values(digest: Any, column: pa.Array) -> None:  # noqa: ANN401
    if pa.types.is_list(column.type):
        lengths = pc.list_value_length(column).to_numpy(zero_copy_only=False)
        digest.update(np.ascontiguousarray(lengths, dtype="<i8").tobytes())
        _hash_values(digest, column.flatten())
    elif pa.types.is_string(column.type):
        lengths = pc.binary_length(column).to_numpy(zero_copy_only=False)
        digest.update(np.ascontiguousarray(lengths, dtype="<i8").tobytes())
        offsets = np.frombuffer(column.buffers()[1], dtype=np.int32) if len(column) else [0]
        first, last = offsets[column.offset], offsets[column.offset + len(column)]
        digest.update(memoryview(column.buffers()[2] or b"")[first:last])
    else:
        digest.update(np.ascontiguousarray(column.to_numpy(), dtype="<i8").tobytes())
