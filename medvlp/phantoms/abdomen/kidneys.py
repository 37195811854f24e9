"""Paint the kidneys: cortex and pyramids, sinus and collecting system, stones, vessels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvlp.phantoms.abdomen.contrast import tissue_hu
from medvlp.phantoms.abdomen.names import LABELS
from medvlp.phantoms.abdomen.shapes import Ellipsoid, Tube, soft_step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medvlp.phantoms.abdomen.canvas import Canvas
    from medvlp.phantoms.abdomen.findings import Direction, KidneyFindings, Side
    from medvlp.phantoms.abdomen.patients import PhantomPatient
    from medvlp.phantoms.abdomen.shapes import Vector

__all__ = ["KidneyPlace", "paint_kidney", "place_kidney"]

_RADII_MM = (54.0, 29.0, 26.0)
"""Half the length, width towards the hilum, and depth of a kidney."""

_CORTEX_MM = 7.0
_WIDTHS = {"none": (1.0, 0.30, 2.5), "mild": (1.12, 0.58, 7.0), "marked": (1.32, 0.9, 12.0)}
"""Hydronephrosis -> size of the sinus, share of it that is pelvis, radius of a calyx in mm."""


@dataclass(frozen=True)
class KidneyPlace:
    """Where a kidney lies.

    Attributes:
        side: Side of the patient.
        centre_mm: Its middle.
        axes: Unit vectors to its upper pole, its hilum and its back.
        radii_mm: Its radii along them.
    """

    side: Side
    centre_mm: Vector
    axes: tuple[Vector, Vector, Vector]
    radii_mm: Vector

    def point(self, upward: float, inward: float, backward: float) -> Vector:
        """Return a position given in radii of the kidney along its axes."""
        parts = np.asarray((upward, inward, backward)) * self.radii_mm
        x, y, z = parts @ np.asarray(self.axes) + self.centre_mm
        return float(x), float(y), float(z)

    def beyond(self, direction: Direction, past_surface_mm: float) -> Vector:
        """Return the position in a direction that is so far beyond the surface, in mm."""
        way = (np.asarray(direction) * self.radii_mm) @ np.asarray(self.axes)
        length = float(np.linalg.norm(way))
        x, y, z = np.asarray(self.centre_mm) + way * (1 + past_surface_mm / length)
        return float(x), float(y), float(z)


def place_kidney(patient: PhantomPatient, side: Side) -> KidneyPlace:
    """Return where a kidney of a patient lies.

    Args:
        patient: The patient.
        side: Side of the patient.
    """
    spawn = (3, int(side == "left"))
    rng = np.random.default_rng(np.random.SeedSequence(patient.seed, spawn_key=spawn))
    sign = 1.0 if side == "left" else -1.0
    size = patient.build.kidney_scale[0 if side == "left" else 1]
    tilt_in, tilt_back = rng.uniform(0.18, 0.32), rng.uniform(0.08, 0.2)
    upward = np.asarray((-sign * tilt_in, tilt_back, 1.0))
    upward /= np.linalg.norm(upward)
    inward = np.asarray((-sign * 0.84, -rng.uniform(0.38, 0.62), 0.0))
    inward -= upward * (inward @ upward)
    inward /= np.linalg.norm(inward)
    backward = np.cross(upward, inward)
    backward *= np.sign(backward[1])
    spread = rng.uniform(-4, 4, 3)
    x, y, z = np.asarray((sign * 60, -5, -4 if side == "left" else -18)) + spread * (1, 0.6, 2)
    up, to_hilum, back = (
        (float(axis[0]), float(axis[1]), float(axis[2])) for axis in (upward, inward, backward)
    )
    length, width, depth = (float(size * radius) for radius in _RADII_MM)
    centre = (float(x), float(y), float(z))
    return KidneyPlace(side, centre, (up, to_hilum, back), (length, width, depth))


def paint_kidney(canvas: Canvas, place: KidneyPlace, findings: KidneyFindings, seed: int) -> None:
    """Paint one kidney without its lesions.

    Args:
        canvas: Where to.
        place: Where it lies.
        findings: What is found in it.
        seed: Seed of the patient.
    """
    _paint_vessels(canvas, place)
    wide, pelvis, calyx_mm = _WIDTHS[findings.hydronephrosis]
    length, width, depth = place.radii_mm
    sinus = Ellipsoid(
        place.point(0.0, 0.55, 0.0),
        (0.52 * length * wide, 0.62 * width * wide, 0.48 * depth * wide),
        place.axes,
        bumps=0.08,
        bump_mm=22,
        seed=seed,
    )
    _paint_parenchyma(canvas, place, sinus, seed)
    system = tissue_hu("collecting system", canvas.phase)
    shape = Ellipsoid(
        place.point(0.0, 0.5, 0.0),
        (
            0.52 * length * wide * pelvis,
            0.62 * width * wide * max(pelvis, 0.35),
            0.48 * depth * wide * max(pelvis, 0.3),
        ),
        place.axes,
    )
    canvas.paint(shape, system, 0)
    calyces = _calyces(place, wide)
    for cup in calyces:
        canvas.paint(Tube(place.point(0.0, 0.45, 0.0), cup, 1.6), system)
        canvas.paint(Ellipsoid(cup, (calyx_mm, calyx_mm, calyx_mm)), system, 0)
    exit_mm = place.point(-0.1, 1.15, 0.1)
    canvas.paint(Tube(place.point(0.0, 0.6, 0.0), exit_mm, 2.5 + 8 * max(pelvis - 0.3, 0)), system)
    foot = (0.62 * exit_mm[0], -22.0, -210.0)
    canvas.paint(Tube(exit_mm, foot, 2.0 + 3 * max(pelvis - 0.3, 0)), system)
    stone = tissue_hu("stone", canvas.phase)
    order = np.random.default_rng(seed).permutation(len(calyces))
    for index, size_mm in enumerate(findings.stones_mm):
        x, y, z = calyces[int(order[index % len(order)])]
        radius = size_mm / 2
        canvas.paint(Ellipsoid((x, y, z), (radius, 0.85 * radius, 1.1 * radius)), stone)


def _calyces(place: KidneyPlace, wide: float) -> list[Vector]:
    spots = [(0.52, 0.12), (0.28, -0.1), (0.0, -0.16), (-0.28, -0.1), (-0.52, 0.12)]
    return [
        place.point(up * wide, inward * wide, 0.18 * (-1) ** index)
        for index, (up, inward) in enumerate(spots)
    ]


def _paint_parenchyma(canvas: Canvas, place: KidneyPlace, sinus: Ellipsoid, seed: int) -> None:
    """Paint cortex, columns and pyramids, and the fat of the sinus."""
    found = canvas.cover(
        Ellipsoid(place.centre_mm, place.radii_mm, place.axes, bumps=0.02, bump_mm=34, seed=seed)
    )
    if found is None:
        return
    box, positions, share = found
    outline = Ellipsoid(place.centre_mm, place.radii_mm, place.axes)
    radius = np.sqrt(outline.squared_radius(positions))
    depth = (1 - radius) * np.float32(place.radii_mm[1])
    away = [axis - np.float32(c) for axis, c in zip(positions, place.centre_mm, strict=True)]
    up, inward, back = (
        sum(np.float32(axis[row]) * away[row] for row in range(3)) / np.float32(radius_mm)
        for axis, radius_mm in zip(place.axes, place.radii_mm, strict=True)
    )
    angle = np.arctan2(up, np.float32(0.45) - inward)
    columns = np.cos(np.float32(7.0) * angle) + np.cos(np.float32(5.0) * back)
    soft = canvas.soft_mm
    inner = soft_step(depth - np.float32(_CORTEX_MM), soft)
    inner = inner * soft_step((columns + np.float32(0.75)) * 5, soft)
    cortex = np.float32(tissue_hu("cortex", canvas.phase, canvas.dose))
    medulla = np.float32(tissue_hu("medulla", canvas.phase, canvas.dose))
    canvas.blend(box, share, cortex + (medulla - cortex) * inner, LABELS[f"kidney_{place.side}"])
    fat = tissue_hu("sinus fat", canvas.phase)
    hollow = canvas.cover(sinus)
    if hollow is not None:
        canvas.blend(hollow[0], hollow[2], fat)
        _unlabel_hilum(canvas, place, hollow[0], hollow[2])


def _unlabel_hilum(
    canvas: Canvas, place: KidneyPlace, box: tuple[slice, slice, slice], share: NDArray[np.float32]
) -> None:
    """Take the label off the sinus, as segmentations of the parenchyma do."""
    labels = canvas.labels[box]
    number = LABELS[f"kidney_{place.side}"]
    np.copyto(labels, np.uint8(0), where=(share >= 0.5) & (labels == number))


def _paint_vessels(canvas: Canvas, place: KidneyPlace) -> None:
    hilum = place.point(0.0, 0.55, 0.0)
    vein = tissue_hu("renal vein", canvas.phase, canvas.dose)
    artery = tissue_hu("aorta", canvas.phase, canvas.dose)
    z = hilum[2] + 8
    sign = 1.0 if place.side == "left" else -1.0
    if sign > 0:
        bend: Vector = (16.0, -60.0, z)
        canvas.paint(Tube((-15.0, -52.0, z), bend, 5.0), vein)
        canvas.paint(Tube(bend, hilum, 5.0), vein)
    else:
        canvas.paint(Tube((-20.0, -48.0, z), hilum, 5.5), vein)
    canvas.paint(Tube((9.0, -44.0, z + 4), (hilum[0], hilum[1] + 2, hilum[2] + 4), 3.0), artery)
