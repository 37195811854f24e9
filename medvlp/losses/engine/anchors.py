"""Arithmetic on statistics of the joined batch: means over anchors, log-sum-exps over groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["anchor_mean", "group_logsumexp", "group_mean"]


def anchor_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Average over anchors, ``sum(w * v) / sum(w)``.

    Args:
        values: Value per anchor, shape ``(n,)``, float64; may be infinite where the weight is 0.
        weights: Shape ``(n,)``, float64, >= 0.

    Returns:
        Scalar, float64; 0 where all weights are 0.
    """
    total = weights.sum()
    share = weights / torch.where(total > 0, total, 1.0)
    return (torch.where(weights > 0, values, 0.0) * share).sum()


def group_mean(values: Tensor, group: Tensor, num_groups: int) -> Tensor:
    """Average values within groups.

    Args:
        values: Shape ``(n,)``, float64.
        group: Number of the group, shape ``(n,)``, int64, in ``[0, num_groups)``.
        num_groups: Number of groups G.

    Returns:
        Shape ``(G,)``, float64; 0 for a group without a member.
    """
    count = torch.bincount(group, minlength=num_groups).clamp(min=1)
    return values.new_zeros(num_groups).index_add_(0, group, values) / count


def group_logsumexp(values: Tensor, group: Tensor, num_groups: int) -> Tensor:
    """Reduce rows by log-sum-exp within groups; differentiable.

    Args:
        values: Shape ``(n,)`` or ``(n, k)``, float64; -inf marks entries left out.
        group: Number of the group, shape ``(n,)``, int64, in ``[0, num_groups)``.
        num_groups: Number of groups G.

    Returns:
        Shape ``(G,)`` or ``(G, k)``, float64; -inf where every entry is left out, without gradient.
    """
    size = (num_groups, *values.shape[1:])
    index = group.view(-1, *[1] * (values.ndim - 1)).expand_as(values)
    top = values.new_full(size, -torch.inf)
    top = top.scatter_reduce(0, index, values.detach(), reduce="amax")
    shift = torch.where(torch.isfinite(top), top, 0.0)
    total = values.new_zeros(size).index_add(0, group, (values - shift[group]).exp())
    is_empty = total == 0
    return torch.where(is_empty, -torch.inf, torch.where(is_empty, 1.0, total).log() + shift)
