"""Where the pixels of a phantom X-ray lie in the body, and soft edges drawn there.

Positions are ``(x, y)`` in mm: x to the picture's right, y downwards from the tops of the lungs.
In frontal views x = 0 is the midline and x > 0 the patient's left; in the lateral view x runs from
the front to the back. Letters: H, W rows and columns of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Frame", "edge", "ellipse", "segment"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The grid of a picture in the body.

    Attributes:
        size_px: ``(H, W)``.
        spacing_mm: Side of a pixel.
        turn_rad: How far the body is turned in the picture, anticlockwise.
        centre_mm: The point of the body at the centre of the picture, ``(x, y)``.
    """

    size_px: tuple[int, int]
    spacing_mm: float
    turn_rad: float = 0.0
    centre_mm: tuple[float, float] = (0.0, 0.0)

    def grid_mm(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return x and y of every pixel, each ``(H, W)`` float32."""
        height, width = self.size_px
        rows = (np.arange(height, dtype=np.float32) - (height - 1) / 2) * self.spacing_mm
        cols = (np.arange(width, dtype=np.float32) - (width - 1) / 2) * self.spacing_mm
        cos, sin = np.float32(np.cos(self.turn_rad)), np.float32(np.sin(self.turn_rad))
        x = cols[None, :] * cos + rows[:, None] * sin + np.float32(self.centre_mm[0])
        y = rows[:, None] * cos - cols[None, :] * sin + np.float32(self.centre_mm[1])
        return x, y

    def window(self, centre_mm: tuple[float, float], reach_mm: float) -> tuple[slice, slice]:
        """Return the rows and columns of what lies within a distance of a point.

        Args:
            centre_mm: The point, ``(x, y)``.
            reach_mm: The distance.
        """
        cos, sin = float(np.cos(self.turn_rad)), float(np.sin(self.turn_rad))
        dx, dy = centre_mm[0] - self.centre_mm[0], centre_mm[1] - self.centre_mm[1]
        col = (dx * cos - dy * sin) / self.spacing_mm + (self.size_px[1] - 1) / 2
        row = (dx * sin + dy * cos) / self.spacing_mm + (self.size_px[0] - 1) / 2
        reach = reach_mm / self.spacing_mm + 1
        rows, cols = (
            slice(int(np.clip(place - reach, 0, side)), int(np.clip(place + reach + 1, 0, side)))
            for place, side in zip((row, col), self.size_px, strict=True)
        )
        return rows, cols


def edge(inside_mm: NDArray[np.float32], width_mm: float) -> NDArray[np.float32]:
    """Return 0 outside and 1 inside, with a soft step as wide as stated.

    Args:
        inside_mm: Distance from the edge, positive inside, any shape, float32.
        width_mm: Over which the step rises.
    """
    step = np.clip(inside_mm * np.float32(1 / width_mm) + np.float32(0.5), 0, 1)
    return np.asarray(step * step * (3 - 2 * step), dtype=np.float32)


def ellipse(
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    centre: tuple[float, float],
    radii: tuple[float, float],
    turn_rad: float = 0.0,
) -> NDArray[np.float32]:
    """Return about how far inside an ellipse each place is, in mm.

    Args:
        x: Positions, float32.
        y: The same shape.
        centre: Of the ellipse, in mm.
        radii: Half axes in mm.
        turn_rad: How far it is turned.
    """
    dx, dy = x - np.float32(centre[0]), y - np.float32(centre[1])
    if turn_rad:
        cos, sin = np.float32(np.cos(turn_rad)), np.float32(np.sin(turn_rad))
        dx, dy = dx * cos + dy * sin, dy * cos - dx * sin
    radius = np.hypot(dx * np.float32(1 / radii[0]), dy * np.float32(1 / radii[1]))
    return np.asarray((1 - radius) * np.float32(min(radii)), dtype=np.float32)


def segment(
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    start: tuple[float, float],
    end: tuple[float, float],
) -> NDArray[np.float32]:
    """Return the distance of each place from a stretch of a line, in mm.

    Args:
        x: Positions, float32.
        y: The same shape.
        start: One end, in mm.
        end: The other.
    """
    along = np.array(end, dtype=np.float32) - np.array(start, dtype=np.float32)
    dx, dy = x - np.float32(start[0]), y - np.float32(start[1])
    share = np.clip((dx * along[0] + dy * along[1]) / np.float32(along @ along + 1e-6), 0, 1)
    return np.asarray(np.hypot(dx - share * along[0], dy - share * along[1]), dtype=np.float32)
