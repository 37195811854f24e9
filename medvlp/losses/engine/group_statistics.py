"""Log-sum-exp of every row over every other group of columns: a (rows x groups) table.

It serves the variants that look for the least hard negative of a group. Its memory is rows times
groups, not constant as that of the main engine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.autograd.function import FunctionCtx, once_differentiable

from medvlp.distributed import (
    all_gather_with_grad,
    all_reduce_sum,
    reduce_scatter_rows,
    world_size,
)
from medvlp.losses.engine.gradient import backpropagate
from medvlp.losses.engine.layout import PairLayout, build_layout
from medvlp.losses.engine.statistics import Ignored, keep_negatives
from medvlp.losses.engine.tiles import LogitTiles, column_operand

if TYPE_CHECKING:
    from torch import Tensor

    from medvlp.losses.engine.pairs import JoinedPairs
    from medvlp.losses.engine.settings import EngineSettings
    from medvlp.losses.engine.tiles import Tile

__all__ = ["group_statistics"]


def group_statistics(
    x: Tensor,
    y: Tensor,
    scale: Tensor,
    *,
    pairs: JoinedPairs,
    settings: EngineSettings,
    ignored: Ignored,
) -> Tensor:
    """Compute ``T_ih = log sum_{j in h} exp(z_ij)`` with ``z_ij = scale * <x_i, y_j>``.

    Args:
        x: Rows of this rank, shape ``(b, D)``, floating point.
        y: Rows of this rank, shape ``(b_y, D)``, same dtype.
        scale: Scalar, floating point.
        pairs: Ids of the joined batch, with G groups.
        settings: How to compute.
        ignored: Whether ignored pairs are left out, or enter with the similarity -1.

    Returns:
        Shape ``(Bx, G)``, float64, equal on every rank; columns are the numbers of
        :meth:`~medvlp.losses.engine.pairs.JoinedPairs.dense_groups`; -inf for a row's own group and
        for an empty set.
    """
    request = _Request(pairs=pairs, settings=settings, ignored=ignored)
    joined: Tensor = _GroupStatistics.apply(x, y, scale.reshape(()), request)
    return joined


@dataclass(frozen=True, kw_only=True)
class _Request:
    pairs: JoinedPairs
    settings: EngineSettings
    ignored: Ignored


class _Context(FunctionCtx):
    saved_tensors: tuple[Tensor, ...]
    needs_input_grad: tuple[bool, ...]
    request: _Request
    layout: PairLayout
    scale: float
    scale_dtype: torch.dtype


class _GroupStatistics(torch.autograd.Function):
    @staticmethod
    def forward(ctx: _Context, x: Tensor, y: Tensor, scale: Tensor, request: _Request) -> Tensor:
        pairs = request.pairs
        layout = build_layout(pairs)
        operand = column_operand(all_gather_with_grad(y, pairs.counts_y), layout)
        tiles = LogitTiles(x, operand, scale=float(scale), layout=layout, settings=request.settings)
        group = _group_of_columns(pairs, layout)
        num_groups = pairs.dense_groups()[2]
        sums = torch.full(
            (x.shape[0], num_groups), -torch.inf, dtype=torch.float64, device=x.device
        )
        for tile in tiles.tiles():
            keep_negatives(tile, request.ignored)
            _absorb(tile, group[tile.columns], sums)
        ctx.request, ctx.layout = request, layout
        ctx.scale, ctx.scale_dtype = tiles.scale, scale.dtype
        ctx.save_for_backward(x, operand, sums)
        if layout.order_x is not None:
            sums = torch.empty_like(sums).index_copy_(0, layout.order_x, sums)
        return all_gather_with_grad(sums, pairs.counts_x)

    @staticmethod
    @once_differentiable
    def backward(ctx: _Context, grad: Tensor) -> tuple[Tensor | None, ...]:
        request, layout = ctx.request, ctx.layout
        pairs = request.pairs
        x, operand, sums = ctx.saved_tensors
        tiles = LogitTiles(x, operand, scale=ctx.scale, layout=layout, settings=request.settings)
        source = _Gradient(
            sums, layout.sort_x(grad, pairs), _group_of_columns(pairs, layout), request.ignored
        )
        needs_x, needs_y, needs_scale, _ = ctx.needs_input_grad
        with torch.autocast(x.device.type, enabled=False):
            result = backpropagate(
                tiles, source.by_logits, needs_x=needs_x, needs_y=needs_y, needs_scale=needs_scale
            )
        grad_y = None
        if result.y is not None:
            grad_y = reduce_scatter_rows(result.y, pairs.counts_y).mul_(world_size()).to(x.dtype)
        grad_scale = all_reduce_sum(result.scale + source.by_scale).to(ctx.scale_dtype)
        return (
            None if result.x is None else result.x.mul_(world_size()).to(x.dtype),
            grad_y,
            grad_scale if needs_scale else None,
            None,
        )


class _Gradient:
    """Gradient by the logits of a tile: ``grad_ih exp(z_ij - T_ih)`` for j in h."""

    def __init__(self, sums: Tensor, grad: Tensor, group: Tensor, ignored: Ignored) -> None:
        self._sums = torch.where(grad == 0, 0.0, sums)
        self._grad = grad
        self._group = group
        self._ignored = ignored
        self.by_scale = torch.zeros((), dtype=torch.float64, device=grad.device)

    def by_logits(self, tile: Tile) -> Tensor:
        replaced = keep_negatives(tile, self._ignored)
        group = self._group[tile.columns]
        grad = self._grad[tile.rows].index_select(1, group)
        exponent = tile.logits.double() - self._sums[tile.rows].index_select(1, group)
        gradient = torch.where(grad == 0, 0.0, grad * exponent.exp()).to(tile.logits.dtype)
        if replaced is not None:
            self.by_scale -= gradient.masked_select(replaced).double().sum()
            gradient.masked_fill_(replaced, 0.0)
        return gradient


def _group_of_columns(pairs: JoinedPairs, layout: PairLayout) -> Tensor:
    return layout.sort_y(pairs.dense_groups()[1])


def _absorb(tile: Tile, group: Tensor, sums: Tensor) -> None:
    """Add a tile to the sums of its rows, one maximum per row and group."""
    distinct, which = torch.unique(group, return_inverse=True)
    logits = tile.logits.double()
    size = (logits.shape[0], distinct.numel())
    top = logits.new_full(size, -torch.inf)
    top.scatter_reduce_(1, which.expand_as(logits), logits, reduce="amax")
    shift = torch.where(torch.isfinite(top), top, 0.0)
    exponential = (logits - shift.index_select(1, which)).exp_()
    part = logits.new_zeros(size).index_add_(1, which, exponential).log_().add_(shift)
    before = sums[tile.rows].index_select(1, distinct)
    sums[tile.rows] = sums[tile.rows].index_copy_(1, distinct, torch.logaddexp(before, part))
