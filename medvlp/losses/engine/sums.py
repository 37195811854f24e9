"""The two passes over the tiles: statistics forwards, logit gradients backwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from medvlp.distributed import all_gather_with_grad, all_reduce_sum
from medvlp.losses.engine.gradient import Direction, negative_gradient
from medvlp.losses.engine.positives import PositiveKind, positive_side
from medvlp.losses.engine.statistics import Ignored, absorb, empty_sums, keep_negatives
from medvlp.losses.joined import joined_logsumexp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from medvlp.losses.engine.layout import PairLayout
    from medvlp.losses.engine.pairs import JoinedPairs
    from medvlp.losses.engine.tiles import LogitTiles, Tile

__all__ = ["Side", "SumsChoice", "SumsGradient", "compute_sums", "joined_values", "new_sides"]


@dataclass(frozen=True, kw_only=True)
class SumsChoice:
    """Which statistics are taken.

    Attributes:
        positives: Statistics over the positives.
        with_columns: Whether columns are wanted too.
        ignored: What becomes of ignored pairs.
    """

    positives: tuple[PositiveKind, ...]
    with_columns: bool
    ignored: Ignored


class Side:
    """Statistics of all rows of this rank, or of all columns, in sorted order.

    Args:
        choice: Which statistics.
        count: Number of positives, shape ``(n,)``, float64.
    """

    def __init__(self, choice: SumsChoice, count: Tensor) -> None:
        self.negatives = empty_sums(count.numel(), count.device)
        """Log-sum-exp over the negatives, shape ``(n,)``, float64."""
        self.positives = [positive_side(kind, count) for kind in choice.positives]

    def share_negatives(self) -> None:
        """Hand the complete statistic of the negatives to those of the positives."""
        for each in self.positives:
            each.negatives = self.negatives

    def merge_log_sums(self) -> None:
        """Merge columns, of which each rank has seen its own rows only: the log-sum-exps."""
        extremes = [each for each in self.positives if not each.is_sum]
        parts = torch.stack([self.negatives, *(each.value for each in extremes)])
        self.negatives, *values = joined_logsumexp(parts.unsqueeze(0), dim=0).unbind()
        for each, value in zip(extremes, values, strict=True):
            each.value = value

    def merge_sums(self) -> None:
        """Merge the sums of the columns."""
        added = [each for each in self.positives if each.is_sum]
        if not added:
            return
        parts = [part for each in added for part in (each.value, each.slope)]
        merged = iter(all_reduce_sum(torch.stack(parts)).unbind())
        for each in added:
            each.value, each.slope = next(merged), next(merged)

    def values(self) -> list[Tensor]:
        """Return the statistics: the negatives', then the positives'."""
        return [self.negatives, *(each.value for each in self.positives)]

    def saved(self) -> list[Tensor]:
        """Return what the backward pass needs."""
        return [*self.values(), *(each.slope for each in self.positives)]

    def restore(self, saved: Sequence[Tensor]) -> None:
        """Take back what :meth:`saved` returned."""
        count = len(self.positives)
        self.negatives = saved[0]
        for number, each in enumerate(self.positives, start=1):
            each.value, each.slope = saved[number], saved[count + number]
        self.share_negatives()

    def direction(self, grads: Sequence[Tensor]) -> Direction:
        """Return the statistic of the negatives with the gradient of the loss by it.

        Args:
            grads: Gradients by :meth:`values`.
        """
        grad = grads[0]
        for each, by_value in zip(self.positives, grads[1:], strict=True):
            if each.needs_negatives:
                grad = grad + by_value * each.slope
        return Direction(self.negatives, grad)


def new_sides(pairs: JoinedPairs, layout: PairLayout, choice: SumsChoice) -> list[Side]:
    """Return the statistics of nothing: of the rows, and where wanted of the columns."""
    count_x, count_y = pairs.num_positives()
    counts = [layout.sort_x(count_x, pairs), layout.sort_y(count_y)]
    return [Side(choice, count) for count in counts[: 1 + choice.with_columns]]


def compute_sums(tiles: LogitTiles, pairs: JoinedPairs, choice: SumsChoice) -> list[Side]:
    """Run over the tiles and take the statistics, columns merged over the ranks.

    Args:
        tiles: Tiles of this rank.
        pairs: Ids of the joined batch.
        choice: Which statistics.

    Returns:
        Statistics of the rows, and where wanted of the columns.
    """
    sides = new_sides(pairs, tiles.layout, choice)
    columns = sides[1].negatives if choice.with_columns else None
    for tile in tiles.tiles():
        _update_positives(tile, sides, needs_negatives=False)
        keep_negatives(tile, choice.ignored)
        absorb(
            tile,
            sides[0].negatives[tile.rows],
            None if columns is None else columns[tile.columns],
        )
    for side in sides[1:]:
        side.merge_log_sums()
    for side in sides:
        side.share_negatives()
    if any(each.needs_negatives for each in sides[0].positives):
        for tile in tiles.tiles(positives_only=True):
            _update_positives(tile, sides, needs_negatives=True)
    for side in sides[1:]:
        side.merge_sums()
    return sides


def joined_values(sides: list[Side], pairs: JoinedPairs, layout: PairLayout) -> list[Tensor]:
    """Return the statistics of all ranks in the order given: rows', then columns'."""
    own = torch.stack([_unsorted(value, layout.order_x) for value in sides[0].values()], dim=1)
    rows = all_gather_with_grad(own, pairs.counts_x)
    return [
        *(column.contiguous() for column in rows.unbind(dim=1)),
        *(_unsorted(value, layout.order_y) for side in sides[1:] for value in side.values()),
    ]


class SumsGradient:
    """Gradient by the logits of a tile, from the gradients of the statistics.

    Args:
        tiles: Tiles of this rank.
        sides: Statistics of the first pass.
        choice: Which statistics they are.
        grads: Gradients of the loss by the values of each side, float64, sorted order.
    """

    def __init__(
        self,
        tiles: LogitTiles,
        sides: list[Side],
        choice: SumsChoice,
        grads: list[list[Tensor]],
    ) -> None:
        self._ignored = choice.ignored
        directions = [side.direction(by) for side, by in zip(sides, grads, strict=True)]
        self._rows = directions[0]
        self._columns = directions[1] if choice.with_columns else None
        self._positives = [
            list(zip(side.positives, by[1:], strict=True))
            for side, by in zip(sides, grads, strict=True)
        ]
        self.by_scale = torch.zeros((), dtype=torch.float64, device=tiles.device)
        """Gradient by the scale of logits that do not depend on the embeddings."""

    def by_logits(self, tile: Tile) -> Tensor:
        """Return the gradient by the logits of a tile; logits and scratch are overwritten."""
        by_positives = self._by_positives(tile)
        replaced = keep_negatives(tile, self._ignored)
        gradient = negative_gradient(tile, self._rows, self._columns)
        if replaced is not None:
            self.by_scale -= gradient.masked_select(replaced).double().sum()
            gradient.masked_fill_(replaced, 0.0)
        if tile.positives is not None:
            gradient.view(-1).index_copy_(0, tile.positives.places, by_positives)
        return gradient

    def _by_positives(self, tile: Tile) -> Tensor:
        logits = tile.positive_logits()
        total = torch.zeros_like(logits)
        if tile.positives is not None:
            positions = (tile.positives.rows, tile.positives.columns)
            for position, sides in zip(positions, self._positives, strict=False):
                for side, grad in sides:
                    total += side.gradient(position, logits, grad)
        return total.to(tile.logits.dtype)


def _update_positives(tile: Tile, sides: list[Side], *, needs_negatives: bool) -> None:
    """Add the positives of a tile, whose logits are as computed, to both directions."""
    if tile.positives is None:
        return
    logits = tile.positive_logits()
    positions = (tile.positives.rows, tile.positives.columns)
    for position, side in zip(positions, sides, strict=False):
        for each in side.positives:
            if each.needs_negatives == needs_negatives:
                each.update(position, logits)


def _unsorted(values: Tensor, order: Tensor | None) -> Tensor:
    if order is None:
        return values
    return torch.empty_like(values).index_copy_(0, order, values)
