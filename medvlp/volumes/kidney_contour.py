"""The contour that a kidney had before a tumour grew in it, as far as its parenchyma tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import ConvexHull, KDTree

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Ellipsoid", "KidneyContour", "fit_contour", "fit_ellipsoid"]

_CLEAR_MM = 4.0
"""Corners of the hull nearer to a lesion than this are no guide to the shape without it."""

_LEAST_CORNERS = 30
_LARGEST_OFF = 0.15
"""How far, in radii, corners may lie off an ellipsoid on average that still describes a kidney."""

_LARGEST_GROWTH = 2.0
"""An ellipsoid of more than so many times the volume of the hull is no kidney's."""

_POINTS_AT_ONCE = 16_384


@dataclass(frozen=True, eq=False)
class Ellipsoid:
    """The points for which ``(p - centre) @ form @ (p - centre)`` is at most 1.

    Attributes:
        centre_mm: Its middle, shape ``(3,)``.
        form: Symmetric, positive definite, shape ``(3, 3)``, in 1/mm^2.
    """

    centre_mm: NDArray[np.float64]
    form: NDArray[np.float64]

    def squared_radius(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the value of the form at points ``(N, 3)``; 1 on the surface."""
        offsets = points - self.centre_mm
        return np.asarray(((offsets @ self.form) * offsets).sum(axis=1))

    @property
    def volume_ml(self) -> float:
        """Its volume."""
        return float(4 / 3 * np.pi / np.sqrt(np.linalg.det(self.form)) / 1000.0)


@dataclass(frozen=True, eq=False)
class KidneyContour:
    """A convex hull of parenchyma and, where it has one that fits, an ellipsoid around it.

    The hull closes the sinus and spans a tumour between two poles; the ellipsoid replaces a pole,
    or the dome of the surface, that a tumour has taken.

    Attributes:
        planes: Normals and offsets of the hull's faces, shape ``(F, 4)``.
        ellipsoid: Fitted to the outer surface away from lesions, or None.
    """

    planes: NDArray[np.float64]
    ellipsoid: Ellipsoid | None

    def is_outside(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return for points ``(N, 3)`` in LPS in mm whether they lie outside of both."""
        outside = np.ones(len(points), dtype=np.bool_)
        if self.ellipsoid is not None:
            outside = self.ellipsoid.squared_radius(points) > 1
        places = np.flatnonzero(outside)
        for start in range(0, len(places), _POINTS_AT_ONCE):
            part = places[start : start + _POINTS_AT_ONCE]
            above = points[part] @ self.planes[:, :3].T + self.planes[:, 3]
            outside[part] = above.max(axis=1) > 0
        return outside


def fit_contour(
    kidney_points: NDArray[np.float64], lesion_points: NDArray[np.float64]
) -> KidneyContour:
    """Return the contour of a kidney.

    Args:
        kidney_points: Border of its parenchyma, shape ``(N, 3)``, in LPS in mm.
        lesion_points: Borders of all lesions, shape ``(M, 3)``, likewise; M may be 0.
    """
    hull = ConvexHull(kidney_points)
    corners = kidney_points[hull.vertices]
    if len(lesion_points):
        distances, _ = KDTree(lesion_points).query(corners, distance_upper_bound=_CLEAR_MM)
        corners = corners[np.isinf(distances)]
    ellipsoid = fit_ellipsoid(corners)
    if ellipsoid is not None and ellipsoid.volume_ml > _LARGEST_GROWTH * hull.volume / 1000.0:
        ellipsoid = None
    return KidneyContour(hull.equations, ellipsoid)


def fit_ellipsoid(points: NDArray[np.float64]) -> Ellipsoid | None:
    """Fit an ellipsoid to points ``(N, 3)`` in mm by least squares of its general equation.

    Returns:
        None where the points are too few, lie on another quadric, or far off the best ellipsoid.
    """
    if len(points) < _LEAST_CORNERS:
        return None
    middle, scale = points.mean(axis=0), float(points.std())
    x, y, z = ((points - middle) / scale).T
    terms = np.stack([x * x, y * y, z * z, 2 * x * y, 2 * x * z, 2 * y * z, 2 * x, 2 * y, 2 * z], 1)
    a, b, c, d, e, f, *linear = np.linalg.lstsq(terms, np.ones(len(points)))[0]
    form, slope = np.asarray([[a, d, e], [d, b, f], [e, f, c]]), np.asarray(linear)
    if np.linalg.eigvalsh(form)[0] <= 0:
        return None
    centre = -np.linalg.solve(form, slope)
    form = form / (1 + centre @ form @ centre)
    found = Ellipsoid(centre * scale + middle, form / scale**2)
    off = np.abs(np.sqrt(found.squared_radius(points)) - 1)
    return found if float(off.mean()) <= _LARGEST_OFF else None
