"""Masks against tiles: which tiles are truly positive, what they paint, and Dice.

Masks are arrays (row, col) in level-0 pixels; tile positions are (x, y) in level-0 pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["dice", "nearest_level", "paint_tiles", "shrink_mask", "tile_truth"]


def tile_truth(
    mask: ArrayLike,
    coords: ArrayLike,
    tile_px0: int | tuple[int, int],
    *,
    px0_per_px: tuple[float, float] = (1.0, 1.0),
) -> NDArray[np.bool_]:
    """Tell which tiles are covered by the mask by more than a half (strictly).

    Pixels of a tile beyond the edge of the mask count as not covered. In a mask of lower resolution
    the sides of a tile are rounded to whole mask pixels, to one at least.

    Args:
        mask: Zero outside of the region, shape ``(rows, cols)``.
        coords: Tile positions, shape ``(N, 2)``, order (x, y), level-0 pixels, integers.
        tile_px0: Side of a tile in level-0 pixels; one number, or (width, height).
        px0_per_px: Level-0 pixels per mask pixel, (x, y).

    Returns:
        Shape ``(N,)``.

    Raises:
        ValueError: If shapes do not fit, or the tile size or the factor is below its least value.

    Source:
        KEEP, github.com/MAGIC-AI4Med/KEEP, segmentation scores, where the mask is at level 0.
    """
    region = _check_mask(mask)
    positions = _check_coords(coords)
    sides = np.broadcast_to(np.asarray(tile_px0), 2)
    factors = np.broadcast_to(np.asarray(px0_per_px, dtype=np.float64), 2)
    if sides.min() < 1 or not factors.min() > 0:
        raise ValueError(
            f"tile_px0 {tile_px0} must be at least 1 and px0_per_px {px0_per_px} above 0"
        )
    start = np.floor(positions / factors + 0.5).astype(np.int64)
    stop = np.floor((positions + sides) / factors + 0.5).astype(np.int64)
    stop = np.maximum(stop, start + 1)
    sums = np.pad(np.cumsum(np.cumsum(region, axis=0, dtype=np.int64), axis=1), ((1, 0), (1, 0)))
    limits = np.asarray(region.shape)[::-1]
    left, top = np.clip(start, 0, limits).T
    right, bottom = np.clip(stop, 0, limits).T
    covered = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    return np.asarray(2 * covered > (stop - start).prod(axis=1))


def nearest_level(level_downsamples: Sequence[float], target: float = 16.0) -> int:
    """Return the pyramid level whose down-sampling is nearest to a target, the first on ties.

    Args:
        level_downsamples: Down-sampling of each level against level 0.
        target: Down-sampling that is wanted.

    Raises:
        ValueError: If there are no levels.

    Source:
        KEEP, github.com/MAGIC-AI4Med/KEEP, segmentation scores, with target 16.
    """
    if len(level_downsamples) == 0:
        raise ValueError("there are no levels")
    return int(np.argmin(np.abs(np.asarray(level_downsamples, dtype=np.float64) - target)))


def shrink_mask(mask: ArrayLike, downsample: int) -> NDArray[np.bool_]:
    """Take every ``downsample``-th pixel of a mask, ``floor(size / downsample)`` per axis.

    Args:
        mask: Shape ``(rows, cols)``; non-zero counts.
        downsample: Whole factor, >= 1.

    Raises:
        ValueError: If the factor is below 1 or larger than the mask.

    Source:
        KEEP, github.com/MAGIC-AI4Med/KEEP, segmentation scores.
    """
    region = _check_mask(mask)
    rows, cols = (size // downsample if downsample >= 1 else 0 for size in region.shape)
    if min(rows, cols) < 1:
        raise ValueError(f"downsample {downsample} does not fit a mask of shape {region.shape}")
    return region[::downsample, ::downsample][:rows, :cols]


def paint_tiles(
    shape: tuple[int, int], coords: ArrayLike, tile_px0: int, downsample: int
) -> NDArray[np.bool_]:
    """Return the mask that is covered by tiles, at a lower resolution.

    A tile at (x, y) paints rows ``int(y / d)`` to ``int(y / d + tile / d)`` (the end left out) and
    columns likewise; what lies outside of the mask is cut.

    Args:
        shape: Size of the mask at the lower resolution, (rows, cols).
        coords: Tile positions, shape ``(N, 2)``, order (x, y), level-0 pixels, integers, >= 0.
        tile_px0: Side of a tile in level-0 pixels.
        downsample: Level-0 pixels per mask pixel d, >= 1.

    Returns:
        Shape ``shape``.

    Raises:
        ValueError: If shapes do not fit, or a size or a position is out of range.

    Source:
        KEEP, github.com/MAGIC-AI4Med/KEEP, segmentation scores.
    """
    positions = _check_coords(coords)
    if tile_px0 < 1 or downsample < 1:
        raise ValueError(f"tile_px0 {tile_px0} and downsample {downsample} must be at least 1")
    if len(positions) and positions.min() < 0:
        raise ValueError("coords must not be negative")
    limits = np.asarray(shape)[::-1]
    start = np.minimum(positions // downsample, limits)
    stop = np.minimum(
        np.floor(positions / downsample + tile_px0 / downsample).astype(np.int64), limits
    )
    steps = np.zeros((shape[0] + 1, shape[1] + 1), dtype=np.int64)
    for cols, rows, sign in (
        (start[:, 0], start[:, 1], 1),
        (stop[:, 0], start[:, 1], -1),
        (start[:, 0], stop[:, 1], -1),
        (stop[:, 0], stop[:, 1], 1),
    ):
        np.add.at(steps, (rows, cols), sign)
    return np.asarray(np.cumsum(np.cumsum(steps, axis=0), axis=1)[:-1, :-1] > 0)


def dice(first: ArrayLike, second: ArrayLike) -> float:
    """Return ``2 |A and B| / (|A| + |B|)`` of two masks, 1 if both are empty.

    Args:
        first: Mask A, any shape; non-zero counts.
        second: Mask B, the same shape.

    Raises:
        ValueError: If the shapes differ.

    Source:
        Dice 1945, doi:10.2307/1932409; empty masks agree as in KEEP,
        github.com/MAGIC-AI4Med/KEEP.
    """
    one, two = np.asarray(first) != 0, np.asarray(second) != 0
    if one.shape != two.shape:
        raise ValueError(f"masks have shapes {one.shape} and {two.shape}")
    total = int(one.sum()) + int(two.sum())
    return 2 * int((one & two).sum()) / total if total else 1.0


def _check_mask(mask: ArrayLike) -> NDArray[np.bool_]:
    region = np.asarray(mask)
    if region.ndim != 2:
        raise ValueError(f"mask must have shape (rows, cols), got {region.shape}")
    return np.asarray(region != 0)


def _check_coords(coords: ArrayLike) -> NDArray[np.int64]:
    positions = np.asarray(coords)
    if positions.ndim != 2 or positions.shape[1] != 2:
        raise ValueError(f"coords must have shape (N, 2), got {positions.shape}")
    if not np.issubdtype(positions.dtype, np.integer):
        raise ValueError(f"coords must be integers, got {positions.dtype}")
    return positions.astype(np.int64)
