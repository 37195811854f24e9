"""The order in which rows and columns are visited.

Rows and columns are sorted so that members of a group, and samples of a concept, are neighbours.
Then positives meet in few tiles, and the rows of a tile hold few distinct concepts, so that a mask
over a tile is a gather from a small table. Nothing of size rows x columns is ever held.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from medvlp.losses.engine.pairs import JoinedPairs

__all__ = ["BlockBounds", "PairLayout", "build_layout"]


class BlockBounds(NamedTuple):
    """Smallest and largest ids in a block of rows or of columns.

    Attributes:
        ranks: Of the group ranks.
        concepts: Of the concepts; (0, 0) where there are none.
    """

    ranks: tuple[int, int]
    concepts: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class PairLayout:
    """Sorted view of this rank's rows and of all columns.

    Attributes:
        order_x: Row of x at each sorted position, shape ``(b,)``, int64; ``None``: as given.
        order_y: Column at each sorted position, shape ``(B,)``, int64; ``None``: as given.
        rank_x: Rank of the group of each sorted row, shape ``(b,)``, int64, never decreasing.
        rank_y: Rank of the group of each sorted column, shape ``(B,)``, int64, never decreasing.
        first: First column that is a positive of each sorted row, shape ``(b,)``, int64.
        last: One behind its last one; the positives of a row stand side by side.
        concept_x: Concept of each sorted row, -1 for none; ``None`` where nothing is ignored.
        concept_y: Concept of each sorted column, -1 for none; ``None`` where nothing is ignored.
        related: Packed table of related concepts; ``None`` where only equal concepts are ignored.
        ignore_same_concept: Whether equal concepts are ignored whatever the table says.
    """

    order_x: Tensor | None
    order_y: Tensor | None
    rank_x: Tensor
    rank_y: Tensor
    first: Tensor
    last: Tensor
    concept_x: Tensor | None = None
    concept_y: Tensor | None = None
    related: Tensor | None = None
    ignore_same_concept: bool = False

    def bounds(self, size_x: int, size_y: int) -> tuple[list[BlockBounds], list[BlockBounds]]:
        """Return the bounds of the row blocks and of the column blocks."""
        return (
            _block_bounds(self.rank_x, self.concept_x, size_x),
            _block_bounds(self.rank_y, self.concept_y, size_y),
        )

    @property
    def most_positives(self) -> int:
        """Largest number of positives that a row of this rank has."""
        return int((self.last - self.first).amax()) if self.first.numel() else 0

    def sort_x(self, values: Tensor, pairs: JoinedPairs) -> Tensor:
        """Take this rank's part of a joined vector over x, in sorted order."""
        start = pairs.offset_x
        return _reorder(values[start : start + pairs.num_local_x], self.order_x)

    def sort_y(self, values: Tensor) -> Tensor:
        """Bring a joined vector over y to sorted order."""
        return _reorder(values, self.order_y)


def build_layout(pairs: JoinedPairs) -> PairLayout:
    """Sort the rows of this rank and the joined columns by group and concept.

    Args:
        pairs: Ids of the joined batch.

    Returns:
        The layout; without groups and related concepts nothing is sorted.
    """
    start = pairs.offset_x
    stop = start + pairs.num_local_x
    if pairs.group_x is None and pairs.concept_x is None:
        own = torch.arange(start, stop, device=pairs.device)
        return PairLayout(
            order_x=None,
            order_y=None,
            rank_x=own,
            rank_y=torch.arange(pairs.num_y, device=pairs.device),
            first=own,
            last=own + 1,
        )
    rank_x, rank_y = _group_ranks(pairs)
    rank_x = rank_x[start:stop]
    concept_x = concept_y = None
    key_x, key_y = rank_x, rank_y
    if pairs.concept_x is not None and pairs.concept_y is not None:
        concept_x, concept_y = pairs.concept_x[start:stop], pairs.concept_y
        stride = pairs.num_concepts + 1
        key_x, key_y = key_x * stride + concept_x, key_y * stride + concept_y
    order_x, order_y = _sorting(key_x), _sorting(key_y)
    rank_x, rank_y = _reorder(rank_x, order_x), _reorder(rank_y, order_y)
    return PairLayout(
        order_x=order_x,
        order_y=order_y,
        rank_x=rank_x,
        rank_y=rank_y,
        first=torch.searchsorted(rank_y, rank_x),
        last=torch.searchsorted(rank_y, rank_x, right=True),
        concept_x=None if concept_x is None else _reorder(concept_x, order_x),
        concept_y=None if concept_y is None else _reorder(concept_y, order_y),
        related=pairs.related,
        ignore_same_concept=pairs.ignore_same_concept,
    )


def _group_ranks(pairs: JoinedPairs) -> tuple[Tensor, Tensor]:
    """Rank the groups by their smallest concept, then by their id; return ranks per row of x, y."""
    dense_x, dense_y, num_groups = pairs.dense_groups()
    if pairs.concept_x is None or pairs.concept_y is None:
        return dense_x, dense_y
    smallest = torch.full((num_groups,), torch.iinfo(torch.int64).max, device=pairs.device)
    smallest.scatter_reduce_(
        0,
        torch.cat([dense_x, dense_y]),
        torch.cat([pairs.concept_x, pairs.concept_y]),
        reduce="amin",
    )
    order = torch.argsort(smallest, stable=True)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(num_groups, device=pairs.device)
    return rank[dense_x], rank[dense_y]


def _sorting(key: Tensor) -> Tensor | None:
    is_sorted = bool((key[1:] >= key[:-1]).all())
    return None if is_sorted else torch.argsort(key, stable=True)


def _reorder(values: Tensor, order: Tensor | None) -> Tensor:
    return values if order is None else values.index_select(0, order)


def _block_bounds(rank: Tensor, concept: Tensor | None, size: int) -> list[BlockBounds]:
    ids = [rank] if concept is None else [rank, concept]
    if rank.numel() == 0:
        return []
    ends = [
        torch.stack([part.amin(), part.amax()]) for each in ids for part in torch.split(each, size)
    ]
    pairs = [(int(low), int(high)) for low, high in torch.stack(ends).tolist()]
    num_blocks = len(pairs) // len(ids)
    concepts = [(0, 0)] * num_blocks if concept is None else pairs[num_blocks:]
    return [BlockBounds(*both) for both in zip(pairs[:num_blocks], concepts, strict=True)]
