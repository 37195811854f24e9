"""Smooth random fields and points that wrap around, the raw material of textures and outlines.

Letters: S side of a square field in pixels, N number of points. Fields are (row, col), points are
(x, y).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import fft
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "jittered_points",
    "map_noise",
    "periodic_noise",
    "sample_field",
    "thin_points",
    "wrap_points",
]


def periodic_noise(
    rng: np.random.Generator,
    shape: tuple[int, int],
    wavelength_px: float,
    *,
    stretch: tuple[float, float] = (1.0, 1.0),
    bandwidth: float = 0.45,
) -> NDArray[np.float32]:
    """Draw a Gaussian random field with one dominant wavelength that wraps around at its edges.

    Args:
        rng: Source of randomness.
        shape: ``(rows, cols)``.
        wavelength_px: Dominant wavelength, in pixels.
        stretch: ``(x, y)`` factors by which features are longer along each axis.
        bandwidth: Width of the band of frequencies relative to its centre.

    Returns:
        Field of shape ``shape``, float32, mean 0, standard deviation 1.
    """
    white = rng.standard_normal(shape, dtype=np.float32)
    spectrum = fft.rfft2(white)
    freq_y = fft.fftfreq(shape[0])[:, None].astype(np.float32) * np.float32(stretch[1])
    freq_x = fft.rfftfreq(shape[1])[None, :].astype(np.float32) * np.float32(stretch[0])
    radius = np.hypot(freq_x, freq_y) * np.float32(wavelength_px)
    spectrum *= np.exp(-(((radius - 1.0) / np.float32(bandwidth)) ** 2))
    spectrum[0, 0] = 0.0
    field = fft.irfft2(spectrum, s=shape).astype(np.float32)
    spread = float(field.std())
    return np.asarray(field / spread if spread > 0 else field, dtype=np.float32)


def map_noise(
    rng: np.random.Generator, shape: tuple[int, int], wavelength_px: float
) -> NDArray[np.float32]:
    """Draw noise for a map that does not wrap around, however long the waves.

    Args:
        rng: Source of randomness.
        shape: ``(rows, cols)``.
        wavelength_px: Dominant wavelength, in pixels; at least 2.5 are taken.

    Returns:
        Field of shape ``shape``, float32, mean about 0, standard deviation about 1.
    """
    wavelength_px = max(wavelength_px, 2.5)
    rows, cols = (-(-(side + int(wavelength_px)) // 32) * 32 for side in shape)
    return periodic_noise(rng, (rows, cols), wavelength_px)[: shape[0], : shape[1]]


def jittered_points(
    rng: np.random.Generator, side_px: int, spacing_px: float, jitter: float
) -> NDArray[np.float32]:
    """Place points on a hexagonal grid that wraps around, each moved at random.

    Args:
        rng: Source of randomness.
        side_px: Side S of the square.
        spacing_px: Distance between neighbours, in pixels, about.
        jitter: Largest move, as a share of the spacing.

    Returns:
        Points ``(N, 2)`` as (x, y) in ``[0, S)``, float32.
    """
    cols = max(2, round(side_px / spacing_px))
    rows = max(2, 2 * round(side_px / (spacing_px * 0.866) / 2))
    row, col = np.mgrid[0:rows, 0:cols].astype(np.float32)
    x = (col + 0.5 * (row % 2)) * (side_px / cols)
    y = row * (side_px / rows)
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    points += rng.uniform(-jitter, jitter, points.shape).astype(np.float32) * spacing_px
    return np.asarray(points % side_px, dtype=np.float32)


def wrap_points(
    points: NDArray[np.float32], side_px: int, margin_px: float
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Repeat points that lie near an edge beyond the opposite edge.

    Args:
        points: Points ``(N, 2)`` as (x, y) in ``[0, S)``.
        side_px: Side S of the square.
        margin_px: How far beyond the square copies are wanted, in pixels.

    Returns:
        Points ``(M, 2)`` in ``[-margin, S + margin)``, and the index of each one's original,
        ``(M,)`` int64, ascending.
    """
    shifts = np.array([(x, y) for y in (0, -1, 1) for x in (0, -1, 1)], dtype=np.float32) * side_px
    copies = (points[None, :, :] + shifts[:, None, :]).reshape(-1, 2)
    index = np.tile(np.arange(len(points)), len(shifts))
    inside = np.all((copies >= -margin_px) & (copies < side_px + margin_px), axis=1)
    copies, index = copies[inside], index[inside]
    order = np.argsort(
        index, kind="stable"
    )  # what overlaps must overlap alike on both sides of a seam
    return copies[order], index[order]


def sample_field(field: NDArray[np.float32], points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Read a wrap-around field at points, nearest neighbour.

    Args:
        field: Field ``(S, S)``.
        points: Points ``(N, 2)`` as (x, y).

    Returns:
        Values ``(N,)``, float32.
    """
    x = np.floor(points[:, 0]).astype(np.int64) % field.shape[1]
    y = np.floor(points[:, 1]).astype(np.int64) % field.shape[0]
    return np.asarray(field[y, x], dtype=np.float32)


def thin_points(points: NDArray[np.float32], side_px: int, distance_px: float) -> NDArray[np.int64]:
    """Choose points, first come first kept, so that no two are nearer than a distance.

    Args:
        points: Points ``(N, 2)`` as (x, y) in ``[0, S)``.
        side_px: Side S of the square, which wraps around.
        distance_px: Smallest distance, in pixels.

    Returns:
        Indices of the points kept, ascending.
    """
    tree = cKDTree(points.astype(np.float64) % side_px, boxsize=side_px)
    pairs = tree.query_pairs(distance_px, output_type="ndarray")
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    kept = np.ones(len(points), dtype=bool)
    for first, second in pairs.tolist():
        if kept[first]:
            kept[second] = False
    return np.flatnonzero(kept)
