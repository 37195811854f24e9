"""A loss that is a sum over pairs: value and gradients in one pass over the tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn.functional import softplus

from medvlp.distributed import (
    all_gather_with_grad,
    all_reduce_sum,
    reduce_scatter_rows,
    world_size,
)
from medvlp.losses.engine.gradient import PassGradients, backpropagate
from medvlp.losses.engine.layout import build_layout
from medvlp.losses.engine.positives import LINEAR_ABOVE
from medvlp.losses.engine.statistics import keep_negatives
from medvlp.losses.engine.tiles import LogitTiles, column_operand

if TYPE_CHECKING:
    from torch import Tensor

    from medvlp.losses.engine.pairs import JoinedPairs
    from medvlp.losses.engine.settings import EngineSettings
    from medvlp.losses.engine.tiles import Tile

__all__ = ["sigmoid_sum"]


def sigmoid_sum(
    x: Tensor,
    y: Tensor,
    scale: Tensor,
    bias: Tensor,
    *,
    weights: tuple[Tensor, Tensor],
    pairs: JoinedPairs,
    settings: EngineSettings,
) -> tuple[Tensor, Tensor]:
    """Sum ``(a_i + b_j) softplus(-l_ij z_ij)`` over all pairs that are not ignored.

    ``z_ij = scale * <x_i, y_j> + bias``; l is 1 for positives and -1 for other pairs.

    Args:
        x: Rows of this rank, shape ``(b, D)``, floating point.
        y: Rows of this rank, shape ``(b_y, D)``, same dtype.
        scale: Scalar, floating point.
        bias: Scalar, floating point.
        weights: a of all joined rows of x and b of those of y, ``(Bx,)`` and ``(By,)``, float64.
        pairs: Ids of the joined batch.
        settings: How to compute; the path has no influence, as nothing is computed twice.

    Returns:
        The sum, scalar, float64, differentiable with respect to x, y, scale and bias; and the sum
        of the weights of the pairs that count, without gradient. Both are equal on every rank.
    """
    affine = torch.stack([scale.double().reshape(()), bias.double().reshape(())])
    needs_grad = torch.is_grad_enabled() and any(t.requires_grad for t in (x, y, affine))
    request = _Request(pairs=pairs, settings=settings, weights=weights, needs_grad=needs_grad)
    total, mass = _SigmoidSum.apply(x, y, affine, request)
    return total, mass


@dataclass(frozen=True, kw_only=True)
class _Request:
    pairs: JoinedPairs
    settings: EngineSettings
    weights: tuple[Tensor, Tensor]
    needs_grad: bool


class _Context(FunctionCtx):
    saved_tensors: tuple[Tensor, ...]
    needs_input_grad: tuple[bool, ...]


class _SigmoidSum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: _Context, x: Tensor, y: Tensor, affine: Tensor, request: _Request
    ) -> tuple[Tensor, Tensor]:
        pairs = request.pairs
        layout = build_layout(pairs)
        operand = column_operand(all_gather_with_grad(y, pairs.counts_y), layout)
        scale, bias = affine.tolist()
        tiles = LogitTiles(
            x, operand, scale=scale, bias=bias, layout=layout, settings=request.settings
        )
        by_row, by_column = request.weights
        value = _SigmoidTiles(layout.sort_x(by_row, pairs), layout.sort_y(by_column))
        needs_x, needs_y, needs_affine, _ = ctx.needs_input_grad
        if request.needs_grad:
            result = backpropagate(
                tiles,
                value.by_logits,
                needs_x=needs_x,
                needs_y=needs_y,
                needs_scale=needs_affine,
                needs_bias=needs_affine,
            )
            _save(ctx, result, pairs, x.dtype)
        else:
            for tile in tiles.tiles():
                value.by_logits(tile)
        total, mass = all_reduce_sum(torch.stack([value.total, value.mass])).unbind()
        ctx.mark_non_differentiable(mass)
        return total, mass

    @staticmethod
    @once_differentiable
    def backward(ctx: _Context, grad: Tensor, _grad_mass: Tensor) -> tuple[Tensor | None, ...]:
        saved = iter(ctx.saved_tensors)
        factor = float(grad)
        grads: list[Tensor | None] = []
        for is_needed in ctx.needs_input_grad[:3]:
            each = next(saved) if is_needed else None
            grads.append(each if each is None or factor == 1.0 else each * factor)
        return *grads, None


class _SigmoidTiles:
    """Value and logit gradient of a tile.

    Args:
        by_row: Weight of each sorted row, shape ``(b,)``, float64.
        by_column: Weight of each sorted column, shape ``(B,)``, float64.
    """

    def __init__(self, by_row: Tensor, by_column: Tensor) -> None:
        self._by_row = by_row
        self._by_column = by_column
        self.total = torch.zeros((), dtype=torch.float64, device=by_row.device)
        """Sum of what pairs cost."""
        self.mass = torch.zeros_like(self.total)
        """Sum of the weights of the pairs that count."""

    def by_logits(self, tile: Tile) -> Tensor:
        """Add the value of a tile and return its gradient by the logits, in a buffer of it."""
        by_row, by_column = self._by_row[tile.rows], self._by_column[tile.columns]
        self.mass += by_row.sum() * len(by_column) + by_column.sum() * len(by_row)
        if tile.related is not None:
            ignored = tile.related.ignored(tile.positives)
            self.mass -= (ignored.sum(dim=1) * by_row).sum()
            self.mass -= (ignored.sum(dim=0) * by_column).sum()
        pulled = tile.positive_logits()
        keep_negatives(tile, "remove")
        cost = softplus(tile.logits, threshold=LINEAR_ABOVE)
        self.total += (cost.sum(dim=1).double() * by_row).sum()
        self.total += (cost.sum(dim=0).double() * by_column).sum()
        dtype = tile.logits.dtype
        weight = torch.add(
            by_row.to(dtype).unsqueeze(1), by_column.to(dtype).unsqueeze(0), out=tile.scratch
        )
        gradient = tile.logits.sigmoid_().mul_(weight)
        if tile.positives is not None:
            both = self._by_row[tile.positives.rows] + self._by_column[tile.positives.columns]
            self.total += (softplus(-pulled, threshold=LINEAR_ABOVE) * both).sum()
            by_positives = (-(-pulled).sigmoid() * both).to(dtype)
            gradient.view(-1).index_copy_(0, tile.positives.places, by_positives)
        return gradient


def _save(ctx: _Context, result: PassGradients, pairs: JoinedPairs, dtype: torch.dtype) -> None:
    """Bring the gradients to this rank's rows and keep them for the backward pass."""
    saved = []
    if result.x is not None:
        saved.append(result.x.mul_(world_size()).to(dtype))
    if result.y is not None:
        own_rows = reduce_scatter_rows(result.y, pairs.counts_y)
        saved.append(own_rows.mul_(world_size()).to(dtype))
    if ctx.needs_input_grad[2]:
        saved.append(all_reduce_sum(torch.stack([result.scale, result.bias])))
    ctx.save_for_backward(*saved)
