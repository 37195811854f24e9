"""The normal chest from the side: front to the picture's left, spine to its right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medvlp.phantoms.chest.frame import edge, ellipse
from medvlp.phantoms.chest.frontal import LUNG_LEVEL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medvlp.phantoms.chest.frontal import Build

    Field = NDArray[np.float32]

__all__ = ["lateral_dome_mm", "paint_lateral"]

_TISSUE = 0.66


def lateral_dome_mm(x: Field, build: Build) -> Field:
    """Return y of the higher dome of the diaphragm at each x; it falls off to the back.

    Args:
        x: Positions, float32.
        build: The patient's build.
    """
    away = (x + 25) / np.float32(70)
    return np.asarray(build.height + np.where(away > 0, 26, 9) * away**2, dtype=np.float32)


def paint_lateral(x: Field, y: Field, build: Build) -> tuple[Field, Field]:
    """Paint a chest without findings from the side.

    Args:
        x: Positions ``(H, W)`` float32, from the front to the back.
        y: The same shape.
        build: How the patient is built.

    Returns:
        Density, and the share of each pixel that is lung, both ``(H, W)`` float32.
    """
    low, deep = build.height, 0.74 * build.width
    share = np.clip((low - y) / np.float32(low + 6), 0, 1)
    half = deep * np.sqrt(np.maximum(1 - share**2.2, 0))
    inside = np.minimum(half - np.abs(x - 6 * share), y + 4)
    dome = lateral_dome_mm(x, build)
    cage, above = edge(inside, 5.0), edge(dome - y, 4.0)
    size = build.heart
    heart = edge(ellipse(x, y, (-0.48 * deep, low - 26), (48 * size, 56 * size), 0.6), 9.0)
    arch = edge(14 - np.abs(np.hypot(x - 10, y - 78) - 26), 12.0) * edge(90 - y, 20.0)
    lung = cage * above * (1 - 0.9 * heart)
    outer = deep + build.fat_mm + 6
    body = edge(outer - np.abs(x) + 0.05 * np.clip(y - 60, 0, None), 8.0) * edge(y + 50, 14.0)
    density = np.float32(0.03) + np.float32(_TISSUE - 0.03) * body
    density -= np.float32(_TISSUE - LUNG_LEVEL) * lung
    density += 0.07 * arch * lung + 0.10 * (1 - above) * cage
    density += _bones(x, y, inside, build, deep)
    arms = edge(22 - np.abs(x + 18), 14.0) * edge(22 - y, 26.0)
    density += 0.12 * arms
    hilum = edge(ellipse(x, y, (2.0, 100.0), (18.0, 26.0)), 18.0)
    density += 0.09 * hilum * lung
    return np.asarray(density, dtype=np.float32), np.asarray(lung, dtype=np.float32)


def _bones(x: Field, y: Field, inside: Field, build: Build, deep: float) -> Field:
    steps = np.asarray(y / 27 - np.round(y / 27), np.float32)
    body = edge(np.asarray(0.33 - np.abs(steps), np.float32), 0.1)
    spine = edge(15 - np.abs(x - 0.86 * deep), 5.0) * (0.10 + 0.09 * body)
    sternum = edge(5 - np.abs(x + deep + 4), 4.0) * edge(np.float32(150) - y, 20.0) * 0.12
    share = np.asarray((y - 0.5 * (x + deep)) / (1.15 * build.rib_gap_mm), np.float32)
    ribs = (
        edge(np.asarray(0.15 - np.abs(share - np.round(share)), np.float32), 0.1)
        * edge(inside + 6, 5.0)
        * 0.035
    )
    return np.asarray(spine + sternum + ribs, dtype=np.float32)
