"""The order in which rows and columns are visited, and the masks of a tile.

Rows and columns are sorted so that members of a group, and samples of a concept, are neighbours.
Then positives meet in few tiles, and the rows of a tile hold few distinct concepts, so that a mask
over a tile is a gather from a small table. Nothing of size rows x columns is ever held.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from medvlp.losses.relations import unpack_related

if TYPE_CHECKING:
    from torch import Tensor

    from medvlp.losses.engine.pairs import JoinedPairs

__all__ = ["PairLayout", "RowMasks", "build_layout"]


@dataclass(frozen=True, kw_only=True)
class PairLayout:
    """Sorted view of this rank's rows and of all columns.

    Attributes:
        order_x: Row of x at each sorted position, shape ``(b,)``, int64; ``None``: as given.
        order_y: Column at each sorted position, shape ``(B,)``, int64; ``None``: as given.
        rank_x: Rank of the group of each sorted row, shape ``(b,)``, int64, never decreasing.
        rank_y: Rank of the group of each sorted column, shape ``(B,)``, int64, never decreasing.
        concept_x: Concept of each sorted row, -1 for none; ``None`` where nothing is ignored.
        concept_y: Concept of each sorted column, -1 for none; ``None`` where nothing is ignored.
        related: Packed table of related concepts; ``None`` where nothing is ignored.
    """

    order_x: Tensor | None
    order_y: Tensor | None
    rank_x: Tensor
    rank_y: Tensor
    concept_x: Tensor | None = None
    concept_y: Tensor | None = None
    related: Tensor | None = None

    def bounds(self, size_x: int, size_y: int) -> tuple[list[list[int]], list[list[int]]]:
        """Return the first and last group rank of each row block and of each column block."""
        return _block_bounds(self.rank_x, size_x), _block_bounds(self.rank_y, size_y)

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
    if pairs.group_x is None and pairs.related is None:
        device = pairs.device
        return PairLayout(
            order_x=None,
            order_y=None,
            rank_x=torch.arange(start, stop, device=device),
            rank_y=torch.arange(pairs.num_y, device=device),
        )
    rank_x, rank_y = _group_ranks(pairs)
    rank_x = rank_x[start:stop]
    concept_x = concept_y = None
    key_x, key_y = rank_x, rank_y
    if pairs.related is not None and pairs.concept_x is not None and pairs.concept_y is not None:
        concept_x, concept_y = pairs.concept_x[start:stop], pairs.concept_y
        stride = pairs.related.shape[0] + 1
        key_x, key_y = key_x * stride + concept_x, key_y * stride + concept_y
    order_x, order_y = _sorting(key_x), _sorting(key_y)
    return PairLayout(
        order_x=order_x,
        order_y=order_y,
        rank_x=_reorder(rank_x, order_x),
        rank_y=_reorder(rank_y, order_y),
        concept_x=None if concept_x is None else _reorder(concept_x, order_x),
        concept_y=None if concept_y is None else _reorder(concept_y, order_y),
        related=pairs.related,
    )


class RowMasks:
    """Masks of the tiles of one row block.

    Args:
        layout: The sorted view.
        rows: The row block, sorted positions.
        bounds: First and last group rank of the row block.
    """

    def __init__(self, layout: PairLayout, rows: slice, bounds: list[int]) -> None:
        self._rank_x = layout.rank_x[rows].unsqueeze(1)
        self._rank_y = layout.rank_y
        self._bounds = bounds
        self._related = None
        if None not in (layout.related, layout.concept_x, layout.concept_y):
            self._related = _RelatedRows(layout, rows)

    def positives(self, columns: slice, bounds: list[int]) -> Tensor | None:
        """Return which pairs of a tile are positives.

        Args:
            columns: The column block, sorted positions.
            bounds: First and last group rank of the column block.

        Returns:
            Shape ``(rows, columns)``, bool, or ``None`` where the blocks share no group.
        """
        if bounds[1] < self._bounds[0] or self._bounds[1] < bounds[0]:
            return None
        return self._rank_x == self._rank_y[columns].unsqueeze(0)

    def ignored(self, columns: slice, positives: Tensor | None) -> Tensor | None:
        """Return which pairs of a tile are ignored: related and not positives.

        Args:
            columns: The column block, sorted positions.
            positives: The positives of the tile.

        Returns:
            Shape ``(rows, columns)``, bool, or ``None`` where nothing is ignored.
        """
        if self._related is None:
            return None
        related = self._related.by_distinct(columns).index_select(0, self._related.which)
        return related if positives is None else related & ~positives

    def leave_out(
        self, logits: Tensor, columns: slice, positives: Tensor | None, scratch: Tensor
    ) -> None:
        """Set the ignored logits of a tile to minus infinity.

        Args:
            logits: The tile, shape ``(rows, columns)``, changed in place.
            columns: The column block, sorted positions.
            positives: The positives of the tile; they are kept.
            scratch: Same shape as the tile, overwritten.
        """
        if self._related is None:
            return
        related = self._related.by_distinct(columns)
        offset = logits.new_zeros(related.shape).masked_fill_(related, -torch.inf)
        torch.index_select(offset, 0, self._related.which, out=scratch)
        if positives is not None:
            scratch.masked_fill_(positives, 0.0)
        logits.add_(scratch)


class _RelatedRows:
    """Related concepts of the distinct concepts of one row block."""

    def __init__(self, layout: PairLayout, rows: slice) -> None:
        concept_x, concept_y, related = layout.concept_x, layout.concept_y, layout.related
        if concept_x is None or concept_y is None or related is None:
            msg = "the layout holds no related concepts"
            raise ValueError(msg)
        distinct, self.which = torch.unique(concept_x[rows], return_inverse=True)
        table = unpack_related(related, distinct.clamp(min=0))
        table &= distinct.unsqueeze(1) >= 0
        # one more column, all False, which the concept -1 of a column points to
        self._table = torch.cat([table, table.new_zeros((table.shape[0], 1))], dim=1)
        self._concept_y = concept_y

    def by_distinct(self, columns: slice) -> Tensor:
        """Return relatedness to a column block, shape ``(distinct, columns)``, bool."""
        concept = self._concept_y[columns]
        none = self._table.shape[1] - 1
        return self._table.index_select(1, torch.where(concept < 0, none, concept))


def _group_ranks(pairs: JoinedPairs) -> tuple[Tensor, Tensor]:
    """Rank the groups by their smallest concept, then by their id; return ranks per row of x, y."""
    dense_x, dense_y, num_groups = pairs.dense_groups()
    if pairs.related is None or pairs.concept_x is None or pairs.concept_y is None:
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


def _block_bounds(rank: Tensor, size: int) -> list[list[int]]:
    if rank.numel() == 0:
        return []
    first = torch.arange(0, rank.numel(), size, device=rank.device)
    last = (first + size).clamp(max=rank.numel()) - 1
    bounds: list[list[int]] = torch.stack([rank[first], rank[last]], dim=1).tolist()
    return bounds
