"""Diameters of a labelled piece, exact in mm on any grid.

A piece is bounded by the faces of its voxels towards others. Its diameters are distances between
middles of such faces, half way from a voxel that belongs to it to one that does not: distances
between centres of voxels would be too short by about a voxel, those between corners too long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import ConvexHull
from scipy.spatial.distance import cdist

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medvlp.volumes.geometry import VolumeGeometry

__all__ = ["axial_diameter_mm", "border_points_mm", "extents_mm", "largest_distance_mm"]

_ROWS_AT_ONCE = 1024


def border_points_mm(chosen: NDArray[np.bool_], geometry: VolumeGeometry) -> NDArray[np.float64]:
    """Return the middles of the outermost faces of a piece along every line of voxels.

    All other faces lie between two of them, so that these span the same convex hull.

    Args:
        chosen: The piece, shape ``(Z, Y, X)``, not empty; what lies beyond the array is no part
            of it.
        geometry: Where its voxels lie.

    Returns:
        Positions ``(x, y, z)`` in LPS in mm, shape ``(N, 3)``.
    """
    return geometry.index_to_lps(_outermost_faces(chosen))


def largest_distance_mm(points: NDArray[np.float64]) -> float:
    """Return the largest distance of any two points.

    Args:
        points: Shape ``(N, D)``, in mm, D of 2 or 3; not all on one line or in one plane.
    """
    corners = points[ConvexHull(points).vertices]
    return max(
        float(cdist(corners[start : start + _ROWS_AT_ONCE], corners[start:]).max())
        for start in range(0, len(corners), _ROWS_AT_ONCE)
    )


def axial_diameter_mm(chosen: NDArray[np.bool_], geometry: VolumeGeometry) -> tuple[float, int]:
    """Return the largest diameter within any slice in mm, and the index of that slice.

    Parts that meet in other slices only are measured as one, as by a ruler laid across them.

    Args:
        chosen: The piece, shape ``(Z, Y, X)``, not empty; z of the array runs across the slices.
        geometry: Where its voxels lie.
    """
    steps = geometry.affine_lps[:3, [1, 0]]
    # coordinates within the slice in which lengths are those in the body, sheared grids included
    in_plane = np.linalg.cholesky(steps.T @ steps)
    slices = np.flatnonzero(chosen.any(axis=(1, 2)))
    found = [largest_distance_mm(_outermost_faces(chosen[z]) @ in_plane) for z in slices]
    best = int(np.argmax(found))
    return found[best], int(slices[best])


def extents_mm(points: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return how far points ``(N, 3)`` in LPS reach along x, y and z of the body, in mm."""
    x, y, z = np.ptp(points, axis=0)
    return float(x), float(y), float(z)


def _outermost_faces(chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return indices, half numbers across, of the first and last face along every line."""
    faces = []
    for axis, size in enumerate(chosen.shape):
        lines = chosen.any(axis=axis)
        first = chosen.argmax(axis=axis)[lines]
        last = size - 1 - np.flip(chosen, axis).argmax(axis=axis)[lines]
        across = np.argwhere(lines).astype(np.float64)
        faces += [np.insert(across, axis, ends, axis=1) for ends in (first - 0.5, last + 0.5)]
    return np.concatenate(faces)
