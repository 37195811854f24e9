"""Label maps of balls and ellipsoids drawn in the body, on any grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medvlp.phantoms.abdomen.grid import grid_affine
from medvlp.volumes.geometry import VolumeGeometry
from medvlp.volumes.label_names import label_names
from medvlp.volumes.masks import LabelMap

__all__ = ["KITS", "LEFT", "RIGHT", "Drawn", "ball", "draw", "upright_grid"]

Vector = tuple[float, float, float]
Drawn = tuple[Vector, Vector, int]
"""Centre and radii of an ellipsoid along x, y, z of the body in mm, and its label."""

KITS = dict(label_names("kits"))
RIGHT: Drawn = ((-62.0, 0.0, 0.0), (24.0, 27.0, 54.0), 1)
LEFT: Drawn = ((62.0, 0.0, 6.0), (24.0, 27.0, 54.0), 1)


def ball(centre_mm: Vector, diameter_mm: float, label: int = 2) -> Drawn:
    return centre_mm, (diameter_mm / 2, diameter_mm / 2, diameter_mm / 2), label


def upright_grid(
    shape_zyx: tuple[int, int, int] = (90, 60, 130),
    spacing_mm: tuple[float, float, float] = (2.0, 2.0, 2.0),
    orientation: str = "LPS",
    tilt_deg: Vector = (0.0, 0.0, 0.0),
) -> VolumeGeometry:
    """A grid around the middle of the body; shape and spacing along z, y, x of the array."""
    affine = grid_affine(shape_zyx, spacing_mm, orientation, tilt_deg, (0.0, 0.0, 0.0))
    return VolumeGeometry.from_affine(shape_zyx, affine)


def draw(
    shapes: Sequence[Drawn],
    geometry: VolumeGeometry | None = None,
    names: dict[int, str] | None = None,
) -> LabelMap:
    """Label each voxel by the last shape that its centre lies in."""
    geometry = geometry or upright_grid()
    labels = np.zeros(geometry.shape_zyx, np.uint8)
    indices = np.indices(geometry.shape_zyx).reshape(3, -1).T
    positions = geometry.index_to_lps(indices)
    for centre, radii, label in shapes:
        inside = (((positions - centre) / radii) ** 2).sum(axis=1) <= 1
        labels.reshape(-1)[inside] = label
    return LabelMap(labels, geometry, KITS if names is None else names)
