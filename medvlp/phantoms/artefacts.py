"""What goes wrong between the microtome and the scanner: ink, folds, lost focus and dust.

Maps share the pixels of the layout. Weights run from 0 (absent) to 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Artefacts", "Dust", "draw_artefacts"]

_INKS = ((40, 60, 150), (25, 105, 70), (35, 35, 40), (175, 40, 60))


@dataclass(frozen=True)
class Dust:
    """A speck on the glass: centre and radius in level-0 pixels, and how much light passes (0 to 1)."""

    x_px0: float
    y_px0: float
    radius_px0: float
    light: float


@dataclass(frozen=True)
class Artefacts:
    """All artefacts of a slide.

    Attributes:
        pen: Weight of ink, ``(rows, cols)``, float32.
        ink: What the ink lets through, (R, G, B), 0 to 1.
        fold: Weight of doubled tissue, ``(rows, cols)``, float32.
        blur: Weight of lost focus, ``(rows, cols)``, float32.
        dust: Specks.
    """

    pen: NDArray[np.float32]
    ink: tuple[float, float, float]
    fold: NDArray[np.float32]
    blur: NDArray[np.float32]
    dust: tuple[Dust, ...]

    def bits(self) -> NDArray[np.uint8]:
        """Return where each artefact is: 1 pen, 2 fold, 4 out of focus."""
        bits = (self.pen > 0.25) * 1 + (self.fold > 0.25) * 2 + (self.blur > 0.25) * 4
        return bits.astype(np.uint8)


def _draw_stroke(
    weight: NDArray[np.float32],
    start: tuple[float, float],
    heading_rad: float,
    bend_rad: float,
    length_px: float,
    radius_px: float,
) -> None:
    """Draw a bent stroke onto a map, in place; start is (x, y)."""
    steps = max(2, int(length_px))
    angle = heading_rad + np.linspace(-0.5, 0.5, steps) * bend_rad
    x = start[0] + np.cumsum(np.cos(angle)) * length_px / steps
    y = start[1] + np.cumsum(np.sin(angle)) * length_px / steps
    rows, cols = weight.shape
    reach = int(np.ceil(radius_px)) + 1
    for px, py in zip(x.tolist(), y.tolist(), strict=True):
        top, left = max(0, int(py) - reach), max(0, int(px) - reach)
        bottom, right = min(rows, int(py) + reach + 1), min(cols, int(px) + reach + 1)
        if top >= bottom or left >= right:
            continue
        row, col = np.ogrid[top:bottom, left:right]
        inside = np.clip(radius_px + 0.5 - np.hypot(row - py, col - px), 0, 1)
        box = weight[top:bottom, left:right]
        np.maximum(box, inside, out=box)


def draw_artefacts(
    rng: np.random.Generator,
    tissue: NDArray[np.bool_],
    um_per_px: float,
    px0_per_px: int,
    *,
    pen_marks: int,
    folds: int,
    blurred_areas: int,
    dust: int,
) -> Artefacts:
    """Draw the artefacts of a slide.

    Args:
        rng: Source of randomness.
        tissue: Where tissue is, ``(rows, cols)``, bool.
        um_per_px: Side of a map pixel in micrometres.
        px0_per_px: Side of a map pixel in level-0 pixels.
        pen_marks: Number of ink strokes.
        folds: Number of folds.
        blurred_areas: Number of areas out of focus.
        dust: Number of specks.
    """
    rows, cols = tissue.shape
    small = float(min(rows, cols))
    pen, fold, blur = (np.zeros(tissue.shape, dtype=np.float32) for _ in range(3))
    inside = np.argwhere(tissue)
    for _ in range(pen_marks):
        start = (rng.uniform(0.05, 0.95) * cols, rng.uniform(0.05, 0.95) * rows)
        length, width = rng.uniform(0.2, 0.45) * small, min(180.0 / um_per_px, 0.025 * small)
        _draw_stroke(pen, start, rng.uniform(0, 6.3), rng.uniform(-2, 2), length, width)
    for _ in range(folds if len(inside) else 0):
        row, col = inside[rng.integers(len(inside))]
        length, width = rng.uniform(0.1, 0.25) * small, rng.uniform(18.0, 40.0) / um_per_px
        heading, bend = rng.uniform(0, 6.3), rng.uniform(-1.2, 1.2)
        _draw_stroke(fold, (float(col), float(row)), heading, bend, length, width)
    for _ in range(blurred_areas if len(inside) else 0):
        row0, col0 = inside[rng.integers(len(inside))]
        radius = min(rng.uniform(350.0, 700.0) / um_per_px, 0.12 * small)
        row, col = np.ogrid[0:rows, 0:cols]
        away = np.hypot(row - row0, col - col0).astype(np.float32) / np.float32(radius)
        blur = np.maximum(blur, np.clip(2.5 * (1 - away), 0, 1))
    specks = tuple(
        Dust(
            float(rng.uniform(0, cols * px0_per_px)),
            float(rng.uniform(0, rows * px0_per_px)),
            float(rng.uniform(3.0, 14.0) / um_per_px * px0_per_px),
            float(rng.uniform(0.2, 0.7)),
        )
        for _ in range(dust)
    )
    red, green, blue = _INKS[rng.integers(len(_INKS))]
    return Artefacts(
        ndimage.gaussian_filter(pen, 0.8),
        (red / 255, green / 255, blue / 255),
        ndimage.gaussian_filter(fold, 0.6) * tissue,
        blur.astype(np.float32),
        specks,
    )
