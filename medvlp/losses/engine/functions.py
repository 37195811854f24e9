"""Differentiable row and column statistics of the joined batch.

A loss is written as plain arithmetic on these vectors of length B. They are equal on every rank, so
the arithmetic is repeated everywhere and needs no communication; this function holds all of it:
y is gathered, column statistics are merged, and the gradient of y is reduced and scattered. Each
rank computes its b x B logits once per pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
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
from medvlp.losses.engine.layout import build_layout
from medvlp.losses.engine.products import logits_dtype
from medvlp.losses.engine.sums import (
    SumsChoice,
    SumsGradient,
    compute_sums,
    joined_values,
    new_sides,
)
from medvlp.losses.engine.tiles import LogitTiles, column_operand

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from medvlp.losses.engine.layout import PairLayout
    from medvlp.losses.engine.pairs import JoinedPairs
    from medvlp.losses.engine.positives import PositiveKind
    from medvlp.losses.engine.settings import EngineSettings
    from medvlp.losses.engine.statistics import Ignored

__all__ = ["SideStatistics", "pair_statistics"]


@dataclass(frozen=True)
class SideStatistics:
    """Statistics of the joined rows of x, or of y, in the order of the ranks, equal on every rank.

    Attributes:
        negatives: ``log sum exp(z)`` over the negatives, shape ``(B,)``, float64; -inf if empty.
        positives: One tensor per statistic asked for, shape ``(B,)``, float64.
    """

    negatives: Tensor
    positives: tuple[Tensor, ...]


def pair_statistics(
    x: Tensor,
    y: Tensor,
    scale: Tensor,
    *,
    pairs: JoinedPairs,
    settings: EngineSettings,
    positives: tuple[PositiveKind, ...],
    with_columns: bool = True,
    ignored: Ignored = "remove",
) -> list[SideStatistics]:
    """Compute row and column statistics of ``z_ij = scale * <x_i, y_j>``.

    Args:
        x: Rows of this rank, shape ``(b, D)``, floating point.
        y: Rows of this rank, shape ``(b_y, D)``, same dtype.
        scale: Scalar, floating point.
        pairs: Ids of the joined batch.
        settings: How to compute.
        positives: Statistics over the positives.
        with_columns: Whether column statistics are wanted.
        ignored: Whether ignored pairs are left out, or enter as negatives with similarity -1.

    Returns:
        Statistics of the rows, and where wanted of the columns, differentiable with respect to x, y
        and scale.
    """
    needs_grad = torch.is_grad_enabled() and any(t.requires_grad for t in (x, y, scale))
    choice = SumsChoice(positives=positives, with_columns=with_columns, ignored=ignored)
    request = _Request(pairs=pairs, settings=settings, choice=choice, needs_grad=needs_grad)
    values = _PairStatistics.apply(x, y, scale.reshape(()), request)
    sides = _by_side(values, choice)
    return [SideStatistics(side[0], tuple(side[1:])) for side in sides]


@dataclass(frozen=True, kw_only=True)
class _Request:
    pairs: JoinedPairs
    settings: EngineSettings
    choice: SumsChoice
    needs_grad: bool


class _Context(FunctionCtx):
    saved_tensors: tuple[Tensor, ...]
    needs_input_grad: tuple[bool, ...]
    request: _Request
    layout: PairLayout
    scale: float
    scale_dtype: torch.dtype
    num_saved: list[int]


class _PairStatistics(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: _Context, x: Tensor, y: Tensor, scale: Tensor, request: _Request
    ) -> tuple[Tensor, ...]:
        pairs, settings, choice = request.pairs, request.settings, request.choice
        layout = build_layout(pairs)
        operand = column_operand(all_gather_with_grad(y, pairs.counts_y), layout)
        num_bytes = x.shape[0] * operand.shape[0] * logits_dtype(x.dtype).itemsize
        kept: list[Tensor] | None = [] if request.needs_grad and settings.keeps(num_bytes) else None
        tiles = LogitTiles(
            x, operand, scale=float(scale), layout=layout, settings=settings, kept=kept
        )
        sides = compute_sums(tiles, pairs, choice)
        saved = [side.saved() for side in sides]
        ctx.request, ctx.layout = request, layout
        ctx.scale, ctx.scale_dtype = tiles.scale, scale.dtype
        ctx.num_saved = [len(each) for each in saved]
        ctx.save_for_backward(x, operand, *chain(*saved), *(kept or []))
        return tuple(joined_values(sides, pairs, layout))

    @staticmethod
    @once_differentiable
    def backward(ctx: _Context, *grads: Tensor) -> tuple[Tensor | None, ...]:
        request, layout = ctx.request, ctx.layout
        pairs, choice = request.pairs, request.choice
        x, operand, *rest = ctx.saved_tensors
        sides = new_sides(pairs, layout, choice)
        for side, count in zip(sides, ctx.num_saved, strict=True):
            side.restore(rest[:count])
            rest = rest[count:]
        tiles = LogitTiles(
            x, operand, scale=ctx.scale, layout=layout, settings=request.settings, kept=rest or None
        )
        by_rows, *by_columns = _by_side(grads, choice)
        by_side = [[layout.sort_x(grad, pairs) for grad in by_rows]]
        by_side += [[layout.sort_y(grad) for grad in by_side_y] for by_side_y in by_columns]
        needs_x, needs_y, needs_scale, _ = ctx.needs_input_grad
        with torch.autocast(x.device.type, enabled=False):
            source = SumsGradient(tiles, sides, choice, by_side)
            result = backpropagate(
                tiles, source.by_logits, needs_x=needs_x, needs_y=needs_y, needs_scale=needs_scale
            )
        grad_scale = all_reduce_sum(result.scale + source.by_scale).to(ctx.scale_dtype)
        return (
            None if result.x is None else result.x.mul_(world_size()).to(x.dtype),
            None if result.y is None else _own_rows(result.y, pairs).to(x.dtype),
            grad_scale if needs_scale else None,
            None,
        )


def _by_side(values: Sequence[Tensor], choice: SumsChoice) -> list[Sequence[Tensor]]:
    """Cut the outputs (or their gradients) into those of the rows and those of the columns."""
    size = 1 + len(choice.positives)
    return [values[start : start + size] for start in range(0, len(values), size)]


def _own_rows(grad_y: Tensor, pairs: JoinedPairs) -> Tensor:
    return reduce_scatter_rows(grad_y, pairs.counts_y).mul_(world_size())
