"""The elementwise work on a tile, right at any range of logits, plain or through the compiler.

The plain functions are the oracle of the compiled ones. On a GPU the compiler fuses each into a few
kernels, and no step waits for the device to look at a value.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

__all__ = ["PLAIN", "TileBodies", "compiled_bodies", "sums_along", "weighted_exponentials"]


class TileBodies(NamedTuple):
    """The two functions of a tile.

    Attributes:
        sums: See :func:`sums_along`.
        gradient: See :func:`weighted_exponentials`.
    """

    sums: Callable[[Tensor, int], tuple[Tensor, Tensor]]
    gradient: Callable[..., Tensor]


def sums_along(logits: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Return the maximum and ``sum exp(z - maximum)`` along an axis, in the dtype of the logits.

    Args:
        logits: Shape ``(r, c)``; -inf marks pairs left out.
        dim: Axis that is reduced.

    Returns:
        Two vectors; the maximum is 0 and the sum is 0 where everything is left out.
    """
    top = logits.amax(dim=dim, keepdim=True)
    top = torch.where(torch.isfinite(top), top, 0.0)
    return top.squeeze(dim), (logits - top).exp().sum(dim=dim)


def weighted_exponentials(
    logits: Tensor,
    row_top: Tensor,
    row_factor: Tensor,
    column_top: Tensor | None = None,
    column_factor: Tensor | None = None,
) -> Tensor:
    """Return ``u_i exp(z_ij - a_i) + v_j exp(z_ij - b_j)``.

    Args:
        logits: z, shape ``(r, c)``; -inf marks pairs left out.
        row_top: a, shape ``(r,)``, at least the largest z of the row.
        row_factor: u, shape ``(r,)``.
        column_top: b, shape ``(c,)``, at least the largest z of the column; ``None``: no columns.
        column_factor: v, shape ``(c,)``.
    """
    total = (logits - row_top.unsqueeze(1)).exp() * row_factor.unsqueeze(1)
    if column_top is None or column_factor is None:
        return total
    return total + (logits - column_top).exp() * column_factor


PLAIN = TileBodies(sums_along, weighted_exponentials)


@lru_cache(maxsize=1)
def compiled_bodies() -> TileBodies:
    """Return both functions through ``torch.compile``; the first tile waits for the compiler."""
    return TileBodies(
        torch.compile(sums_along, dynamic=True), torch.compile(weighted_exponentials, dynamic=True)
    )
