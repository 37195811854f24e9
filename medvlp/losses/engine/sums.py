"""The two passes over the tiles: statistics forwards, logit gradients backwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from medvlp.distributed import all_gather_with_grad
from medvlp.losses.engine.gradient import Direction, main_gradient
from medvlp.losses.engine.positives import PositiveKind, PositiveSide, positive_side
from medvlp.losses.engine.statistics import Ignored, MainSet, absorb, empty_sums, mask_main
from medvlp.losses.joined import joined_logsumexp

if TYPE_CHECKING:
    from torch import Tensor

    from medvlp.losses.engine.layout import PairLayout
    from medvlp.losses.engine.pairs import JoinedPairs
    from medvlp.losses.engine.tiles import LogitTiles, Tile

__all__ = ["PairSums", "SumsChoice", "SumsGradient", "compute_sums"]


@dataclass(frozen=True, kw_only=True)
class SumsChoice:
    """Which statistics are taken.

    Attributes:
        main: Set of the main statistic.
        positive: Statistic over the positives.
        with_columns: Whether columns are wanted too.
        ignored: What becomes of ignored pairs.
    """

    main: MainSet
    positive: PositiveKind
    with_columns: bool
    ignored: Ignored


@dataclass
class PairSums:
    """Statistics of this rank's rows and of all columns, float64, sorted order.

    Attributes:
        rows: Main statistic per row, shape ``(b,)``.
        columns: Main statistic per column, shape ``(B,)``, merged over the ranks; ``None`` where
            not wanted.
        positive_rows: Statistic of the positives per row.
        positive_columns: The same per column, merged over the ranks; ``None`` where not wanted.
    """

    rows: Tensor
    columns: Tensor | None
    positive_rows: PositiveSide
    positive_columns: PositiveSide | None

    @classmethod
    def empty(cls, pairs: JoinedPairs, layout: PairLayout, choice: SumsChoice) -> PairSums:
        """Return the statistics of no tile at all."""
        all_x, all_y = pairs.num_positives()
        count_x, count_y = layout.sort_x(all_x, pairs), layout.sort_y(all_y)
        return cls(
            rows=empty_sums(count_x.numel(), pairs.device),
            columns=empty_sums(count_y.numel(), pairs.device) if choice.with_columns else None,
            positive_rows=positive_side(choice.positive, count_x, dim=1),
            positive_columns=(
                positive_side(choice.positive, count_y, dim=0) if choice.with_columns else None
            ),
        )

    @classmethod
    def restored(
        cls, saved: list[Tensor], pairs: JoinedPairs, layout: PairLayout, choice: SumsChoice
    ) -> PairSums:
        """Return the statistics that :meth:`tensors` was taken from."""
        sums = cls.empty(pairs, layout, choice)
        sums.rows, sums.positive_rows.value, sums.positive_rows.slope = saved[:3]
        if sums.positive_columns is not None:
            sums.columns, sums.positive_columns.value, sums.positive_columns.slope = saved[3:]
        sums.share_main()
        return sums

    def share_main(self) -> None:
        """Hand the complete main statistics to the positive ones."""
        self.positive_rows.main = self.rows
        if self.positive_columns is not None and self.columns is not None:
            self.positive_columns.main = self.columns

    def update_positives(self, tile: Tile) -> None:
        """Add the positives of a tile, whose logits are as computed, to both directions."""
        if tile.positives is None:
            return
        self.positive_rows.update(tile, tile.positives)
        if self.positive_columns is not None:
            self.positive_columns.update(tile, tile.positives)

    def tensors(self) -> list[Tensor]:
        """Return what the backward pass needs."""
        saved = [self.rows, self.positive_rows.value, self.positive_rows.slope]
        if self.columns is not None and self.positive_columns is not None:
            side = self.positive_columns
            saved += [self.columns, side.value, side.slope]
        return saved

    def joined(
        self, pairs: JoinedPairs, layout: PairLayout
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return rows, columns and both positive statistics of all ranks, in the order given."""

        def all_rows(values: Tensor) -> Tensor:
            return all_gather_with_grad(_unsorted(values, layout.order_x), pairs.counts_x)

        def all_columns(values: Tensor | None) -> Tensor:
            return self.rows.new_empty(0) if values is None else _unsorted(values, layout.order_y)

        side = self.positive_columns
        return (
            all_rows(self.rows),
            all_columns(self.columns),
            all_rows(self.positive_rows.value),
            all_columns(None if side is None else side.value),
        )


def compute_sums(tiles: LogitTiles, pairs: JoinedPairs, choice: SumsChoice) -> PairSums:
    """Run over the tiles and take the statistics, columns merged over the ranks.

    Args:
        tiles: Tiles of this rank.
        pairs: Ids of the joined batch.
        choice: Which statistics.
    """
    sums = PairSums.empty(pairs, tiles.layout, choice)
    for tile in tiles.tiles():
        if choice.positive != "each":
            sums.update_positives(tile)
        mask_main(tile, choice.main, choice.ignored)
        columns = None if sums.columns is None else sums.columns[tile.columns]
        absorb(tile.logits, tile.scratch, sums.rows[tile.rows], columns)
    if sums.columns is not None:
        sums.columns = joined_logsumexp(sums.columns.unsqueeze(0), dim=0)
    sums.share_main()
    if choice.positive == "each":  # relative to the main statistic, which is complete only now
        for tile in tiles.tiles(positives_only=True):
            sums.update_positives(tile)
    if sums.positive_columns is not None:
        sums.positive_columns.merge()
    return sums


class SumsGradient:
    """Gradient by the logits of a tile, from the gradients of the statistics.

    Args:
        tiles: Tiles of this rank.
        sums: Statistics of the first pass.
        choice: Which statistics they are.
        grads: Gradients of the loss by rows, columns, positive rows and positive columns, float64,
            sorted order; those of columns are empty where not wanted.
    """

    def __init__(
        self,
        tiles: LogitTiles,
        sums: PairSums,
        choice: SumsChoice,
        grads: tuple[Tensor, Tensor, Tensor, Tensor],
    ) -> None:
        rows, columns, positive_rows, positive_columns = grads
        self._choice = choice
        # the statistic of each positive depends on the main one, with the derivative slope
        self._rows = Direction(sums.rows, rows + positive_rows * sums.positive_rows.slope)
        self._positives = [(sums.positive_rows, positive_rows)]
        self._columns = None
        if sums.columns is not None and sums.positive_columns is not None:
            side = sums.positive_columns
            self._columns = Direction(sums.columns, columns + positive_columns * side.slope)
            self._positives.append((side, positive_columns))
        self.by_scale = torch.zeros((), dtype=torch.float64, device=tiles.device)
        """Gradient by the scale of logits that do not depend on the embeddings."""

    def by_logits(self, tile: Tile) -> Tensor:
        """Return the gradient by the logits of a tile; logits and scratch are overwritten."""
        by_positives = self._by_positives(tile)
        replaced = mask_main(tile, self._choice.main, self._choice.ignored)
        gradient = main_gradient(tile, self._rows, self._columns)
        if replaced is not None:
            self.by_scale -= gradient.masked_select(replaced).double().sum()
            gradient.masked_fill_(replaced, 0.0)
        return gradient if by_positives is None else gradient.add_(by_positives)

    def _by_positives(self, tile: Tile) -> Tensor | None:
        if tile.positives is None:
            return None
        total = torch.zeros_like(tile.logits)
        for side, grad in self._positives:
            total.add_(torch.where(tile.positives, side.gradient(tile, grad), 0.0))
        return total


def _unsorted(values: Tensor, order: Tensor | None) -> Tensor:
    if order is None:
        return values
    return torch.empty_like(values).index_copy_(0, order, values)
