"""Paint cysts and masses of a kidney."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medvlp.phantoms.abdomen.contrast import tissue_hu
from medvlp.phantoms.abdomen.names import LABELS
from medvlp.phantoms.abdomen.shapes import Ellipsoid, ripples, soft_step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from medvlp.phantoms.abdomen.canvas import Canvas
    from medvlp.phantoms.abdomen.findings import Mass, SimpleCyst
    from medvlp.phantoms.abdomen.grid import Positions
    from medvlp.phantoms.abdomen.kidneys import KidneyPlace

__all__ = ["lesion_shape", "paint_cyst", "paint_mass", "paint_surrounding_fat"]

_FAT_MM = 5.0

_DEAD = {"none": 0.0, "partial": 0.55, "extensive": 0.82}
"""Necrosis -> radius of the dead core as a share of the mass."""

_SEPTA = {"thin": (1.1, 1.2), "thick": (2.6, 3.2)}
"""Septa -> thickness of the wall and half that of a septum, in mm."""


def lesion_shape(
    place: KidneyPlace, lesion: Mass | SimpleCyst, *, bumps: float = 0.0, seed: int = 0
) -> Ellipsoid:
    """Return the outline of a lesion: as much of its diameter outside the kidney as it says.

    Args:
        place: Where the kidney lies.
        lesion: The lesion.
        bumps: How irregular its outline is.
        seed: Seed of the outline.
    """
    radius = lesion.size_mm / 2
    past = radius * (2 * lesion.exophytic - 1)
    centre = place.beyond(lesion.direction, past)
    return Ellipsoid(
        centre, (radius, radius, radius), bumps=bumps, bump_mm=max(1.5 * radius, 13.0), seed=seed
    )


def paint_surrounding_fat(
    canvas: Canvas, place: KidneyPlace, lesions: Sequence[Mass | SimpleCyst]
) -> None:
    """Paint the fat that holds a kidney and its lesions apart from other organs.

    Args:
        canvas: Where to.
        place: Where the kidney lies.
        lesions: What makes it larger.
    """
    fat = tissue_hu("visceral fat", canvas.phase)
    length, width, depth = (radius + _FAT_MM for radius in place.radii_mm)
    kidney = Ellipsoid(place.centre_mm, (length, width, depth), place.axes)
    canvas.paint(kidney, fat, 0, in_cavity=True)
    for lesion in lesions:
        shape = lesion_shape(place, lesion)
        radius = lesion.size_mm / 2 + 0.6 * _FAT_MM
        around = Ellipsoid(shape.centre_mm, (radius, radius, radius))
        canvas.paint(around, fat, 0, in_cavity=True)


def paint_cyst(canvas: Canvas, place: KidneyPlace, cyst: SimpleCyst) -> None:
    """Paint a simple cyst.

    Args:
        canvas: Where to.
        place: Where the kidney lies.
        cyst: The cyst.
    """
    hu = tissue_hu("simple cyst", canvas.phase)
    label = LABELS[f"kidney_cyst_{place.side}"]
    canvas.paint(lesion_shape(place, cyst), hu, label, in_cavity=True)


def paint_mass(canvas: Canvas, place: KidneyPlace, mass: Mass) -> None:
    """Paint the main lesion of a kidney.

    Args:
        canvas: Where to.
        place: Where the kidney lies.
        mass: The lesion.
    """
    bumps = 0.2 if mass.margin == "irregular" else 0.02
    shape = lesion_shape(place, mass, bumps=bumps, seed=mass.seed)
    found = canvas.cover(shape, in_cavity=True)
    if found is None:
        return
    box, positions, share = found
    paint = _solid if mass.kind == "solid" else _septated
    hu = paint(canvas, shape, mass, positions)
    canvas.blend(box, share, hu, LABELS[f"kidney_tumor_{place.side}"])


def _solid(
    canvas: Canvas, shape: Ellipsoid, mass: Mass, positions: Positions
) -> NDArray[np.float32]:
    """Return a solid mass: enhancing, with a dead core and fat where it has them."""
    alive = tissue_hu(f"{mass.enhancement} tumor", canvas.phase, canvas.dose)
    contrast = max(alive - 36.0, 0.0)
    grain = ripples(positions, max(0.35 * mass.size_mm, 6.0), mass.seed + 1)
    hu = np.float32(alive) + np.float32(4 + 0.09 * contrast) * grain
    core = _DEAD[mass.necrosis]
    if core:
        ragged = ripples(positions, max(0.45 * mass.size_mm, 8.0), mass.seed + 2)
        radius = np.sqrt(shape.squared_radius(positions))
        depth = (np.float32(core) + np.float32(0.13) * ragged - radius) * np.float32(
            mass.size_mm / 2
        )
        dead = np.float32(tissue_hu("necrosis", canvas.phase))
        hu = hu + (dead - hu) * soft_step(depth, max(canvas.soft_mm, 3.0))
    if mass.has_fat:
        patches = ripples(positions, max(0.55 * mass.size_mm, 10.0), mass.seed + 3, octaves=2)
        fat = np.float32(tissue_hu("tumor fat", canvas.phase))
        hu = hu + (fat - hu) * np.clip(patches * 2 + 1, 0, 1)
    return hu.astype(np.float32)


def _septated(
    canvas: Canvas, shape: Ellipsoid, mass: Mass, positions: Positions
) -> NDArray[np.float32]:
    """Return a complex cyst: fluid, a wall, and walls inside."""
    wall_mm, half_mm = _SEPTA[mass.septa]
    bright = np.float32(tissue_hu("cyst wall", canvas.phase, canvas.dose))
    fluid = np.float32(tissue_hu("complex fluid", canvas.phase))
    radius = np.sqrt(shape.squared_radius(positions))
    depth = (1 - radius) * np.float32(mass.size_mm / 2)
    solid = 1 - soft_step(depth - np.float32(wall_mm), canvas.soft_mm)
    rng = np.random.default_rng(mass.seed)
    for _ in range(4 if mass.septa == "thick" else 2):
        normal = rng.normal(size=3)
        normal /= np.linalg.norm(normal)
        offset = float(rng.uniform(-0.2, 0.2)) * mass.size_mm
        away: NDArray[np.float32] = np.full((1, 1, 1), -offset, dtype=np.float32)
        for axis in range(3):
            step = positions[axis] - np.float32(shape.centre_mm[axis])
            away = away + np.float32(normal[axis]) * step
        solid = np.maximum(solid, soft_step(np.float32(half_mm) - np.abs(away), canvas.soft_mm))
    return np.asarray(fluid + (bright - fluid) * solid, dtype=np.float32)
