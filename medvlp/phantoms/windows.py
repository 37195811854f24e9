"""The part of a slide's maps that covers a rectangle of pixels, and its values at every pixel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Box", "Window", "open_window"]

Box = tuple[int, int, int, int]
"""``(x, y, width, height)`` in level-0 pixels."""


@dataclass(frozen=True)
class Window:
    """A rectangle and the map pixels under it, with one more on every side.

    Attributes:
        box: The rectangle.
        rows: Map rows, repeated at the map's edge, int64.
        cols: Map columns, likewise.
        px0_per_px: Side of a map pixel in level-0 pixels.
    """

    box: Box
    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    px0_per_px: int

    def cut(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the window's part of a map, ``(len(rows), len(cols))``."""
        return values[np.ix_(self.rows, self.cols)]

    def touches(self, values: NDArray[Any]) -> bool:
        """Return whether a map is anything but zero in the window."""
        part = values[self.rows[0] : self.rows[-1] + 1, self.cols[0] : self.cols[-1] + 1]
        return bool(part.any())

    def spread(self, coarse: NDArray[np.float32]) -> NDArray[np.float32]:
        """Interpolate a cut linearly between the centres of map pixels.

        Args:
            coarse: What ``cut`` returned, float32, or several of them, ``(..., rows, cols)``.

        Returns:
            One value per pixel, ``(..., height, width)``, float32.
        """
        x, y, width, height = self.box
        tall = _spread_rows(coarse, self.px0_per_px, y % self.px0_per_px, height)
        turned = tall.swapaxes(-1, -2)
        wide = _spread_rows(turned, self.px0_per_px, x % self.px0_per_px, width)
        return np.ascontiguousarray(wide.swapaxes(-1, -2))


def open_window(box: Box, shape: tuple[int, int], px0_per_px: int) -> Window:
    """Find the map pixels under a rectangle.

    Args:
        box: The rectangle; it may reach beyond the slide.
        shape: ``(rows, cols)`` of the maps.
        px0_per_px: Side of a map pixel in level-0 pixels.
    """
    x, y, width, height = box
    rows = np.arange(y // px0_per_px - 1, (y + height - 1) // px0_per_px + 2)
    cols = np.arange(x // px0_per_px - 1, (x + width - 1) // px0_per_px + 2)
    rows = np.minimum(np.maximum(rows, 0), shape[0] - 1)
    cols = np.minimum(np.maximum(cols, 0), shape[1] - 1)
    return Window(box, rows, cols, px0_per_px)


def _spread_rows(
    coarse: NDArray[np.float32], step: int, start: int, length: int
) -> NDArray[np.float32]:
    """Interpolate rows; pixel 0 of the result is ``start`` pixels into the second coarse row."""
    part = ((2 * np.arange(step) + 1) / (2 * step)).astype(np.float32)[:, None]
    low, high = coarse[..., :-1, None, :], coarse[..., 1:, None, :]
    fine = low * (1 - part) + high * part
    begin = step // 2 + start
    shape = (*coarse.shape[:-2], -1, coarse.shape[-1])
    return fine.reshape(shape)[..., begin : begin + length, :]
