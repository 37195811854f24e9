"""Differentiable row and column statistics of the joined batch.

A loss is written as plain arithmetic on these vectors of length B. They are equal on every rank, so
the arithmetic is repeated everywhere and needs no communication; this function holds all of it:
y is gathered, column statistics are merged, and the gradient of y is reduced and scattered. Each
rank computes its b x B logits once per pass.
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
from medvlp.losses.engine.layout import build_layout
from medvlp.losses.engine.products import logits_dtype
from medvlp.losses.engine.sums import PairSums, SumsChoice, SumsGradient, compute_sums
from medvlp.losses.engine.tiles import LogitTiles, column_operand

if TYPE_CHECKING:
    from torch import Tensor

    from medvlp.losses.engine.layout import PairLayout
    from medvlp.losses.engine.pairs import JoinedPairs
    from medvlp.losses.engine.positives import PositiveKind
    from medvlp.losses.engine.settings import EngineSettings
    from medvlp.losses.engine.statistics import Ignored, MainSet

__all__ = ["PairStatistics", "pair_statistics"]


@dataclass(frozen=True)
class PairStatistics:
    """Statistics of the joined batch, float64, in the order of the ranks, equal on every rank.

    Attributes:
        rows: Log-sum-exp of the main set of every row of x, shape ``(Bx,)``; -inf if empty.
        columns: The same of every row of y, shape ``(By,)``; empty tensor where not asked for.
        positive_rows: Statistic of the positives of every row of x, shape ``(Bx,)``.
        positive_columns: The same of every row of y, shape ``(By,)``.
    """

    rows: Tensor
    columns: Tensor
    positive_rows: Tensor
    positive_columns: Tensor


def pair_statistics(
    x: Tensor,
    y: Tensor,
    scale: Tensor,
    *,
    pairs: JoinedPairs,
    settings: EngineSettings,
    main: MainSet = "all",
    positive: PositiveKind = "mean",
    with_columns: bool = True,
    ignored: Ignored = "remove",
) -> PairStatistics:
    """Compute row and column statistics of ``z_ij = scale * <x_i, y_j>``.

    Args:
        x: Rows of this rank, shape ``(b, D)``, floating point.
        y: Rows of this rank, shape ``(b_y, D)``, same dtype.
        scale: Scalar, floating point.
        pairs: Ids of the joined batch.
        settings: How to compute.
        main: Set of the main statistic: everything not ignored, or the negatives alone.
        positive: Statistic over the positives.
        with_columns: Whether column statistics are wanted.
        ignored: Whether ignored pairs are left out, or enter with the similarity -1.

    Returns:
        The statistics, differentiable with respect to x, y and scale.
    """
    needs_grad = torch.is_grad_enabled() and any(t.requires_grad for t in (x, y, scale))
    choice = SumsChoice(main=main, positive=positive, with_columns=with_columns, ignored=ignored)
    request = _Request(pairs=pairs, settings=settings, choice=choice, needs_grad=needs_grad)
    rows, columns, positive_rows, positive_columns = _PairStatistics.apply(x, y, scale, request)
    return PairStatistics(rows, columns, positive_rows, positive_columns)


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
    num_saved: int


class _PairStatistics(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: _Context, x: Tensor, y: Tensor, scale: Tensor, request: _Request
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        pairs, settings, choice = request.pairs, request.settings, request.choice
        layout = build_layout(pairs)
        operand = column_operand(all_gather_with_grad(y, pairs.counts_y), layout)
        num_bytes = x.shape[0] * operand.shape[0] * logits_dtype(x.dtype).itemsize
        kept: list[Tensor] | None = [] if request.needs_grad and settings.keeps(num_bytes) else None
        tiles = LogitTiles(
            x, operand, scale=float(scale), layout=layout, settings=settings, kept=kept
        )
        sums = compute_sums(tiles, pairs, choice)
        ctx.request, ctx.layout = request, layout
        ctx.scale, ctx.scale_dtype = tiles.scale, scale.dtype
        ctx.num_saved = len(sums.tensors())
        ctx.save_for_backward(x, operand, *sums.tensors(), *(kept or []))
        return sums.joined(pairs, layout)

    @staticmethod
    @once_differentiable
    def backward(ctx: _Context, *grads: Tensor) -> tuple[Tensor | None, ...]:
        request, layout = ctx.request, ctx.layout
        pairs, choice = request.pairs, request.choice
        x, operand, *saved = ctx.saved_tensors
        kept = saved[ctx.num_saved :] or None
        tiles = LogitTiles(
            x, operand, scale=ctx.scale, layout=layout, settings=request.settings, kept=kept
        )
        sums = PairSums.restored(saved[: ctx.num_saved], pairs, layout, choice)
        needs_x, needs_y, needs_scale, _ = ctx.needs_input_grad
        rows, columns, positive_rows, positive_columns = grads
        sorted_grads = (
            layout.sort_x(rows, pairs),
            layout.sort_y(columns) if choice.with_columns else columns,
            layout.sort_x(positive_rows, pairs),
            layout.sort_y(positive_columns) if choice.with_columns else positive_columns,
        )
        with torch.autocast(x.device.type, enabled=False):
            source = SumsGradient(tiles, sums, choice, sorted_grads)
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


def _own_rows(grad_y: Tensor, pairs: JoinedPairs) -> Tensor:
    return reduce_scatter_rows(grad_y, pairs.counts_y).mul_(world_size())
