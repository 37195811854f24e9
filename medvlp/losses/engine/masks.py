"""Which pairs of a tile are positives, and which are ignored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from medvlp.losses.relations import unpack_related

if TYPE_CHECKING:
    from torch import Tensor

    from medvlp.losses.engine.layout import BlockBounds, PairLayout

__all__ = ["RelatedPairs", "RowMasks"]


class RowMasks:
    """Masks of the tiles of one row block.

    Args:
        layout: The sorted view.
        rows: The row block, sorted positions.
        bounds: Bounds of the row block.
    """

    def __init__(self, layout: PairLayout, rows: slice, bounds: BlockBounds) -> None:
        self._rank_x = layout.rank_x[rows].unsqueeze(1)
        self._rank_y = layout.rank_y
        self._bounds = bounds
        has_concepts = layout.concept_x is not None
        self._related = _RelatedRows(layout, rows) if has_concepts else None
        self._skips_apart = layout.related is None

    def positives(self, columns: slice, bounds: BlockBounds) -> Tensor | None:
        """Return which pairs of a tile are positives.

        Args:
            columns: The column block, sorted positions.
            bounds: Bounds of the column block.

        Returns:
            Shape ``(rows, columns)``, bool, or ``None`` where the blocks share no group.
        """
        if _lie_apart(self._bounds.ranks, bounds.ranks):
            return None
        return self._rank_x == self._rank_y[columns].unsqueeze(0)

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


@dataclass(frozen=True)
class RelatedPairs:
    """Which pairs of a tile have related concepts.

    Attributes:
        table: Distinct concepts of the rows against columns, shape ``(distinct, c)``, bool.
        which: Row of the table for each row of the tile, shape ``(r,)``, int64.
    """

    table: Tensor
    which: Tensor

    def ignored(self, positives: Tensor | None) -> Tensor:
        """Return which pairs are ignored, shape ``(r, c)``, bool: related and not positives."""
        related = self.table.index_select(0, self.which)
        return related if positives is None else related & ~positives

    def leave_out(self, logits: Tensor, positives: Tensor | None, scratch: Tensor) -> None:
        """Set the ignored logits of a tile to minus infinity.

        Args:
            logits: The tile, shape ``(r, c)``, changed in place.
            positives: The positives of the tile; they are kept.
            scratch: Same shape as the tile, overwritten.
        """
        offset = logits.new_zeros(self.table.shape).masked_fill_(self.table, -torch.inf)
        torch.index_select(offset, 0, self.which, out=scratch)
        if positives is not None:
            scratch.masked_fill_(positives, 0.0)
        logits.add_(scratch)


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
