"""Scores of single tiles: cosines, probabilities, and smoothing over overlapping neighbours.

Letters: N tiles, D embedding, C classes, k neighbours. Positions are (x, y) in level-0 pixels.
Everything is computed in float64.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "first_occurrences",
    "sigmoid",
    "smooth_neighbours",
    "smooth_overlaps",
    "softmax",
    "tile_cosines",
    "tile_probabilities",
]

_CHUNK_ROWS = 8192
_NORM_FLOOR = 1e-12


def tile_cosines(features: ArrayLike, weights: ArrayLike) -> NDArray[np.float64]:
    """Return the cosine of each tile with each class column.

    Features are brought to unit length, ``x / max(||x||, 1e-12)``; the class columns are taken as
    they are, because a classifier has unit columns.

    Args:
        features: Image embeddings in the space shared with text, shape ``(N, D)``, any float type.
        weights: Class columns of unit length, shape ``(D, C)``.

    Returns:
        Shape ``(N, C)``, in [-1, 1] up to rounding.

    Raises:
        ValueError: If the shapes do not fit.
    """
    features = np.asarray(features)
    columns = np.asarray(weights, dtype=np.float64)
    if features.ndim != 2 or columns.ndim != 2 or features.shape[1] != columns.shape[0]:
        raise ValueError(f"features {features.shape} and weights {columns.shape} do not fit")
    cosines = np.empty((features.shape[0], columns.shape[1]))
    for start in range(0, features.shape[0], _CHUNK_ROWS):
        rows = features[start : start + _CHUNK_ROWS].astype(np.float64)
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        cosines[start : start + _CHUNK_ROWS] = (rows / np.maximum(norms, _NORM_FLOOR)) @ columns
    return cosines


def softmax(logits: ArrayLike) -> NDArray[np.float64]:
    """Return the softmax over the last axis, in float64, without overflow.

    Args:
        logits: Shape ``(..., C)``.
    """
    values = np.asarray(logits, dtype=np.float64)
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def sigmoid(logits: ArrayLike) -> NDArray[np.float64]:
    """Return ``1 / (1 + exp(-x))``, in float64, without overflow.

    Of the difference of two logits it is the first one's softmax over the two.

    Args:
        logits: Any shape.
    """
    values = np.asarray(logits, dtype=np.float64)
    power = np.exp(-np.abs(values))
    return np.asarray(np.where(values >= 0, 1.0, power) / (1.0 + power))


def tile_probabilities(
    features: ArrayLike, weights: ArrayLike, logit_scale: float
) -> NDArray[np.float64]:
    """Return ``softmax(logit_scale * cosine)`` of each tile.

    The values are comparable within a slide and are not calibrated.

    Args:
        features: Image embeddings in the space shared with text, shape ``(N, D)``.
        weights: Class columns of unit length, shape ``(D, C)``.
        logit_scale: Multiplier of the cosines (1/temperature; no unit), > 0.

    Returns:
        Shape ``(N, C)``; rows sum to 1.

    Raises:
        ValueError: If the shapes do not fit or the scale is not positive.

    Source:
        KEEP, github.com/MAGIC-AI4Med/KEEP, WSI_evaluation, with logit_scale 10.
    """
    if not 0 < logit_scale < math.inf:
        raise ValueError(f"logit_scale must be positive and finite, got {logit_scale}")
    return softmax(logit_scale * tile_cosines(features, weights))


def first_occurrences(coords: ArrayLike) -> NDArray[np.int64]:
    """Return the rows that hold a position for the first time, in order.

    Args:
        coords: Tile positions, shape ``(N, 2)``, order (x, y), level-0 pixels, integers.

    Returns:
        Increasing row numbers, shape ``(number of distinct positions,)``.
    """
    keys = _pack(_as_positions(coords), margin=0)
    return np.sort(np.unique(keys, return_index=True)[1]).astype(np.int64)


def smooth_overlaps(
    probabilities: ArrayLike, coords: ArrayLike, step_px0: float | tuple[float, float]
) -> NDArray[np.float64]:
    """Average each tile with its neighbours one step to the left, above, and above to the left.

    ``out(x, y) = mean of p(x - s, y - s), p(x, y - s), p(x - s, y), p(x, y)`` over the tiles that
    exist, always from the unsmoothed values. Where a position occurs more than once the first row
    counts, and all its rows get the same value. With an overlap of one half (``step`` is half the
    tile) this is the mean of the tiles that cover the cell ``[x, x + s) x [y, y + s)``.

    A step that is not a whole number meets positions that were rounded to pixels, so a neighbour
    less than one pixel away from the exact position is accepted.

    Args:
        probabilities: Values of the tiles, shape ``(N, C)``.
        coords: Tile positions, shape ``(N, 2)``, order (x, y), level-0 pixels, integers.
        step_px0: Distance between neighbouring tiles in level-0 pixels; one number, or (x, y).

    Returns:
        Shape ``(N, C)``, rows as in ``probabilities``.

    Raises:
        ValueError: If the shapes do not fit or the step is below one pixel.

    Source:
        KEEP, github.com/MAGIC-AI4Med/KEEP, WSI_evaluation; the step per axis, the rule for rounded
        positions and the tiles in the order of the input are ours.
    """
    values = np.asarray(probabilities, dtype=np.float64)
    positions = _as_positions(coords)
    if values.ndim != 2 or len(values) != len(positions):
        raise ValueError(f"probabilities {values.shape} and coords {positions.shape} do not fit")
    step_x, step_y = np.broadcast_to(np.asarray(step_px0, dtype=np.float64), 2).tolist()
    if not (1 <= step_x < math.inf and 1 <= step_y < math.inf):
        raise ValueError(f"step_px0 must be at least one pixel, got {step_px0}")
    if len(values) == 0:
        return values.copy()
    keys = _pack(positions, margin=math.ceil(max(step_x, step_y)))
    known, first_row, group = np.unique(keys, return_index=True, return_inverse=True)
    unique_values = values[first_row]
    total = np.zeros_like(unique_values)
    count = np.zeros(len(known))
    for back_x, back_y in ((step_x, step_y), (0.0, step_y), (step_x, 0.0), (0.0, 0.0)):
        found = _neighbours(known, back_x, back_y)
        exists = found >= 0
        total[exists] += unique_values[found[exists]]
        count += exists
    return np.asarray((total / count[:, None])[group])


def smooth_neighbours(values: ArrayLike, neighbour_index: ArrayLike) -> NDArray[np.float64]:
    """Replace the values of each tile by the mean over its listed neighbours.

    Args:
        values: Shape ``(N, C)``, for example logits.
        neighbour_index: Rows of the neighbours of each tile, shape ``(N, k)``; a tile that counts
            for itself is listed too.

    Returns:
        Shape ``(N, C)``.

    Raises:
        ValueError: If the shapes do not fit or an index is outside the rows.

    Source:
        MI-Zero, Lu et al. 2023, arXiv:2306.07831, spatial smoothing over k nearest neighbours.
    """
    rows = np.asarray(values, dtype=np.float64)
    index = np.asarray(neighbour_index)
    if rows.ndim != 2 or index.ndim != 2 or len(index) != len(rows) or index.shape[1] == 0:
        raise ValueError(f"values {rows.shape} and neighbour_index {index.shape} do not fit")
    if index.size and (index.min() < 0 or index.max() >= len(rows)):
        raise ValueError(f"neighbour_index must be in 0..{len(rows) - 1}")
    total = np.zeros_like(rows)
    for column in index.T:
        total += rows[column]
    total /= index.shape[1]
    return total


def _as_positions(coords: ArrayLike) -> NDArray[np.int64]:
    positions = np.asarray(coords)
    if positions.ndim != 2 or positions.shape[1] != 2:
        raise ValueError(f"coords must have shape (N, 2), got {positions.shape}")
    if not np.issubdtype(positions.dtype, np.integer):
        raise ValueError(f"coords must be integers, got {positions.dtype}")
    return positions.astype(np.int64)


def _pack(positions: NDArray[np.int64], margin: int) -> NDArray[np.int64]:
    """Return one integer per position, so that a shift up to ``margin`` back stays unambiguous."""
    if len(positions) == 0:
        return np.zeros(0, dtype=np.int64)
    moved = positions - positions.min(axis=0) + margin
    if moved.max() >= 2**31:
        raise ValueError("coords spread over more than 2^31 pixels")
    return np.asarray(moved[:, 0] * 2**32 + moved[:, 1])


def _neighbours(keys: NDArray[np.int64], back_x: float, back_y: float) -> NDArray[np.int64]:
    """Return for each key the row of the key that lies so far back, or -1.

    Args:
        keys: Sorted packed positions, shape ``(N,)``.
        back_x: Distance to the left, in pixels.
        back_y: Distance upwards, in pixels.
    """
    found = np.full(len(keys), -1, dtype=np.int64)
    for x, y in itertools.product(_whole(back_x), _whole(back_y)):
        wanted = keys - (x * 2**32 + y)
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        hit = (keys[place] == wanted) & (found < 0)
        found[hit] = place[hit]
    return found


def _whole(distance: float) -> tuple[int, ...]:
    """Return the distances in whole pixels less than one pixel away from the exact one."""
    low, high = math.floor(distance), math.ceil(distance)
    return (low,) if low == high else (low, high)
