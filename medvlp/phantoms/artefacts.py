"""What goes wrong between the microtome and the scanner: ink, folds, lost focus and dust.

Maps share the pixels of the layout; weights run from 0 (absent) to 1; images are planes
(RGB, row, col) uint8.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from medvlp.phantoms.noise import map_noise

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

__all__ = ["Artefacts", "Dust", "add_fold", "add_ink", "draw_artefacts", "sprinkle_dust"]

_INKS = ((40, 60, 150), (25, 105, 70), (35, 35, 40), (175, 40, 60))


@dataclass(frozen=True)
class Dust:
    """A speck on the glass.

    Attributes:
        x_px0: Centre, in level-0 pixels.
        y_px0: Centre, in level-0 pixels.
        radius_px0: Radius, in level-0 pixels.
        light: Share of the light that passes.
    """

    x_px0: float
    y_px0: float
    radius_px0: float
    light: float

    def tiles(self, tile_px: int) -> Iterator[tuple[int, int]]:
        """Yield the (column, row) of every tile that the speck may touch."""
        reach = self.radius_px0 + 2
        spans = [
            range(int((centre - reach) // tile_px), int((centre + reach) // tile_px) + 1)
            for centre in (self.x_px0, self.y_px0)
        ]
        yield from product(*spans)


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
        """Return where each artefact is: 1 pen, 2 fold, 4 out of focus, ``(rows, cols)``."""
        bits = (self.pen > 0.25) * 1 + (self.fold > 0.25) * 2 + (self.blur > 0.25) * 4
        return np.asarray(bits, dtype=np.uint8)


@dataclass(frozen=True, kw_only=True)
class _Stroke:
    """A bent line on a map: start (x, y) and length and radius in map pixels."""

    start: tuple[float, float]
    heading_rad: float
    bend_rad: float
    length_px: float
    radius_px: float

    def draw(self, weight: NDArray[np.float32]) -> None:
        """Draw onto a map, in place."""
        steps = max(2, int(self.length_px))
        angle = self.heading_rad + np.linspace(-0.5, 0.5, steps) * self.bend_rad
        x = self.start[0] + np.cumsum(np.cos(angle)) * self.length_px / steps
        y = self.start[1] + np.cumsum(np.sin(angle)) * self.length_px / steps
        rows, cols = weight.shape
        reach = int(np.ceil(self.radius_px)) + 1
        for px, py in zip(x.tolist(), y.tolist(), strict=True):
            top, left = max(0, int(py) - reach), max(0, int(px) - reach)
            bottom, right = min(rows, int(py) + reach + 1), min(cols, int(px) + reach + 1)
            if top >= bottom or left >= right:
                continue
            row, col = np.ogrid[top:bottom, left:right]
            inside = np.clip(self.radius_px + 0.5 - np.hypot(row - py, col - px), 0, 1)
            box = weight[top:bottom, left:right]
            np.maximum(box, inside, out=box)


def draw_artefacts(
    rng: np.random.Generator,
    tissue: NDArray[np.bool_],
    *,
    um_per_px: float,
    px0_per_px: int,
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
    pen = _draw_pen(rng, tissue.shape, um_per_px, pen_marks)
    red, green, blue = _INKS[rng.integers(len(_INKS))]
    return Artefacts(
        pen,
        (red / 255, green / 255, blue / 255),
        _draw_folds(rng, tissue, um_per_px, folds),
        _draw_blur(rng, tissue, um_per_px, blurred_areas),
        _draw_dust(rng, tissue.shape, um_per_px, px0_per_px, dust),
    )


def _draw_pen(
    rng: np.random.Generator, shape: tuple[int, ...], um_per_px: float, count: int
) -> NDArray[np.float32]:
    rows, cols = shape
    pen, small = np.zeros((rows, cols), dtype=np.float32), float(min(rows, cols))
    for _ in range(count):
        _Stroke(
            start=(rng.uniform(0.05, 0.95) * cols, rng.uniform(0.05, 0.95) * rows),
            heading_rad=rng.uniform(0, 2 * np.pi),
            bend_rad=rng.uniform(-2, 2),
            length_px=rng.uniform(0.2, 0.45) * small,
            radius_px=min(180.0 / um_per_px, 0.025 * small),
        ).draw(pen)
    flow = 0.94 + 0.04 * map_noise(rng, (rows, cols), 350.0 / um_per_px)
    return np.asarray(ndimage.gaussian_filter(pen, 0.8) * np.clip(flow, 0.6, 1), dtype=np.float32)


def _draw_folds(
    rng: np.random.Generator, tissue: NDArray[np.bool_], um_per_px: float, count: int
) -> NDArray[np.float32]:
    fold, small = np.zeros(tissue.shape, dtype=np.float32), float(min(tissue.shape))
    inside = np.argwhere(tissue)
    for _ in range(count if len(inside) else 0):
        row, col = inside[rng.integers(len(inside))]
        _Stroke(
            start=(float(col), float(row)),
            heading_rad=rng.uniform(0, 2 * np.pi),
            bend_rad=rng.uniform(-1.2, 1.2),
            length_px=rng.uniform(0.1, 0.25) * small,
            radius_px=rng.uniform(18.0, 40.0) / um_per_px,
        ).draw(fold)
    return np.asarray(ndimage.gaussian_filter(fold, 0.6) * tissue, dtype=np.float32)


def _draw_blur(
    rng: np.random.Generator, tissue: NDArray[np.bool_], um_per_px: float, count: int
) -> NDArray[np.float32]:
    rows, cols = tissue.shape
    blur = np.zeros((rows, cols), dtype=np.float32)
    inside = np.argwhere(tissue)
    row, col = np.ogrid[0:rows, 0:cols]
    for _ in range(count if len(inside) else 0):
        row0, col0 = inside[rng.integers(len(inside))]
        radius = min(rng.uniform(350.0, 700.0) / um_per_px, 0.12 * min(rows, cols))
        away = np.hypot(row - row0, col - col0) / radius
        blur = np.maximum(blur, np.clip(2.5 * (1 - away), 0, 1).astype(np.float32))
    return blur


def _draw_dust(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    um_per_px: float,
    px0_per_px: int,
    count: int,
) -> tuple[Dust, ...]:
    px0_per_um = px0_per_px / um_per_px
    return tuple(
        Dust(
            x_px0=float(rng.uniform(0, shape[1] * px0_per_px)),
            y_px0=float(rng.uniform(0, shape[0] * px0_per_px)),
            radius_px0=float(rng.uniform(2.0, 9.0) * px0_per_um),
            light=float(rng.uniform(0.2, 0.7)),
        )
        for _ in range(count)
    )


def add_fold(
    rgb: NDArray[np.uint8], second: NDArray[np.uint8], weight: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Lay a second layer of tissue over an image, by the law of Lambert and Beer.

    Args:
        rgb: Image ``(3, H, W)``.
        second: The other layer, ``(3, H, W)``.
        weight: Where it lies, ``(H, W)``.
    """
    light = 1 - weight * (1 - second * np.float32(1 / 245))
    return np.asarray(np.clip(rgb * light, 0, 255), dtype=np.uint8)


def add_ink(
    rgb: NDArray[np.uint8], ink: tuple[float, float, float], weight: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Cover an image with ink.

    Args:
        rgb: Image ``(3, H, W)``.
        ink: What the ink lets through, (R, G, B), 0 to 1.
        weight: Where it lies, ``(H, W)``.
    """
    kept = 1 - weight * (1 - np.array(ink, dtype=np.float32)[:, None, None])
    return np.asarray(rgb * kept, dtype=np.uint8)


def sprinkle_dust(
    rgb: NDArray[np.uint8], dust: Iterable[Dust], origin_px0: tuple[int, int]
) -> NDArray[np.uint8]:
    """Put those specks onto an image that touch it.

    Args:
        rgb: Image ``(3, H, W)``.
        dust: Specks of the slide.
        origin_px0: Top left corner (x, y) of the image in level-0 pixels.
    """
    row, col = np.ogrid[0 : rgb.shape[1], 0 : rgb.shape[2]]
    for speck in dust:
        dx, dy = speck.x_px0 - origin_px0[0], speck.y_px0 - origin_px0[1]
        reach = speck.radius_px0 + 2
        if -reach < dx < rgb.shape[2] + reach and -reach < dy < rgb.shape[1] + reach:
            depth = np.clip((speck.radius_px0 - np.hypot(row - dy, col - dx)) / 3 + 0.5, 0, 1)
            rgb = (rgb * (1 - (1 - speck.light) * depth)).astype(np.uint8)
    return rgb
