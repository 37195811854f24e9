"""The normal chest from the front: lungs, heart, diaphragm, bones, vessels, soft tissue.

Densities are shares of the brightest that is displayed. Positions as in ``frame``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvlp.phantoms.chest.frame import edge, ellipse, segment

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Field = NDArray[np.float32]

__all__ = ["LUNG_LEVEL", "Build", "FrontalChest", "diaphragm_mm", "draw_build", "paint_frontal"]

LUNG_LEVEL = 0.36
"""Density of the lung, with nothing in front of it or behind."""

_TISSUE = 0.66


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """How a chest is built.

    Attributes:
        width: Half width of the rib cage in mm.
        height: Height of the right lung in mm; the left one reaches 12 mm lower.
        heart: Size of the heart; 1 is usual.
        fat_mm: Thickness of what lies outside the ribs.
        rib_gap_mm: Distance between ribs.
        rib_phase: Where the first rib lies, as a share of the gap.
        rib_slope: How steeply they fall.
        is_supine: Whether the picture was taken from the front (AP): heart wider, diaphragm and
            clavicles higher, shoulder blades over the lungs.
        seed: Of the vessels.
    """

    width: float = 134.0
    height: float = 230.0
    heart: float = 1.0
    fat_mm: float = 22.0
    rib_gap_mm: float = 24.0
    rib_phase: float = 0.0
    rib_slope: float = 0.3
    is_supine: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontalChest:
    """A painted chest.

    Attributes:
        density: Shape ``(H, W)``, float32.
        lungs: ``"left"`` and ``"right"`` -> how much of a lesion is seen at each pixel: all in the
            free lung, some of it behind the heart, ``(H, W)`` float32.
    """

    density: Field
    lungs: dict[str, Field]


def draw_build(rng: np.random.Generator, *, is_supine: bool) -> Build:
    """Draw how a patient is built.

    Args:
        rng: Source of chance.
        is_supine: Whether the picture is an AP view.
    """
    return Build(
        width=float(rng.uniform(124, 142)),
        height=float(rng.uniform(218, 244)) - 14 * is_supine,
        heart=float(rng.uniform(0.88, 1.1)) * (1.12 if is_supine else 1.0),
        fat_mm=float(rng.uniform(14, 34)),
        rib_gap_mm=float(rng.uniform(22, 27)),
        rib_phase=float(rng.uniform(0, 1)),
        rib_slope=float(rng.uniform(0.22, 0.38)),
        is_supine=is_supine,
        seed=int(rng.integers(2**31)),
    )


def diaphragm_mm(x: Field, build: Build) -> Field:
    """Return y of the diaphragm at each x; the right dome (x < 0) is higher.

    Args:
        x: Positions, float32.
        build: The patient's build.
    """
    dome = np.where(x < 0, np.float32(build.height), np.float32(build.height + 12))
    away = (np.abs(x) - np.float32(0.42 * build.width)) / np.float32(0.58 * build.width)
    fall = np.where(away > 0, 30 * away**2, 10 * away**2)
    return np.asarray(dome + fall, dtype=np.float32)


def paint_frontal(x: Field, y: Field, build: Build) -> FrontalChest:
    """Paint a chest without findings.

    Args:
        x: Positions ``(H, W)`` float32; x > 0 is the patient's left.
        y: The same shape.
        build: How the patient is built.
    """
    outline = _cage(x, y, build)
    cage = edge(outline, 5.0)
    heart = _heart(x, y, build)
    beside = np.abs(x) - np.float32(26) - 8 * np.exp(-(((y - 20) / 45) ** 2))
    dome = diaphragm_mm(x, build)
    open_lung = cage * edge(dome - y, 3.0)
    lung = open_lung * edge(beside, 7.0) * (1 - 0.94 * heart)
    density = _soft_tissue(x, y, build)
    density -= np.float32(_TISSUE - LUNG_LEVEL) * lung + np.float32(0.06) * (1 - heart) * open_lung
    density += 0.10 * heart * open_lung
    density += _abdomen(x, y, dome, build) * cage
    density += _bones(x, y, outline, build)
    density += _vessels(x, y, build) * lung
    left = (x > 0).astype(np.float32)
    clear = np.asarray(open_lung * edge(beside, 7.0) * (1 - 0.5 * heart), dtype=np.float32)
    return FrontalChest(density=density, lungs={"left": clear * left, "right": clear * (1 - left)})


def _cage(x: Field, y: Field, build: Build) -> Field:
    """Return how far inside the rib cage each place is, in mm."""
    low = np.float32(build.height - 10)
    share = np.clip((low - y) / (low + 4), 0, 1)
    half = build.width * np.sqrt(np.maximum(1 - share**3.0, 0))
    return np.asarray(np.minimum(half - np.abs(x), y + 4), dtype=np.float32)


def _heart(x: Field, y: Field, build: Build) -> Field:
    size, low = build.heart, build.height
    main = ellipse(x, y, (20.0 * size, low - 24), (58 * size, 44 * size), 0.5)
    right = ellipse(x, y, (-14.0 * size, low - 34), (28 * size, 46 * size))
    vessels = ellipse(x, y, (12.0, 98.0), (25.0, 56.0))
    return edge(np.maximum.reduce([main, right, vessels]), 7.0)


def _soft_tissue(x: Field, y: Field, build: Build) -> Field:
    side = np.abs(x)
    half = build.width + build.fat_mm
    neck = edge(np.float32(48) + np.clip(y + 20, 0, 40) * 3 - side, 10.0)
    trunk = edge(half + 0.12 * np.clip(170 - y, 0, 150) - side, 8.0)
    shoulders = edge(y + 46 - np.clip(side - 45, 0, None) * 0.27, 12.0)
    body = np.maximum(trunk * shoulders, neck * edge(np.float32(30) - y, 20.0))
    light = 1 - 0.10 * (side / half) ** 2
    return np.asarray(0.03 + (_TISSUE - 0.03) * body * light, dtype=np.float32)


def _abdomen(x: Field, y: Field, dome: Field, build: Build) -> Field:
    below = edge(y - dome, 4.0)
    bubble = ellipse(x, y, (0.42 * build.width, build.height + 34), (32.0, 15.0), 0.1)
    return np.asarray(below * (0.10 - 0.30 * edge(bubble, 4.0)), dtype=np.float32)


def _bump(share: Field, width: float) -> Field:
    """Return bumps of height 1 at every whole number, as wide as stated."""
    away = np.abs(share - np.round(share))
    return edge(np.float32(width / 2) - away, 0.10)


def _bones(x: Field, y: Field, outline: Field, build: Build) -> Field:
    side, gap = np.abs(x), build.rib_gap_mm
    reach = edge(outline + 9, 5.0) * edge(np.float32(build.height + 60) - y, 40.0)
    slope, phase = build.rib_slope, build.rib_phase
    back = np.asarray((y + 0.10 * side - slope * 0.0052 * side**2) / gap + phase, np.float32)
    front = np.asarray((y - (slope + 0.55) * side) / (1.25 * gap) + phase, np.float32)
    ribs = 0.050 * _bump(back, 0.36) * edge(side - 14, 8.0)
    ribs += 0.026 * _bump(front, 0.30) * edge(side - 48, 30.0)
    spine = edge(20 - side, 7.0) * (0.07 + 0.035 * _bump(y / np.float32(26), 0.62))
    lift = 12.0 * build.is_supine
    bones = ribs * reach + spine
    for sign in (-1.0, 1.0):
        inner, middle = (sign * 14, 32 - lift), (sign * 70, 16 - lift)
        clavicle = np.minimum(
            segment(x, y, inner, middle), segment(x, y, middle, (sign * 150, -8 - lift))
        )
        bones += 0.11 * edge(7 - clavicle, 4.0)
    out = np.float32(build.width * (0.86 if build.is_supine else 1.0))
    blade = np.minimum(side - out - 0.12 * np.clip(y - 30, 0, None), 170 - y)
    bones += 0.055 * edge(np.minimum(blade, y + 6), 6.0)
    return np.asarray(bones, dtype=np.float32)


def _vessels(x: Field, y: Field, build: Build) -> Field:
    """Return branches that leave the roots of the lungs and thin out."""
    rng = np.random.default_rng(build.seed)
    total = np.zeros_like(x)
    for sign in (-1.0, 1.0):
        dx = sign * x - np.float32(30)
        dy = y - np.float32(92 if sign > 0 else 100)
        away = np.hypot(dx, dy)
        turn = np.arctan2(dy, dx) + 0.10 * np.sin(away / 17 + rng.uniform(0, 6))
        apart = float(rng.uniform(0.36, 0.46))
        share = (turn + rng.uniform(0, apart)) / np.float32(apart)
        off = np.abs(share - np.round(share)) * np.float32(apart) * away
        branch = edge(3.2 - 0.02 * away - off, 3.0) * edge(105 - away, 60.0) * edge(dx, 12.0)
        total += 0.07 * branch + 0.10 * edge(ellipse(dx, dy, (6.0, 0.0), (15.0, 24.0)), 16.0)
    return np.asarray(total, dtype=np.float32)
