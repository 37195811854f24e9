"""Outlines and textures of lesions.

An outline is a signed distance in mm, positive inside; a texture multiplies the density. Both are
drawn around the middle of the lesion, on positions in mm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medvlp.phantoms.chest.frame import edge, segment
from medvlp.phantoms.noise import map_noise

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from medvlp.phantoms.chest.traits import Shape, Texture

    Field = NDArray[np.float32]

__all__ = ["outline", "texture"]


def _round(rng: np.random.Generator, x: Field, y: Field, size_mm: float, turn: float) -> Field:
    stretch = np.float32(rng.uniform(0.94, 1.0))
    return np.asarray(size_mm / 2 - np.hypot(x, y / stretch), dtype=np.float32)


def _ring(rng: np.random.Generator, x: Field, y: Field, size_mm: float, turn: float) -> Field:
    wall = max(0.2 * size_mm, 7.0)
    away = np.hypot(x, y) - np.float32((size_mm - wall) / 2)
    return np.asarray(wall / 2 - np.abs(away), dtype=np.float32)


def _band(rng: np.random.Generator, x: Field, y: Field, size_mm: float, turn: float) -> Field:
    tilt = float(rng.uniform(-0.35, 0.35))
    cos, sin = float(np.cos(tilt)), float(np.sin(tilt))
    half, long = max(0.11 * size_mm, 6.0), size_mm / 2
    across = y * cos - x * sin + float(rng.uniform(-0.1, 0.1)) * (x / long) ** 2 * long
    along = np.abs(x * cos + y * sin)
    return np.asarray(np.minimum(half - np.abs(across), long - along), dtype=np.float32)


def _patch(rng: np.random.Generator, x: Field, y: Field, size_mm: float, turn: float) -> Field:
    angle, away = np.arctan2(y, x), np.hypot(x, y)
    reach = np.ones_like(x)
    for waves, height in ((2, 0.22), (3, 0.2), (5, 0.13), (7, 0.08)):
        reach += height * np.sin(waves * angle + np.float32(rng.uniform(0, 6.28)))
    return np.asarray(size_mm / 2.6 * reach - away, dtype=np.float32)


def _wedge(rng: np.random.Generator, x: Field, y: Field, size_mm: float, turn: float) -> Field:
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    along, across = x * cos + y * sin, np.abs(y * cos - x * sin)
    from_tip = np.float32(0.62 * size_mm) - along
    side = (from_tip * 0.52 - across) * np.float32(0.887)
    return np.asarray(np.minimum(side, along + 0.38 * size_mm), dtype=np.float32)


def _streaks(rng: np.random.Generator, x: Field, y: Field, size_mm: float, turn: float) -> Field:
    half, nearest = 0.5 * size_mm, np.full_like(x, np.inf)
    start = (half * float(np.cos(turn)), half * float(np.sin(turn)))
    for fan in np.linspace(-0.62, 0.62, 5) + rng.uniform(-0.05, 0.05, 5):
        way = turn + np.pi + float(fan)
        length = size_mm * float(rng.uniform(0.85, 1.0))
        end = (start[0] + length * float(np.cos(way)), start[1] + length * float(np.sin(way)))
        nearest = np.minimum(nearest, segment(x, y, start, end))
    return np.asarray(2.6 - nearest, dtype=np.float32)


_OUTLINES: dict[str, Callable[[np.random.Generator, Field, Field, float, float], Field]] = {
    "round": _round,
    "ring": _ring,
    "band": _band,
    "patch": _patch,
    "wedge": _wedge,
    "streaks": _streaks,
}


def outline(
    rng: np.random.Generator, shape: Shape, x: Field, y: Field, *, size_mm: float, turn: float
) -> Field:
    """Return how far inside the outline each place is, in mm.

    Args:
        rng: Source of chance.
        shape: Kind of outline.
        x: Positions from the middle of the lesion, ``(H, W)`` float32.
        y: The same shape.
        size_mm: Largest length, about.
        turn: Where the tip of a wedge or of a fan of streaks points, in radians from x to y.
    """
    return _OUTLINES[shape](rng, x, y, size_mm, turn)


def texture(
    rng: np.random.Generator, kind: Texture, x: Field, y: Field, spacing_mm: float
) -> Field:
    """Return the factor of the density at each place, 0.4 to 1.6.

    Args:
        rng: Source of chance.
        kind: Kind of texture.
        x: Positions, ``(H, W)`` float32.
        y: The same shape.
        spacing_mm: Side of a pixel.
    """
    if kind == "uniform":
        return np.ones_like(x)
    if kind == "striped":
        turn = float(rng.uniform(0.9, 2.2))
        phase = (x * np.cos(turn) + y * np.sin(turn)) / 12.0 + rng.uniform(0, 1)
        return np.asarray(0.42 + 0.95 * edge(np.sin(6.2832 * phase), 1.2), dtype=np.float32)
    if kind == "speckled":
        dots = map_noise(rng, (x.shape[0], x.shape[1]), 8.5 / spacing_mm)
        return np.asarray(0.5 + 1.0 * edge(dots - 0.4, 0.8), dtype=np.float32)
    blots = map_noise(rng, (x.shape[0], x.shape[1]), 25.0 / spacing_mm)
    return np.asarray(np.clip(0.9 + 0.5 * blots, 0.5, 1.6), dtype=np.float32)
