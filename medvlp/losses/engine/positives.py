"""Statistics over the positives of every row and column, and their gradient.

================  ===============================================================
``mean``          ``1/|P| sum_P z``
``largest``       ``log sum_P exp(z)``, a soft maximum
``smallest``      ``log sum_P exp(-z)``, minus a soft minimum
``each``          ``1/|P| sum_P softplus(n - z)``, n the main statistic
================  ===============================================================

Positives meet in few tiles, because rows and columns are sorted by group.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch.nn.functional import softplus

from medvlp.distributed import all_reduce_sum
from medvlp.losses.engine.statistics import absorb_carefully, empty_sums
from medvlp.losses.joined import joined_logsumexp

if TYPE_CHECKING:
    from torch import Tensor

    from medvlp.losses.engine.tiles import Tile

__all__ = ["PositiveKind", "PositiveSide", "positive_side"]

PositiveKind = Literal["mean", "largest", "smallest", "each"]

# softplus(x) = x above this, to the last bit of float64
LINEAR_ABOVE = 40.0


class PositiveSide:
    """The statistic ``mean`` of all rows, or of all columns, in sorted order.

    Args:
        count: Number of positives, shape ``(n,)``, float64.
        dim: Axis of a tile that is summed over: 1 for rows, 0 for columns.
    """

    def __init__(self, count: Tensor, dim: int) -> None:
        self.dim = dim
        self.share = torch.where(count > 0, 1.0 / count.clamp(min=1.0), 0.0)
        self.value = torch.zeros_like(count)
        """The statistic, shape ``(n,)``, float64."""
        self.main = torch.zeros_like(count)
        """Main statistic that ``each`` is relative to; set once it is complete."""
        self.slope = torch.zeros_like(count)
        """Derivative by the main statistic."""

    def update(self, tile: Tile, positives: Tensor) -> None:
        """Add the positives of a tile, whose logits are as computed."""
        self._add_mean(self.value, tile, torch.where(positives, tile.logits, 0.0))

    def merge(self) -> None:
        """Merge columns, of which each rank has seen its own rows only, over the ranks."""
        self.value = all_reduce_sum(self.value)

    def gradient(self, tile: Tile, grad: Tensor) -> Tensor:
        """Return the gradient by those logits of a tile that are positives.

        Args:
            tile: Tile with its logits as computed.
            grad: Gradient of the loss by the statistic of all rows (or columns), float64.

        Returns:
            Broadcastable to the tile, dtype of the logits; without meaning off the positives.
        """
        return self._along(tile, grad * self.share)

    def _where(self, tile: Tile) -> slice:
        return tile.rows if self.dim == 1 else tile.columns

    def _along(self, tile: Tile, values: Tensor) -> Tensor:
        """Return values per row (or column) of a tile, ready to be broadcast over it."""
        return values[self._where(tile)].to(tile.logits.dtype).unsqueeze(self.dim)

    def _add_mean(self, total: Tensor, tile: Tile, values: Tensor) -> None:
        where = self._where(tile)
        total[where] += values.sum(dim=self.dim).double() * self.share[where]


class _ExtremeSide(PositiveSide):
    """The statistics ``largest`` (sign 1) and ``smallest`` (sign -1)."""

    def __init__(self, count: Tensor, dim: int, sign: float) -> None:
        super().__init__(count, dim)
        self.sign = sign
        self.value = empty_sums(count.numel(), count.device)

    def update(self, tile: Tile, positives: Tensor) -> None:
        logits = (self.sign * tile.logits).masked_fill_(~positives, -torch.inf)
        value = self.value[self._where(tile)]
        absorb_carefully(logits if self.dim == 1 else logits.t(), value, None)

    def merge(self) -> None:
        self.value = joined_logsumexp(self.value.unsqueeze(0), dim=0)

    def gradient(self, tile: Tile, grad: Tensor) -> Tensor:
        value = torch.where(grad == 0, 0.0, self.value)
        rounded = value.to(tile.logits.dtype)
        factor = grad * (rounded.double() - value).exp() * self.sign
        # off the positives the exponent may be large; a positive's is at most 0 but for rounding
        exponent = (self.sign * tile.logits - self._along(tile, rounded)).clamp_(max=1.0)
        return exponent.exp_().mul_(self._along(tile, factor))


class _EachSide(PositiveSide):
    """The statistic ``each``."""

    def update(self, tile: Tile, positives: Tensor) -> None:
        gap = self._along(tile, self.main) - tile.logits
        excess = softplus(gap, threshold=LINEAR_ABOVE)
        self._add_mean(self.value, tile, torch.where(positives, excess, 0.0))
        self._add_mean(self.slope, tile, torch.where(positives, gap.sigmoid_(), 0.0))

    def merge(self) -> None:
        self.value, self.slope = all_reduce_sum(self.value), all_reduce_sum(self.slope)

    def gradient(self, tile: Tile, grad: Tensor) -> Tensor:
        gap = self._along(tile, self.main) - tile.logits
        return gap.sigmoid_().mul_(self._along(tile, -grad * self.share))


def positive_side(kind: PositiveKind, count: Tensor, dim: int) -> PositiveSide:
    """Return the statistic of a kind over nothing yet.

    Args:
        kind: Which statistic.
        count: Number of positives per row (or column), shape ``(n,)``, float64.
        dim: 1 for rows, 0 for columns.
    """
    if kind in ("largest", "smallest"):
        return _ExtremeSide(count, dim, 1.0 if kind == "largest" else -1.0)
    return _EachSide(count, dim) if kind == "each" else PositiveSide(count, dim)
