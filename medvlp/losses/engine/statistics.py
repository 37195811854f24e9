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

__all__ = ["Ignored", "absorb", "empty_sums", "keep_negatives"]

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


def absorb(tile: Tile, rows: Tensor, columns: Tensor | None) -> None:
    """Add a tile to the log-sum-exps of its rows and columns.

    Args:
        tile: A tile whose logits outside the sums are minus infinity; its scratch is overwritten.
        rows: Accumulator, shape ``(r,)``, float64, changed in place.
        columns: Accumulator, shape ``(c,)``, float64, changed in place; ``None``: not wanted.
    """
    if tile.may_look and _absorb_at_once(tile, rows, columns):
        return
    targets = [(rows, 1)] + ([(columns, 0)] if columns is not None else [])
    for target, dim in targets:
        top, total = tile.bodies.sums(tile.logits, dim)
        torch.logaddexp(target, total.double().log_() + top.double(), out=target)


def _absorb_at_once(tile: Tile, rows: Tensor, columns: Tensor | None) -> bool:
    """Use one exponential for rows and columns; return whether that was safe, else do nothing."""
    top = float(tile.logits.amax())
    if top == -torch.inf:
        return True
    exponential = torch.sub(tile.logits, top, out=tile.scratch).exp_()
    sums = [exponential.sum(dim=1)]
    if columns is not None:
        sums.append(exponential.sum(dim=0))
    if any(float(part.amin()) <= SMALLEST_SUM for part in sums):
        return False
    for target, part in zip((rows, columns), sums, strict=False):
        if target is not None:
            torch.logaddexp(target, part.double().log_().add_(top), out=target)
    return True
