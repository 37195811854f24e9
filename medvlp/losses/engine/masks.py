"""Which pairs of a tile are positives, and which are ignored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from medvlp.losses.relations import unpack_related

if TYPE_CHECKING:
    from torch import Tensor

    from medvlp.losses.engine.layout import BlockBounds, PairLayout

__all__ = ["PositivePairs", "RelatedPairs", "RowMasks"]


@dataclass(frozen=True)
class PositivePairs:
    """The k positive pairs of a tile of r rows and c columns.

    Attributes:
        rows: Sorted position of each pair's row, shape ``(k,)``, int64.
        columns: Sorted position of each pair's column, shape ``(k,)``, int64.
        places: Place of each pair in the flattened tile, shape ``(k,)``, int64.
    """

    rows: Tensor
    columns: Tensor
    places: Tensor


@dataclass(frozen=True)
class RelatedPairs:
    """Which pairs of a tile have related concepts.

    Attributes:
        table: Distinct concepts of the rows against columns, shape ``(distinct, c)``, bool.
        which: Row of the table for each row of the tile, shape ``(r,)``, int64.
    """

    table: Tensor
    which: Tensor

    def ignored(self, positives: PositivePairs | None) -> Tensor:
        """Return which pairs are ignored, shape ``(r, c)``, bool: related and not positives."""
        related = self.table.index_select(0, self.which)
        if positives is not None:
            related.view(-1).index_fill_(0, positives.places, False)
        return related

    def leave_out(self, logits: Tensor, scratch: Tensor) -> None:
        """Set the logits of related pairs, positives among them, to minus infinity.

        Args:
            logits: The tile, shape ``(r, c)``, changed in place.
            scratch: Same shape as the tile, overwritten.
        """
        offset = logits.new_zeros(self.table.shape).masked_fill_(self.table, -torch.inf)
        torch.index_select(offset, 0, self.which, out=scratch)
        logits.add_(scratch)


class RowMasks:
    """Masks of the tiles of one row block.

    Args:
        layout: The sorted view.
        rows: The row block, sorted positions.
        bounds: Bounds of the row block.
    """

    def __init__(self, layout: PairLayout, rows: slice, bounds: BlockBounds) -> None:
        self._rows = torch.arange(rows.start, rows.stop, device=layout.rank_x.device)
        self._bounds = bounds
        self._first, self._last = layout.first[rows], layout.last[rows]
        has_concepts = layout.concept_x is not None
        self._related = _RelatedRows(layout, rows) if has_concepts else None
        self._skips_apart = layout.related is None

    def positives(self, columns: slice, bounds: BlockBounds) -> PositivePairs | None:
        """Return the positives of a tile, ``None`` where it has none.

        Args:
            columns: The column block, sorted positions.
            bounds: Bounds of the column block.
        """
        if _lie_apart(self._bounds.ranks, bounds.ranks):
            return None
        first = self._first.clamp(min=columns.start)
        count = (self._last.clamp(max=columns.stop) - first).clamp_(min=0)
        row = torch.repeat_interleave(count)
        if row.numel() == 0:
            return None
        before = count.cumsum(0) - count
        column = first[row] + torch.arange(row.numel(), device=row.device) - before[row]
        places = row * (columns.stop - columns.start) + column - columns.start
        return PositivePairs(self._rows[row], column, places)

    def related(self, columns: slice, bounds: BlockBounds) -> RelatedPairs | None:
        """Return which pairs of a tile have related concepts.

        Args:
            columns: The column block, sorted positions.
            bounds: Bounds of the column block.

        Returns:
            The relation in a compact form, or ``None`` where no pair can be related.
        """
        if self._related is None:
            return None
        if self._skips_apart and _lie_apart(self._bounds.concepts, bounds.concepts):
            return None
        return self._related.to_columns(columns)


class _RelatedRows:
    """Related concepts of the distinct concepts of one row block."""

    def __init__(self, layout: PairLayout, rows: slice) -> None:
        if layout.concept_x is None or layout.concept_y is None:
            msg = "the layout holds no concepts"
            raise ValueError(msg)
        self._concept_y = layout.concept_y
        self._distinct, self._which = torch.unique(layout.concept_x[rows], return_inverse=True)
        self._ignores_same = layout.ignore_same_concept
        self._table = None
        if layout.related is not None:
            table = unpack_related(layout.related, self._distinct.clamp(min=0))
            table &= self._distinct.unsqueeze(1) >= 0
            # one more column, all False, which the concept -1 of a column points to
            self._table = torch.cat([table, table.new_zeros((table.shape[0], 1))], dim=1)

    def to_columns(self, columns: slice) -> RelatedPairs:
        """Return relatedness of the row block to a column block."""
        concept = self._concept_y[columns]
        related = torch.zeros(
            (self._distinct.numel(), concept.numel()), dtype=torch.bool, device=concept.device
        )
        if self._table is not None:
            none = self._table.shape[1] - 1
            related = self._table.index_select(1, torch.where(concept < 0, none, concept))
        if self._ignores_same:
            distinct = self._distinct.unsqueeze(1)
            related |= (distinct == concept) & (distinct >= 0)
        return RelatedPairs(related, self._which)


def _lie_apart(a: tuple[int, int], b: tuple[int, int]) -> bool:
    return a[1] < b[0] or b[1] < a[0]
