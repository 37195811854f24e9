"""Statistics over the positives of every row and column, and their gradient.

=============  ================================================================
``mean``       ``1/|P| sum_P z``
``largest``    ``log sum_P exp(z)``, a soft maximum
``smallest``   ``log sum_P exp(-z)``, minus a soft minimum
``each``       ``1/|P| sum_P softplus(n - z)``, n the statistic of the negatives
=============  ================================================================

Positives are few. They are taken out of the tiles one by one and treated in float64, so that a loss
near zero keeps its digits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch.nn.functional import softplus

from medvlp.losses.engine.anchors import group_logsumexp
from medvlp.losses.engine.statistics import empty_sums

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LINEAR_ABOVE", "PositiveKind", "PositiveSide", "positive_side"]

PositiveKind = Literal["mean", "largest", "smallest", "each"]

# softplus(x) = x above this, to the last bit of float64
LINEAR_ABOVE = 40.0


class PositiveSide:
    """The statistic ``mean`` of all rows, or of all columns, in sorted order.

    Args:
        count: Number of positives, shape ``(n,)``, float64.
    """

    is_sum = True
    """Whether parts of the statistic add up, as sums; if not, as log-sum-exps."""
    needs_negatives = False
    """Whether the statistic of the negatives must be complete before :meth:`update`."""

    def __init__(self, count: Tensor) -> None:
        self.share = torch.where(count > 0, 1.0 / count.clamp(min=1.0), 0.0)
        self.value = torch.zeros_like(count)
        """The statistic, shape ``(n,)``, float64."""
        self.negatives = torch.zeros_like(count)
        """Statistic of the negatives, shape ``(n,)``, float64; set once it is complete."""
        self.slope = torch.zeros_like(count)
        """Derivative by the statistic of the negatives."""

    def update(self, position: Tensor, logits: Tensor) -> None:
        """Add k positives.

        Args:
            position: Sorted position of each pair's row (or column), shape ``(k,)``, int64.
            logits: z of each pair, shape ``(k,)``, float64.
        """
        self._add_mean(self.value, position, logits)

    def gradient(self, position: Tensor, logits: Tensor, grad: Tensor) -> Tensor:
        """Return the gradient by the logits of k positives.

        Args:
            position: As in :meth:`update`.
            logits: As in :meth:`update`.
            grad: Gradient of the loss by the statistic, shape ``(n,)``, float64.

        Returns:
            Shape ``(k,)``, float64.
        """
        del logits  # the mean is linear
        return (grad * self.share)[position]

    def _add_mean(self, total: Tensor, position: Tensor, values: Tensor) -> None:
        total.index_add_(0, position, values * self.share[position])


class _ExtremeSide(PositiveSide):
    """The statistics ``largest`` (sign 1) and ``smallest`` (sign -1)."""

    is_sum = False

    def __init__(self, count: Tensor, sign: float) -> None:
        super().__init__(count)
        self.sign = sign
        self.value = empty_sums(count.numel(), count.device)

    def update(self, position: Tensor, logits: Tensor) -> None:
        start = int(position.amin())
        block = self.value[start : int(position.amax()) + 1]
        part = group_logsumexp(self.sign * logits, position - start, block.numel())
        torch.logaddexp(block, part, out=block)

    def gradient(self, position: Tensor, logits: Tensor, grad: Tensor) -> Tensor:
        return self.sign * grad[position] * (self.sign * logits - self.value[position]).exp()


class _EachSide(PositiveSide):
    """The statistic ``each``."""

    needs_negatives = True

    def update(self, position: Tensor, logits: Tensor) -> None:
        gap = self.negatives[position] - logits
        self._add_mean(self.value, position, softplus(gap, threshold=LINEAR_ABOVE))
        self._add_mean(self.slope, position, gap.sigmoid())

    def gradient(self, position: Tensor, logits: Tensor, grad: Tensor) -> Tensor:
        return -(grad * self.share)[position] * (self.negatives[position] - logits).sigmoid()


def positive_side(kind: PositiveKind, count: Tensor) -> PositiveSide:
    """Return the statistic of a kind over nothing yet.

    Args:
        kind: Which statistic.
        count: Number of positives per row (or column), shape ``(n,)``, float64.
    """
    if kind in ("largest", "smallest"):
        return _ExtremeSide(count, 1.0 if kind == "largest" else -1.0)
    return _EachSide(count) if kind == "each" else PositiveSide(count)
