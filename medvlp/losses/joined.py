"""Means and log-sum-exps over the joined batch of all ranks.

Each function returns the same value on every rank, and follows the gradient convention of
:mod:`medvlp.distributed`. Rows may be spread unevenly over the ranks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from medvlp.distributed import all_reduce_max, all_reduce_sum

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["joined_logsumexp", "joined_mean", "joined_ratio"]


def joined_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Average values over all ranks, ``sum(weights * values) / sum(weights)``.

    Args:
        values: Any shape, floating point; may hold anything finite where the weight is 0.
        weights: Same shape, >= 0, any real dtype or bool.

    Returns:
        Scalar of the dtype of ``values``; 0 (with zero gradient) where all weights are 0.
    """
    weights = weights.to(values.dtype)
    return joined_ratio((values * weights).sum(), weights.sum())


def joined_ratio(total: Tensor, divisor: Tensor) -> Tensor:
    """Divide two sums that each rank holds its own part of.

    Args:
        total: Part of the numerator, any shape, floating point.
        divisor: Part of the denominator, same shape, >= 0, without gradient.

    Returns:
        ``sum over ranks of total / sum over ranks of divisor``; 0 where the denominator is 0.
    """
    both = all_reduce_sum(torch.stack([total, divisor.detach().to(total.dtype)]))
    return both[0] / torch.where(both[1] > 0, both[1], 1.0)


def joined_logsumexp(x: Tensor, dim: int) -> Tensor:
    """Reduce an axis that is spread over the ranks by log-sum-exp.

    Args:
        x: Rows of this rank along ``dim``, floating point; ``-inf`` marks entries left out. The
            other axes are equal on every rank.
        dim: The axis that holds the rows; its length may be 0.

    Returns:
        ``log sum exp(x)`` over the rows of all ranks, without the axis ``dim``; ``-inf`` where
        every entry is left out.
    """
    size = list(x.shape)
    del size[dim]
    largest = x.new_full(size, -torch.inf) if x.shape[dim] == 0 else x.detach().amax(dim)
    largest = all_reduce_max(largest)
    shift = torch.where(torch.isfinite(largest), largest, 0.0)
    total = all_reduce_sum((x - shift.unsqueeze(dim)).exp().sum(dim))
    return torch.where(total > 0, torch.where(total > 0, total, 1.0).log() + shift, -torch.inf)
