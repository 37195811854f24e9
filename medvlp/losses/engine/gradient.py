"""Second pass over the tiles: gradients of x, y, scale and bias from gradients of the statistics.

With row statistic R_i, column statistic C_j and their gradients u_i and v_j, a negative's logit has
the gradient ``u_i exp(z_ij - R_i) + v_j exp(z_ij - C_j)``. As z_ij is at most R_i and C_j, one
exponential ``E = exp(z - top)`` with ``top = min(max R, max C)`` serves both terms,
``E (u_i exp(top - R_i) + v_j exp(top - C_j))``, as long as R and C of the tile lie within 60 of
top: then what fp32 flushes from E is below 1e-12 of u_i and v_j. Other tiles take two exponentials.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from medvlp.losses.engine.products import accumulate_product

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from medvlp.losses.engine.tiles import LogitTiles, Tile

__all__ = ["Direction", "PassGradients", "backpropagate", "negative_gradient"]

WIDEST_RANGE = 60.0


@dataclass(frozen=True)
class Direction:
    """Statistics of all rows, or of all columns, and the gradient of the loss by them.

    Attributes:
        statistic: Log-sum-exps, shape ``(n,)``, float64, sorted order.
        grad: Gradient of the loss by them, shape ``(n,)``, float64.
    """

    statistic: Tensor
    grad: Tensor

    def span(self, positions: slice) -> tuple[float, float]:
        """Return the smallest statistic that carries gradient and the largest of all."""
        statistic, grad = self.statistic[positions], self.grad[positions]
        carried = statistic.masked_fill(grad == 0, torch.inf)
        ends = torch.stack([carried.amin(), statistic.amax()]).tolist()
        return ends[0], ends[1]

    def factors(self, positions: slice, top: Tensor, dtype: torch.dtype) -> Tensor:
        """Return ``grad * exp(top - statistic)``, 0 where the gradient is 0.

        Args:
            positions: Rows (or columns) of a tile.
            top: Scalar or one per position, float64.
            dtype: Dtype of the result.
        """
        statistic, grad = self.statistic[positions], self.grad[positions]
        factor = grad * (top - statistic).exp()
        return torch.where(grad == 0, 0.0, factor).to(dtype)

    def tops_and_factors(self, positions: slice, dtype: torch.dtype) -> list[Tensor]:
        """Return the statistics rounded to a dtype, and the factors that make up for it."""
        top = self.statistic[positions].to(dtype)
        top = torch.where(torch.isfinite(top), top, 0.0)
        return [top, self.factors(positions, top.double(), dtype)]


@dataclass
class PassGradients:
    """What the second pass adds up.

    Attributes:
        x: Shape ``(b, D)``, order given; ``None`` where not wanted.
        y: Shape ``(B, D)``, order given, from this rank's rows only; ``None`` where not wanted.
        scale: Scalar, float64, from this rank's rows only.
        bias: Scalar, float64, from this rank's rows only.
    """

    x: Tensor | None
    y: Tensor | None
    scale: Tensor
    bias: Tensor

    def finish_rows(self, tiles: LogitTiles, tile: Tile, weighted_y: Tensor) -> None:
        """Put away a row block: with G the gradient by its logits, ``dX = scale G Y``.

        The gradient of the scale is ``sum_i <x_i, (G Y)_i>``, without a look at the logits.

        Args:
            tiles: Tiles of this rank.
            tile: A tile of the row block.
            weighted_y: ``G Y``, shape of the rows; overwritten.
        """
        self.scale += (weighted_y.double() * tile.x).sum()
        if self.x is None:
            return
        weighted_y.mul_(tiles.scale)
        order = tiles.layout.order_x
        if order is None:
            self.x[tile.rows] = weighted_y
        else:
            self.x.index_copy_(0, order[tile.rows], weighted_y)


def backpropagate(
    tiles: LogitTiles,
    logit_gradient: Callable[[Tile], Tensor],
    *,
    needs_x: bool,
    needs_y: bool,
    needs_scale: bool,
    needs_bias: bool = False,
) -> PassGradients:
    """Run over the tiles and turn logit gradients into gradients of the inputs.

    Args:
        tiles: Tiles of this rank.
        logit_gradient: Gives the gradient by the logits of a tile; it may return a buffer of the
            tile, and must be 0 where logits do not depend on the embeddings.
        needs_x: Whether the gradient of x is wanted.
        needs_y: Whether the gradient of y is wanted.
        needs_scale: Whether the gradient of the scale is wanted.
        needs_bias: Whether the gradient of the bias is wanted.
    """
    total = PassGradients(
        x=tiles.new_rows() if needs_x else None,
        y=tiles.new_columns() if needs_y else None,
        scale=torch.zeros((), dtype=torch.float64, device=tiles.device),
        bias=torch.zeros((), dtype=torch.float64, device=tiles.device),
    )
    for tile in tiles.tiles():
        gradient = logit_gradient(tile)
        if needs_x or needs_scale:
            if tile.is_first_of_rows:
                weighted_y = tile.logits.new_zeros(tile.x.shape)
            accumulate_product(weighted_y, gradient, tile.y)
            if tile.is_last_of_rows:
                total.finish_rows(tiles, tile, weighted_y)
        if total.y is not None:
            accumulate_product(total.y[tile.columns], gradient.t(), tile.x)
        if needs_bias:
            total.bias += gradient.sum(dim=1).double().sum()
    if total.y is not None:
        total.y = _unsorted(total.y.mul_(tiles.scale), tiles.layout.order_y)
    return total


def negative_gradient(tile: Tile, rows: Direction, columns: Direction | None) -> Tensor:
    """Return the gradient of the loss by the logits of a tile's negatives.

    Args:
        tile: A tile whose other logits are minus infinity; logits and scratch are overwritten.
        rows: Row statistics and their gradient.
        columns: Column statistics and their gradient, ``None`` where not used.
    """
    if not tile.may_look:
        return _wide_gradient(tile, rows, columns)
    lowest, top = rows.span(tile.rows)
    if columns is not None:
        lowest_column, top_column = columns.span(tile.columns)
        lowest, top = min(lowest, lowest_column), min(top, top_column)
    if top == -torch.inf:
        return tile.logits.zero_()
    if not top - lowest <= WIDEST_RANGE:
        return _wide_gradient(tile, rows, columns)
    dtype = tile.logits.dtype
    rounded = torch.tensor(top, dtype=dtype)
    exponential = tile.logits.sub_(rounded).exp_()
    by_row = rows.factors(tile.rows, rounded.double(), dtype).unsqueeze(1)
    if columns is None:
        return exponential.mul_(by_row)
    by_column = columns.factors(tile.columns, rounded.double(), dtype).unsqueeze(0)
    return exponential.mul_(torch.add(by_row, by_column, out=tile.scratch))


def _wide_gradient(tile: Tile, rows: Direction, columns: Direction | None) -> Tensor:
    """Return the same with one exponential per direction."""
    dtype = tile.logits.dtype
    of_columns = [] if columns is None else columns.tops_and_factors(tile.columns, dtype)
    return tile.bodies.gradient(tile.logits, *rows.tops_and_factors(tile.rows, dtype), *of_columns)


def _unsorted(values: Tensor, order: Tensor | None) -> Tensor:
    if order is None:
        return values
    return torch.empty_like(values).index_copy_(0, order, values)
