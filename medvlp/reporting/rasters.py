"""A slide seen whole, its tiles, and what the tiles say at each pixel of the thumbnail.

Letters: H W thumbnail rows and columns; N tiles; M unread tiles. Positions are (x, y) in
level-0 pixels (``px0``); ``px0_per_px`` is how many of them one thumbnail pixel spans.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SlideOverview", "TileLayout", "average_tiles", "count_tiles", "vote_tiles"]

T = TypeVar("T", np.int64, np.float64)


@dataclass(frozen=True, kw_only=True)
class SlideOverview:
    """A slide seen whole.

    Attributes:
        thumbnail_rgb: The slide without label and macro image, shape (H, W, 3), uint8.
        px0_per_px: Level-0 pixels per thumbnail pixel, (x, y).
        mpp_xy: Micrometres per level-0 pixel, (x, y); without it there is no scale bar.
        tissue_mask: Where tissue was found, shape (rows, cols), bool, over the whole slide;
            drawn as an outline.
        tissue_px0_per_px: Level-0 pixels per pixel of the mask, (x, y); as for the
            thumbnail when absent.
    """

    thumbnail_rgb: NDArray[np.uint8]
    px0_per_px: tuple[float, float]
    mpp_xy: tuple[float, float] | None = None
    tissue_mask: NDArray[np.bool_] | None = None
    tissue_px0_per_px: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Refuse what is not a picture or not a scale."""
        shape = self.thumbnail_rgb.shape
        if self.thumbnail_rgb.dtype != np.uint8 or len(shape) != 3 or shape[2] != 3:
            raise ValueError(
                "thumbnail_rgb must be uint8 of shape (H, W, 3), got "
                f"{self.thumbnail_rgb.dtype} of shape {shape}"
            )
        for name in ("px0_per_px", "mpp_xy", "tissue_px0_per_px"):
            pair = getattr(self, name)
            if pair is not None and not all(np.isfinite(v) and v > 0 for v in pair):
                raise ValueError(f"{name} must be two positive numbers (x, y), got {pair}")


@dataclass(frozen=True, kw_only=True)
class TileLayout:
    """Where the tiles of a slide lie.

    Attributes:
        coords_px0: Top-left corners of the tiles that were used, (x, y), shape (N, 2), int.
        tile_px0: Width and height of a tile in level-0 pixels, (x, y).
        failed_coords_px0: Top-left corners of the tiles that did not decode, (x, y), shape (M, 2).
    """

    coords_px0: NDArray[np.int64]
    tile_px0: tuple[float, float]
    failed_coords_px0: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        """Refuse corners that are not pairs and tiles without a size."""
        for name in ("coords_px0", "failed_coords_px0"):
            corners = getattr(self, name)
            if corners is not None and (corners.ndim != 2 or corners.shape[1] != 2):
                raise ValueError(f"{name} must have shape (N, 2), got {corners.shape}")
        if not all(np.isfinite(v) and v > 0 for v in self.tile_px0):
            raise ValueError(f"tile_px0 must be two positive numbers, got {self.tile_px0}")


def average_tiles(
    overview: SlideOverview, tiles: TileLayout, values: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Average the values of the tiles that cover each thumbnail pixel.

    Args:
        overview: The slide.
        tiles: Where the tiles lie.
        values: One finite value per tile, shape ``(N,)``.

    Returns:
        The mean, shape ``(H, W)``, 0 where no tile is; and how many tiles cover each pixel,
        shape ``(H, W)``.

    Raises:
        ValueError: If there is not one finite value per tile.
    """
    if values.shape != (len(tiles.coords_px0),):
        raise ValueError(f"expected {len(tiles.coords_px0)} values, got shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"values must be finite, {int((~np.isfinite(values)).sum())} are not")
    extents = _extents(overview, tiles.coords_px0, tiles.tile_px0)
    shape = overview.thumbnail_rgb.shape[:2]
    count = _sum_boxes(extents, np.ones(len(extents), dtype=np.int64), shape)
    total = _sum_boxes(extents, values.astype(np.float64), shape)
    return np.where(count > 0, total / np.maximum(count, 1), 0.0), count


def vote_tiles(
    overview: SlideOverview, tiles: TileLayout, labels: NDArray[np.integer], num_classes: int
) -> NDArray[np.int64]:
    """Find the most frequent class among the tiles that cover each thumbnail pixel.

    Args:
        overview: The slide.
        tiles: Where the tiles lie.
        labels: Class of each tile, 0 to ``num_classes - 1``, shape ``(N,)``.
        num_classes: How many classes there are.

    Returns:
        Class of each pixel, shape ``(H, W)``; -1 where no tile is; the first of equally
        frequent classes.

    Raises:
        ValueError: If there is not one valid class per tile.
    """
    if labels.shape != (len(tiles.coords_px0),):
        raise ValueError(f"expected {len(tiles.coords_px0)} labels, got shape {labels.shape}")
    if labels.size and not (labels.min() >= 0 and labels.max() < num_classes):
        raise ValueError(
            f"labels must lie in 0 to {num_classes - 1}, got {labels.min()} to {labels.max()}"
        )
    extents = _extents(overview, tiles.coords_px0, tiles.tile_px0)
    shape = overview.thumbnail_rgb.shape[:2]
    winner = np.full(shape, -1, dtype=np.int64)
    most = np.zeros(shape, dtype=np.int64)
    for label in np.unique(labels):
        mine = extents[labels == label]
        votes = _sum_boxes(mine, np.ones(len(mine), dtype=np.int64), shape)
        ahead = votes > most
        winner[ahead] = label
        most[ahead] = votes[ahead]
    return winner


def count_tiles(
    overview: SlideOverview, coords_px0: NDArray[np.int64], tile_px0: tuple[float, float]
) -> NDArray[np.int64]:
    """Count the tiles that cover each thumbnail pixel.

    Args:
        overview: The slide.
        coords_px0: Top-left corners, (x, y), shape ``(N, 2)``.
        tile_px0: Width and height of a tile in level-0 pixels.

    Returns:
        Number of tiles, shape ``(H, W)``.
    """
    extents = _extents(overview, coords_px0, tile_px0)
    return _sum_boxes(
        extents, np.ones(len(extents), dtype=np.int64), overview.thumbnail_rgb.shape[:2]
    )


def _extents(
    overview: SlideOverview, coords_px0: NDArray[np.int64], tile_px0: tuple[float, float]
) -> NDArray[np.int64]:
    """Return (x0, y0, x1, y1) of each tile on the thumbnail, at least one pixel, ends not included.

    Both edges are rounded alike, so that neighbours meet without a gap or an overlap.
    """
    scale = np.asarray(overview.px0_per_px, dtype=np.float64)
    size = np.asarray(overview.thumbnail_rgb.shape[1::-1], dtype=np.int64)
    corners = np.asarray(coords_px0, dtype=np.float64)
    first = np.floor(corners / scale + 0.5).astype(np.int64)
    last = np.floor((corners + np.asarray(tile_px0)) / scale + 0.5).astype(np.int64)
    first = np.clip(first, 0, size - 1)
    last = np.clip(last, first + 1, size)
    return np.concatenate([first, last], axis=1)


def _sum_boxes(
    extents: NDArray[np.int64], values: NDArray[T], shape: tuple[int, ...]
) -> NDArray[T]:
    """Add each value over its box, through the corners' differences and two running sums."""
    corners = np.zeros((shape[0] + 1, shape[1] + 1), dtype=values.dtype)
    x0, y0, x1, y1 = extents.T
    np.add.at(corners, (y0, x0), values)
    np.add.at(corners, (y1, x1), values)
    np.subtract.at(corners, (y0, x1), values)
    np.subtract.at(corners, (y1, x0), values)
    return corners.cumsum(axis=0).cumsum(axis=1)[:-1, :-1]
