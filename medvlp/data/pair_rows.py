"""The pairs of a split, as rows that are made when they are asked for.

The manifest stays a table of columns: a row of ten million is an object only while it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

import pyarrow.compute as pc

from medvlp.data.manifest import CHECKSUM
from medvlp.data.shards import Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from medvlp.data.manifest import PairsTable

__all__ = ["PairRow", "PairRows"]

_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class PairRow:
    """One pair as the manifest lists it; see :class:`medvlp.data.pairs.PairRecord`.

    Attributes:
        sample_id: Its name.
        place: Where its image is.
        captions: Texts that describe the image.
        group_id: Semantic group.
        concept_ids: Nodes of the knowledge graph.
    """

    sample_id: str
    place: Place
    captions: tuple[str, ...]
    group_id: int
    concept_ids: tuple[str, ...]


class PairRows(Sequence[PairRow]):
    """The pairs of one split, in the order of the manifest.

    Args:
        pairs: Their part of the manifest.
    """

    def __init__(self, pairs: PairsTable) -> None:
        self._table = pairs.table
        shards = pc.dictionary_encode(pairs.table["shard"]).combine_chunks()
        if len(pairs):
            shards = shards.chunk(0) if hasattr(shards, "chunk") else shards
            self._shard_names: list[str] = shards.dictionary.to_pylist()
            self.shard_number: NDArray[np.int64] = shards.indices.to_numpy().astype("int64")
        else:
            self._shard_names, self.shard_number = [], pairs.integers("offset")
        self.group_id = pairs.integers("group_id")
        self.offset = pairs.integers("offset")
        self._size = pairs.integers("size")
        self._crc32 = pairs.integers(CHECKSUM) if pairs.has_checksums else None

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.group_id)

    @overload
    def __getitem__(self, index: int) -> PairRow: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[PairRow, ...]: ...

    def __getitem__(self, index: int | slice) -> PairRow | tuple[PairRow, ...]:
        """Return one pair, or several."""
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            msg = f"there are {len(self)} pairs, got number {index}"
            raise IndexError(msg)
        table = self._table
        return PairRow(
            sample_id=table["sample_id"][place].as_py(),
            place=self.place(place),
            captions=tuple(table["captions"][place].as_py()),
            group_id=int(self.group_id[place]),
            concept_ids=tuple(table["concept_ids"][place].as_py()),
        )

    def __iter__(self) -> Iterator[PairRow]:
        """Yield all pairs; faster than one by one."""
        texts = self._table.select(["sample_id", "captions", "concept_ids"])
        number = 0
        for part in texts.to_batches(max_chunksize=_ROWS_AT_ONCE):
            for row in part.to_pylist():
                yield PairRow(
                    sample_id=row["sample_id"],
                    place=self.place(number),
                    captions=tuple(row["captions"]),
                    group_id=int(self.group_id[number]),
                    concept_ids=tuple(row["concept_ids"]),
                )
                number += 1

    def place(self, index: int) -> Place:
        """Return where a pair's image is."""
        return Place(
            self._shard_names[self.shard_number[index]],
            int(self.offset[index]),
            int(self._size[index]),
            None if self._crc32 is None else int(self._crc32[index]),
        )

    def concepts(self, index: int) -> tuple[str, ...]:
        """Return the concepts of a pair."""
        return tuple(self._table["concept_ids"][index].as_py())
