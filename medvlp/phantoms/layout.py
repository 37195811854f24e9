"""Where the tissues of a slide lie: pieces, fat, tumour, stroma, and lobules of one texture each.

Everything here is a map whose pixel is about 8 micrometres, so that a layout does not depend on the
slide's scale. Maps are (row, col); lengths are micrometres unless named otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from medvlp.phantoms.classes import CLASSES, find_class
from medvlp.phantoms.noise import map_noise

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LOBULE_UM", "Layout", "draw_layout"]

LOBULE_UM = 620.0
"""Size of a lobule: the area that carries one stretch of texture."""

_FAT_SHARE = 0.12


@dataclass(frozen=True)
class Layout:
    """The map of a slide.

    Attributes:
        labels: Class codes, ``(rows, cols)``, uint8.
        lobules: Index of the lobule, ``(rows, cols)``, int32.
        n_lobules: Number of lobules.
        thickness: Relative thickness of the section, about 1, ``(rows, cols)``, float32.
        um_per_px: Side of a map pixel in micrometres.
    """

    labels: NDArray[np.uint8]
    lobules: NDArray[np.int32]
    n_lobules: int
    thickness: NDArray[np.float32]
    um_per_px: float


def _draw_pieces(
    rng: np.random.Generator, shape: tuple[int, int], n_pieces: int
) -> NDArray[np.float32]:
    """Return how deep inside a piece pixels lie: 0 at outlines, below 0 outside, at most 1."""
    rows, cols = shape
    row, col = np.mgrid[0:rows, 0:cols].astype(np.float32)
    wide = cols >= rows
    slot = (max(rows, cols) / n_pieces, float(min(rows, cols)))
    size = 0.38 * min(slot)
    bumps = 0.1 * np.tanh(map_noise(rng, shape, 1.1 * size)) + 0.02
    bumps += 0.05 * np.tanh(map_noise(rng, shape, 0.35 * size))
    bumps += 0.018 * map_noise(rng, shape, 0.1 * size)
    depth = np.full(shape, -1.0, dtype=np.float32)
    for piece in range(n_pieces):
        along = (piece + 0.5 + rng.uniform(-0.05, 0.05)) * slot[0]
        across = (0.5 + rng.uniform(-0.05, 0.05)) * slot[1]
        radii = rng.uniform(0.34, 0.42, 2) * slot
        (x, y), (rx, ry) = ((along, across), radii) if wide else ((across, along), radii[::-1])
        turn = rng.uniform(-0.4, 0.4) if n_pieces == 1 else rng.uniform(-0.15, 0.15)
        dx, dy = col - np.float32(x), row - np.float32(y)
        u = (dx * np.float32(np.cos(turn)) + dy * np.float32(np.sin(turn))) / np.float32(rx)
        v = (dy * np.float32(np.cos(turn)) - dx * np.float32(np.sin(turn))) / np.float32(ry)
        here = (1 - np.hypot(u, v) + bumps).astype(np.float32)
        inside, count = ndimage.label(here > 0)
        if count > 1:
            largest = 1 + int(np.argmax(np.bincount(inside.ravel())[1:]))
            here[(inside != largest) & (here > 0)] = -0.01
        depth = np.maximum(depth, here)
    edge = 3
    depth[:edge], depth[-edge:], depth[:, :edge], depth[:, -edge:] = -1, -1, -1, -1
    return depth


def _top_share(
    score: NDArray[np.float32], where: NDArray[np.bool_], share: float
) -> NDArray[np.bool_]:
    """Choose the pixels of a region whose score is in the highest share."""
    if share <= 0 or not where.any():
        return np.zeros_like(where)
    return where & (score >= np.quantile(score[where], 1 - min(share, 1.0)))


def _draw_tumor(
    rng: np.random.Generator,
    depth: NDArray[np.float32],
    where: NDArray[np.bool_],
    share: float,
    um_per_px: float,
) -> NDArray[np.bool_]:
    """Choose where the tumour grows: one mass with an irregular front, and a few satellites."""
    inside = np.argwhere(where & (depth > 0.35 * depth.max()))
    row0, col0 = inside[rng.integers(len(inside))]
    row, col = np.mgrid[0 : depth.shape[0], 0 : depth.shape[1]].astype(np.float32)
    reach = np.sqrt(where.sum() / np.pi)
    away = np.hypot(row - row0, col - col0) / reach
    score = -away + 0.2 * map_noise(rng, depth.shape, 0.8 * reach)
    score += 0.05 * map_noise(rng, depth.shape, 300.0 / um_per_px)
    return _top_share(score.astype(np.float32), where, share)


def _draw_lobules(
    rng: np.random.Generator, shape: tuple[int, int], um_per_px: float
) -> tuple[NDArray[np.int32], int, NDArray[np.float32]]:
    """Divide a map into lobules; return indices, their number, and the distance to seams in um."""
    pitch = LOBULE_UM / um_per_px
    row, col = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    bend = 0.16 * pitch
    y = (row + bend * map_noise(rng, shape, 0.9 * pitch)) / pitch + 1
    band = np.floor(y)
    x = (col + bend * map_noise(rng, shape, 0.9 * pitch)) / pitch + 1 + 0.5 * (band % 2)
    line = np.floor(x)
    band, line = np.maximum(band, 0), np.maximum(line, 0)
    n_lines = int(line.max()) + 1
    off_y, off_x = y - band, x - line
    seam = np.minimum(np.minimum(off_y, 1 - off_y), np.minimum(off_x, 1 - off_x)) * LOBULE_UM
    return (band * n_lines + line).astype(np.int32), (int(band.max()) + 1) * n_lines, seam


def draw_layout(
    rng: np.random.Generator,
    shape: tuple[int, int],
    um_per_px: float,
    *,
    diagnosis: str,
    tumor_share: float,
    n_pieces: int,
) -> Layout:
    """Lay out a slide.

    Args:
        rng: Source of randomness.
        shape: ``(rows, cols)`` of the map.
        um_per_px: Side of a map pixel in micrometres.
        diagnosis: A tumour's key, or ``normal``.
        tumor_share: Share of the solid tissue that the tumour takes, with the septa in it.
        n_pieces: Number of tissue pieces.
    """
    depth = _draw_pieces(rng, shape, n_pieces)
    tissue = depth > 0
    code = {item.key: np.uint8(item.code) for item in CLASSES}
    labels = np.where(tissue, code["normal"], code["glass"]).astype(np.uint8)
    fat_score = 0.5 * map_noise(rng, shape, 0.3 * min(shape)) - 2.2 * depth
    fat = _top_share(fat_score.astype(np.float32), tissue, _FAT_SHARE)
    width = 0.1 * map_noise(rng, shape, 450.0 / um_per_px)
    strands = np.abs(map_noise(rng, shape, 800.0 / um_per_px)) < width
    labels[tissue & strands] = code["stroma"]
    lobules, n_lobules, seam_um = _draw_lobules(rng, shape, um_per_px)
    if find_class(diagnosis).is_tumor:
        tumor = _draw_tumor(rng, depth, tissue & ~fat, tumor_share, um_per_px)
        near = ndimage.uniform_filter(tumor.astype(np.float32), max(3, round(190.0 / um_per_px)))
        capsule = tissue & (near > 0.25) & ~tumor
        labels[capsule] = code["stroma"]
        width_um = 20.0 + 14.0 * map_noise(rng, shape, 500.0 / um_per_px)
        labels[tumor] = np.where(seam_um < width_um, code["stroma"], code[diagnosis])[tumor]
    labels[fat] = code["fat"]
    thickness = 1 + 0.05 * map_noise(rng, shape, 2500.0 / um_per_px).clip(-2, 2)
    return Layout(labels, lobules, n_lobules, thickness.astype(np.float32), um_per_px)
