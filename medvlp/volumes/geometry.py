"""Where the voxels of a volume lie in the body.

Indices and shapes are ``(z, y, x)`` as in the array. Positions are ``(x, y, z)`` in millimetres in
the patient frame of DICOM, LPS: x grows to the patient's left, y to the back, z to the head.
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_Scalar = TypeVar("_Scalar", bound=np.generic)

__all__ = ["AxisOrder", "VolumeGeometry", "affine_ras_to_lps"]

_LETTERS = (("R", "L"), ("A", "P"), ("I", "S"))
_FLIP_XY = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class AxisOrder:
    """A change of the order and the sense of a volume's axes, without resampling.

    Attributes:
        axes: For each new axis ``(z, y, x)`` the old axis it is.
        flips: For each new axis whether it runs the other way.
    """

    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]

    def apply(self, array: NDArray[_Scalar]) -> NDArray[_Scalar]:
        """Return a view of an array of shape ``(Z, Y, X)`` in the new order."""
        return array.transpose(self.axes)[
            tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)
        ]

    def source_box(
        self,
        start_zyx: tuple[int, int, int],
        stop_zyx: tuple[int, int, int],
        source_shape_zyx: tuple[int, int, int],
    ) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
        """Return start and stop, in the old order, of a box given in the new order."""
        start, stop = [0, 0, 0], [0, 0, 0]
        for new, old in enumerate(self.axes):
            low, high = start_zyx[new], stop_zyx[new]
            if self.flips[new]:
                low, high = source_shape_zyx[old] - high, source_shape_zyx[old] - low
            start[old], stop[old] = low, high
        return (start[0], start[1], start[2]), (stop[0], stop[1], stop[2])


@dataclass(frozen=True, eq=False)
class VolumeGeometry:
    """Shape, spacing, direction and origin of a grid of voxels.

    Attributes:
        shape_zyx: Number of voxels along ``(z, y, x)``.
        spacing_zyx_mm: Distance of voxel centres along ``(z, y, x)``, in mm, above 0.
        direction: Float64, shape ``(3, 3)``: column 0, 1, 2 is the unit vector, in LPS, of a step
            along x, y, z of the array; the convention of ITK.
        origin_lps_mm: Centre of voxel ``(0, 0, 0)``, as ``(x, y, z)`` in LPS, in mm.
    """

    shape_zyx: tuple[int, int, int]
    spacing_zyx_mm: tuple[float, float, float]
    direction: NDArray[np.float64]
    origin_lps_mm: tuple[float, float, float]

    @classmethod
    def from_affine(cls, shape_zyx: tuple[int, int, int], affine: ArrayLike) -> VolumeGeometry:
        """Build the geometry from a matrix of ``(x, y, z)`` index to LPS position.

        Args:
            shape_zyx: Number of voxels along ``(z, y, x)``.
            affine: Float, shape ``(4, 4)``, in mm; columns of length above 0.
        """
        matrix = np.asarray(affine, dtype=np.float64)
        spacing = np.linalg.norm(matrix[:3, :3], axis=0)
        x_mm, y_mm, z_mm = (float(value) for value in spacing)
        origin = (float(matrix[0, 3]), float(matrix[1, 3]), float(matrix[2, 3]))
        return cls(shape_zyx, (z_mm, y_mm, x_mm), matrix[:3, :3] / spacing, origin)

    @cached_property
    def affine_lps(self) -> NDArray[np.float64]:
        """Matrix, shape ``(4, 4)``, of ``(x, y, z, 1)`` index to LPS position in mm."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.direction * np.asarray(self.spacing_zyx_mm[::-1])
        matrix[:3, 3] = self.origin_lps_mm
        return matrix

    @cached_property
    def geometry_sha256(self) -> str:
        """Hash of shape (exact), spacing and direction (1e-5) and origin (1e-3 mm)."""
        parts = [np.asarray(self.shape_zyx, dtype=np.int64)]
        for values, digits in (
            (self.spacing_zyx_mm, 5),
            (self.direction, 5),
            (self.origin_lps_mm, 3),
        ):
            scaled = np.asarray(values, dtype=np.float64) * 10.0**digits
            parts.append(np.rint(scaled).astype(np.int64).ravel())
        return hashlib.sha256(np.concatenate(parts).astype("<i8").tobytes()).hexdigest()

    @property
    def axis_codes(self) -> str:
        """Three letters: the side of the body towards which x, y and z of the array grow."""
        rows = self._body_axes
        letters = [
            _LETTERS[row][int(self.direction[row, column] > 0)] for column, row in enumerate(rows)
        ]
        return "".join(letters)

    @cached_property
    def _body_axes(self) -> tuple[int, int, int]:
        """For x, y, z of the array the nearest axis of the body, each used once."""
        strength = np.abs(self.direction)
        best = max(
            itertools.permutations(range(3)),
            key=lambda rows: float(sum(strength[row, column] for column, row in enumerate(rows))),
        )
        return (best[0], best[1], best[2])

    @property
    def obliqueness(self) -> float:
        """Largest component of a direction that is off its nearest body axis; 0 if aligned."""
        off = np.abs(self.direction).copy()
        for column, row in enumerate(self._body_axes):
            off[row, column] = 0.0
        return float(off.max())

    def index_to_lps(self, points_zyx: ArrayLike) -> NDArray[np.float64]:
        """Return positions ``(N, 3)`` as ``(x, y, z)`` in LPS, in mm, of indices ``(N, 3)``."""
        points = np.atleast_2d(np.asarray(points_zyx, dtype=np.float64))[:, ::-1]
        return points @ self.affine_lps[:3, :3].T + self.affine_lps[:3, 3]

    def lps_to_index(self, positions_mm: ArrayLike) -> NDArray[np.float64]:
        """Return fractional indices ``(N, 3)`` as ``(z, y, x)`` of LPS positions ``(N, 3)``."""
        offsets = np.atleast_2d(np.asarray(positions_mm, dtype=np.float64))
        offsets = offsets - self.affine_lps[:3, 3]
        inverse = np.linalg.inv(self.affine_lps[:3, :3])
        return np.asarray((offsets @ inverse.T)[:, ::-1], dtype=np.float64)

    def corners_lps_mm(self) -> NDArray[np.float64]:
        """Return the centres of the eight corner voxels, shape ``(8, 3)``, ``(x, y, z)`` in LPS."""
        return self.index_to_lps(
            list(itertools.product(*((0, size - 1) for size in self.shape_zyx)))
        )

    def axis_order(self, codes: str) -> AxisOrder:
        """Return how the array's axes must be reordered so that they run as ``codes`` says.

        Args:
            codes: Three letters as in :attr:`axis_codes`, such as ``LPS`` or ``RAS``.

        Raises:
            ValueError: If ``codes`` does not name each axis of the body once.
        """
        wanted = _parse_codes(codes)
        axes, flips = [0, 0, 0], [False, False, False]
        for column, (row, grows) in enumerate(wanted):
            source = self._body_axes.index(row)
            axes[2 - column] = 2 - source
            flips[2 - column] = bool((self.direction[row, source] > 0) != grows)
        return AxisOrder((axes[0], axes[1], axes[2]), (flips[0], flips[1], flips[2]))

    def reordered(self, order: AxisOrder) -> VolumeGeometry:
        """Return the geometry of the same voxels after a change of axes."""
        columns = self.direction[:, ::-1]
        first = [
            self.shape_zyx[old] - 1 if flip else 0
            for old, flip in zip(order.axes, order.flips, strict=True)
        ]
        corner = [0, 0, 0]
        for old, index in zip(order.axes, first, strict=True):
            corner[old] = index
        x_mm, y_mm, z_mm = self.index_to_lps([corner])[0]
        signs = np.where(order.flips, -1.0, 1.0)
        direction = (columns[:, order.axes] * signs)[:, ::-1]
        shape = tuple(self.shape_zyx[old] for old in order.axes)
        spacing = tuple(self.spacing_zyx_mm[old] for old in order.axes)
        return VolumeGeometry(
            (shape[0], shape[1], shape[2]),
            (spacing[0], spacing[1], spacing[2]),
            np.ascontiguousarray(direction),
            (float(x_mm), float(y_mm), float(z_mm)),
        )

    def difference(self, other: VolumeGeometry, tolerance_mm: float = 0.1) -> str:
        """Say in words where another geometry differs; an empty string where it does not.

        Args:
            other: The geometry to compare with.
            tolerance_mm: Largest distance of any two corner voxels that still counts as equal.
        """
        if self.shape_zyx != other.shape_zyx:
            return f"shape {other.shape_zyx} instead of {self.shape_zyx} (z, y, x)"
        distance = np.linalg.norm(self.corners_lps_mm() - other.corners_lps_mm(), axis=1)
        if float(distance.max()) <= tolerance_mm:
            return ""
        return f"its corners lie up to {float(distance.max()):.3f} mm away"


def affine_ras_to_lps(affine: ArrayLike) -> NDArray[np.float64]:
    """Return a matrix of index to RAS position (NIfTI) as one of index to LPS position (DICOM)."""
    return _FLIP_XY @ np.asarray(affine, dtype=np.float64)


def _parse_codes(codes: str) -> list[tuple[int, bool]]:
    found = [
        (row, letter == pair[1])
        for letter in codes
        for row, pair in enumerate(_LETTERS)
        if letter in pair
    ]
    if len(codes) != 3 or sorted(row for row, _ in found) != [0, 1, 2]:
        raise ValueError(f"orientation {codes!r} must name R/L, A/P and I/S once each, as 'LPS'")
    return found
