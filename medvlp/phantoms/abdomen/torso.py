"""Paint the trunk: skin, fat, wall, ribs, lungs, spine, back muscles, hips, and the table."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from medvlp.phantoms.abdomen.contrast import tissue_hu
from medvlp.phantoms.abdomen.names import LABELS
from medvlp.phantoms.abdomen.shapes import Ellipsoid, Tube, ripples, soft_step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medvlp.phantoms.abdomen.canvas import Canvas
    from medvlp.phantoms.abdomen.grid import Positions
    from medvlp.phantoms.abdomen.patients import Build
    from medvlp.phantoms.abdomen.shapes import Vector

__all__ = ["VERTEBRAE", "paint_spine", "paint_table", "paint_torso"]

_CENTRE_Y = -42.0
_HALF_WIDTH, _HALF_DEPTH = 136.0, 94.0
"""Half the size of the trunk under its fat."""

_WALL_MM = 11.0
_RIB_STEP_MM = 29.0

VERTEBRAE: tuple[tuple[str, float, float], ...] = (
    ("L5", -148.0, 2.0),
    ("L4", -110.0, -6.0),
    ("L3", -73.0, -8.0),
    ("L2", -36.0, -5.0),
    ("L1", 0.0, 0.0),
    ("T12", 31.0, 2.0),
    ("T11", 59.0, 4.0),
    ("T10", 86.0, 6.0),
    ("T9", 112.0, 8.0),
)
"""Name of a vertebra, its height, and how far back it lies."""


def _depth(positions: Positions, half_width: float, half_depth: float) -> NDArray[np.float32]:
    """Return how deep below an oval surface each position lies, in mm, and less outside."""
    x = positions[0] / np.float32(half_width)
    y = (positions[1] - np.float32(_CENTRE_Y)) / np.float32(half_depth)
    x2, y2 = x * x, y * y
    radius = np.sqrt(np.sqrt(x2 * x2 + y2 * y2 + np.float32(1.25) * x2 * y2))
    size = np.float32((half_width + half_depth) / 2)
    return np.asarray((1 - radius) * size)


def paint_torso(canvas: Canvas, build: Build) -> None:
    """Paint skin, fat, the wall of the trunk with its ribs, visceral fat and lungs.

    Leaves in ``canvas.cavity`` what lies inside the wall.

    Args:
        canvas: Where to.
        build: How the patient is built.
    """
    soft = canvas.soft_mm
    positions = canvas.grid.positions(canvas.whole)
    width, depth = _HALF_WIDTH * build.scale, _HALF_DEPTH * build.scale
    wall = _depth(positions, width, depth)
    skin = _depth(positions, width + build.fat_mm, depth + 0.8 * build.fat_mm)
    furrow = np.exp(-((positions[0] / np.float32(14)) ** 2)) * (positions[1] > 0)
    skin = skin - np.float32(0.3 * build.fat_mm) * furrow
    canvas.cavity = soft_step(wall - np.float32(_WALL_MM), soft)
    layers = np.full((1, 1, 1), -1000.0, dtype=np.float32)
    for inside, tissue in (
        (skin, "skin"),
        (skin - np.float32(2.2), "fat"),
        (wall, "muscle"),
        (wall - np.float32(_WALL_MM), "visceral fat"),
    ):
        hu = np.float32(tissue_hu(tissue, canvas.phase, canvas.dose))
        layers = layers + (hu - layers) * soft_step(inside, soft)
    canvas.hu[...] = layers
    _paint_ribs(canvas, wall, positions)
    _paint_lungs(canvas)


def _paint_ribs(canvas: Canvas, wall: NDArray[np.float32], positions: Positions) -> None:
    """Paint slanting ribs inside the wall, above the kidneys' middle."""
    x, y, z = positions
    if float(z.max()) < -25:
        return
    slant = z + np.float32(0.75) * (np.float32(35.0) - y)
    across = np.abs((slant - 12.0) % np.float32(_RIB_STEP_MM) - np.float32(_RIB_STEP_MM / 2))
    floor = np.float32(10.0) + np.float32(0.35) * np.abs(y - np.float32(25.0))
    thick = np.abs(wall - np.float32(_WALL_MM / 2 - 1))
    rib = np.sqrt(np.square(across / np.float32(1.35)) + np.square(thick))
    share = soft_step(np.float32(4.4) - rib, canvas.soft_mm)
    share = share * (slant > floor) * (np.abs(x) > 28)
    front = np.clip((-y - 95) / 8, 0, 1)
    shell = tissue_hu("cortical bone", canvas.phase)
    marrow = tissue_hu("marrow", canvas.phase)
    cartilage = tissue_hu("cartilage", canvas.phase)
    bone = np.where(rib > 2.4, np.float32(shell), np.float32(marrow))
    hu = bone + (np.float32(cartilage) - bone) * front
    canvas.blend(canvas.whole, share, hu.astype(np.float32))


def _paint_lungs(canvas: Canvas) -> None:
    """Paint the bases of the lungs above the domes of the diaphragm."""
    for side, name in ((1.0, "lung_lower_lobe_left"), (-1.0, "lung_lower_lobe_right")):
        box = canvas.grid.box_around((side * 80, -25, 190), (75, 80, 150))
        if box is None:
            continue
        x, y, z = positions = canvas.grid.positions(box)
        top = 112.0 if side > 0 else 124.0
        bow = np.where(y < -30, np.float32(330), np.float32(120))
        away = (x - np.float32(side * 70)) ** 2 / np.float32(105) + (y + 30) ** 2 / bow
        edges = soft_step(x * np.float32(side) - 14, 4.0) * soft_step(y + 95, 4.0)
        cavity = np.broadcast_to(canvas.cavity, canvas.grid.shape_zyx)[box]
        dome = np.asarray((z - (np.float32(top) - away)) * 0.6, dtype=np.float32)
        share = soft_step(dome, canvas.soft_mm) * edges * cavity
        grain = np.float32(35) * ripples(positions, 24.0, 71, octaves=1)
        hu = np.float32(tissue_hu("lung", canvas.phase)) + grain
        canvas.blend(box, share, hu, LABELS[name])


def paint_table(canvas: Canvas, build: Build) -> None:
    """Paint the table that the patient lies on.

    Args:
        canvas: Where to.
        build: How the patient is built.
    """
    x, y, _ = canvas.grid.positions(canvas.whole)
    back = _CENTRE_Y + _HALF_DEPTH * build.scale + 0.8 * build.fat_mm
    depth = y - (np.float32(back + 4) - x * x / np.float32(1900))
    inside = np.minimum(np.minimum(depth, np.float32(38) - depth), 215 - np.abs(x))
    for below, tissue in ((0.0, "table shell"), (2.4, "table foam")):
        share = soft_step(inside - np.float32(below), canvas.soft_mm)
        canvas.blend(canvas.whole, share, tissue_hu(tissue, canvas.phase))


def paint_spine(canvas: Canvas, build: Build) -> None:
    """Paint vertebrae, discs, the spinal canal, back muscles, psoas and hips.

    Args:
        canvas: Where to.
        build: How the patient is built.
    """
    muscle = tissue_hu("muscle", canvas.phase, canvas.dose)
    for side, word in ((1.0, "left"), (-1.0, "right")):
        back = _CENTRE_Y + _HALF_DEPTH * build.scale - 14
        for height in np.arange(-220.0, 200.0, 60.0).tolist():
            bulk = Ellipsoid((side * 34, back, height), (33, 18, 75))
            canvas.paint(bulk, muscle, LABELS[f"autochthon_{word}"])
        top: Vector = (side * 24, -8, 20)
        middle: Vector = (side * 40, -10, -60)
        foot: Vector = (side * 58, -25, -240)
        for tube in (Tube(top, middle, 13), Tube(middle, foot, 19)):
            canvas.paint(tube, muscle, LABELS[f"iliopsoas_{word}"])
        canvas.paint(Tube((side * 66, 22, 10), (side * 78, 20, -120), 12), muscle)
        _paint_hip(canvas, side, word)
    disc = tissue_hu("disc", canvas.phase)
    canvas.paint(Tube((0, -16, -165), (0, -12, 0), 18), disc)
    canvas.paint(Tube((0, -12, 0), (0, -2, 200), 17), disc)
    for name, height, back in VERTEBRAE:
        _paint_vertebra(canvas, LABELS[f"vertebrae_{name}"], height, back, build.scale)
    canal, cord = tissue_hu("spinal canal", canvas.phase), LABELS["spinal_cord"]
    for (_, low, back), (_, high, behind) in itertools.pairwise(VERTEBRAE):
        canvas.paint(Tube((0, 14.5 + back, low), (0, 14.5 + behind, high), 8.5), canal, cord)


def _paint_vertebra(canvas: Canvas, label: int, height: float, back: float, scale: float) -> None:
    shell = tissue_hu("cortical bone", canvas.phase)
    marrow = tissue_hu("marrow", canvas.phase)
    tall = 13.5 if height < 0 else 11.5
    for start, end, radius in (
        ((-9, 9 + back, height), (-14, 24 + back, height), 6.0),
        ((9, 9 + back, height), (14, 24 + back, height), 6.0),
        ((-14, 24 + back, height), (0, 30 + back, height - 4), 4.5),
        ((14, 24 + back, height), (0, 30 + back, height - 4), 4.5),
        ((0, 30 + back, height - 4), (0, 41 + back, height - 12), 4.0),
        ((-14, 20 + back, height), (-36, 24 + back, height), 4.0),
        ((14, 20 + back, height), (36, 24 + back, height), 4.0),
    ):
        canvas.paint(Tube(start, end, radius), 0.55 * shell, label)
        canvas.paint(Tube(start, end, radius - 2.2), marrow)
    for grow, hu in ((0.0, shell * 0.8), (-1.8, marrow)):
        body = Ellipsoid(
            (0, -12 + back, height), (23 * scale + grow, 17 * scale + grow, 1.35 * tall)
        )
        found = canvas.cover(body)
        if found is None:
            continue
        box, positions, share = found
        flat = np.float32(tall + grow) - np.abs(positions[2] - np.float32(height))
        grain = np.float32(hu) + np.float32(22) * ripples(positions, 9.0, 5)
        canvas.blend(box, share * soft_step(flat, canvas.soft_mm), grain.astype(np.float32), label)


def _paint_hip(canvas: Canvas, side: float, word: str) -> None:
    """Paint the wing of a hip bone, and the sacrum's half."""
    axes: tuple[Vector, Vector, Vector] = (
        (0.85, side * 0.53, 0.0),
        (-side * 0.53, 0.85, 0.0),
        (0, 0, 1),
    )
    shell = tissue_hu("cortical bone", canvas.phase)
    marrow = tissue_hu("marrow", canvas.phase)
    for grow, hu in ((0.0, 0.8 * shell), (-2.0, marrow)):
        wing = Ellipsoid((side * 98, 2, -235), (10 + grow, 58 + grow, 80 + grow), axes)
        canvas.paint(wing, hu, LABELS[f"hip_{word}"])
        sacrum = Ellipsoid((side * 18, 32, -195), (30 + grow, 16 + grow, 38 + grow))
        canvas.paint(sacrum, 0.6 * hu, LABELS["sacrum"])
