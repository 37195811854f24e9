"""What a tile adds to the log-sum-exp over the negatives of its rows and columns.

Accumulators are float64 vectors; a tile contributes ``top + log sum exp(z - top)``. One exponential
per logit serves rows and columns, with the largest logit of the tile as ``top``. Where a row or a
column of the tile lies so far below ``top`` that fp32 would lose it, the tile is done again with
one maximum per row and one per column.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from medvlp.losses.engine.tiles import Tile

__all__ = ["Ignored", "absorb", "absorb_carefully", "empty_sums", "keep_negatives"]

Ignored = Literal["remove", "replace"]

# Below this sum of exp(z - top) the terms that fp32 flushes to zero (< 1.2e-38 each) could matter.
SMALLEST_SUM = 1e-27


def empty_sums(length: int, device: torch.device) -> Tensor:
    """Return log-sum-exps of nothing: minus infinity, shape ``(length,)``, float64."""
    return torch.full((length,), -torch.inf, dtype=torch.float64, device=device)


def keep_negatives(tile: Tile, ignored: Ignored) -> Tensor | None:
    """Bring the logits of a tile to those of its negatives, in place.

    Args:
        tile: Tile with its logits as computed; positives become minus infinity.
        ignored: ``remove``: ignored logits become minus infinity; ``replace``: minus the scale,
            the logit of opposite unit vectors.

    Returns:
        With ``replace``, which pairs were replaced, bool, shape of the tile; else ``None``.
    """
    replaced = None
    if tile.related is not None and ignored == "replace":
        replaced = tile.related.ignored(tile.positives)
        tile.logits.masked_fill_(replaced, -tile.scale)
    elif tile.related is not None:
        tile.related.leave_out(tile.logits, tile.scratch)
    if tile.positives is not None:
        tile.logits.view(-1).index_fill_(0, tile.positives.places, -torch.inf)
    return replaced


def absorb(logits: Tensor, scratch: Tensor, rows: Tensor, columns: Tensor | None) -> None:
    """Add a tile to the log-sum-exps of its rows and columns.

    Args:
        logits: Shape ``(r, c)``, unchanged.
        scratch: Shape ``(r, c)``, overwritten.
        rows: Accumulator, shape ``(r,)``, float64, changed in place.
        columns: Accumulator, shape ``(c,)``, float64, changed in place; ``None``: not wanted.
    """
    if logits.device.type != "cpu":  # looking at a sum would wait for the device
        absorb_carefully(logits, rows, columns)
        return
    top = float(logits.amax())
    if top == -torch.inf:
        return
    torch.sub(logits, top, out=scratch).exp_()
    row_sums = scratch.sum(dim=1)
    is_safe = float(row_sums.amin()) > SMALLEST_SUM
    column_sums = None
    if columns is not None and is_safe:
        column_sums = scratch.sum(dim=0)
        is_safe = float(column_sums.amin()) > SMALLEST_SUM
    if not is_safe:
        absorb_carefully(logits, rows, columns)
        return
    torch.logaddexp(rows, row_sums.double().log_().add_(top), out=rows)
    if columns is not None and column_sums is not None:
        torch.logaddexp(columns, column_sums.double().log_().add_(top), out=columns)


def absorb_carefully(logits: Tensor, rows: Tensor, columns: Tensor | None) -> None:
    """Do the same with one maximum per row and one per column; right at any range of logits."""
    torch.logaddexp(rows, _logsumexp(logits, 1), out=rows)
    if columns is not None:
        torch.logaddexp(columns, _logsumexp(logits, 0), out=columns)


def _logsumexp(logits: Tensor, dim: int) -> Tensor:
    top = logits.amax(dim=dim, keepdim=True)
    shift = torch.where(torch.isfinite(top), top, 0.0)
    total = (logits - shift).exp_().sum(dim=dim)
    return total.double().log_() + shift.squeeze(dim).double()
