"""Where the voxels of a phantom scan lie in the body."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Box", "Positions", "ScanGrid", "grid_affine"]

Box = tuple[slice, slice, slice]
"""Part of an array ``(z, y, x)``."""

Positions = tuple["NDArray[np.float32]", "NDArray[np.float32]", "NDArray[np.float32]"]
"""Body coordinates x, y, z of the voxels of a box; together they broadcast to its shape."""

_AXIS = {"L": 0, "R": 0, "P": 1, "A": 1, "S": 2, "I": 2}
_SENSE = {"L": 1.0, "R": -1.0, "P": 1.0, "A": -1.0, "S": 1.0, "I": -1.0}


@dataclass(frozen=True, eq=False)
class ScanGrid:
    """A grid of voxels.

    Attributes:
        shape_zyx: Number of voxels along ``(z, y, x)`` of the array.
        affine: Index ``(x, y, z, 1)`` -> body position in mm, shape ``(4, 4)``.
    """

    shape_zyx: tuple[int, int, int]
    affine: NDArray[np.float64]

    @property
    def spacing_xyz_mm(self) -> NDArray[np.float64]:
        """Distance of voxels along x, y and z of the array."""
        return np.asarray(np.linalg.norm(self.affine[:3, :3], axis=0))

    @cached_property
    def _inverse(self) -> NDArray[np.float64]:
        return np.asarray(np.linalg.inv(self.affine))

    def positions(self, box: Box) -> Positions:
        """Return body coordinates of a box, each as small as broadcasting allows."""
        parts = [np.arange(part.start, part.stop, dtype=np.float64) for part in box[::-1]]
        axes = [
            part.reshape(tuple(-1 if axis == 2 - column else 1 for axis in range(3)))
            for column, part in enumerate(parts)
        ]

        def along(row: int) -> NDArray[np.float32]:
            total = np.full((1, 1, 1), self.affine[row, 3])
            for column in range(3):
                if abs(self.affine[row, column]) > 1e-9:
                    total = total + self.affine[row, column] * axes[column]
            return total.astype(np.float32)

        return along(0), along(1), along(2)

    def box_around(self, centre_mm: Sequence[float], half_mm: Sequence[float]) -> Box | None:
        """Return the voxels that can lie within a box of the body, or None.

        Args:
            centre_mm: Its middle ``(x, y, z)``.
            half_mm: Half its size along x, y and z of the body.
        """
        middle = self._inverse[:3, :3] @ np.asarray(centre_mm) + self._inverse[:3, 3]
        reach = np.abs(self._inverse[:3, :3]) @ np.asarray(half_mm) + 1.5
        parts = []
        for axis, size in enumerate(self.shape_zyx):
            low = max(int(np.floor(middle[2 - axis] - reach[2 - axis])), 0)
            high = min(int(np.ceil(middle[2 - axis] + reach[2 - axis])) + 1, size)
            if low >= high:
                return None
            parts.append(slice(low, high))
        return parts[0], parts[1], parts[2]

    def slab(self, start: int, stop: int) -> ScanGrid:
        """Return the grid of planes ``start`` to ``stop`` along the array's z."""
        affine = self.affine.copy()
        affine[:3, 3] += start * affine[:3, 2]
        return replace(self, shape_zyx=(stop - start, *self.shape_zyx[1:]), affine=affine)


def grid_affine(
    shape_zyx: tuple[int, int, int],
    spacing_zyx_mm: tuple[float, float, float],
    orientation: str,
    tilt_deg: tuple[float, float, float],
    centre_mm: Sequence[float],
) -> NDArray[np.float64]:
    """Return the matrix of index ``(x, y, z, 1)`` to position, shape ``(4, 4)``.

    Args:
        shape_zyx: Number of voxels along ``(z, y, x)`` of the array.
        spacing_zyx_mm: Their distances.
        orientation: Sides towards which x, y and z of the array grow, such as ``LPS``.
        tilt_deg: Turns about x, y and z of the body, in this order.
        centre_mm: Position of the middle of the grid, ``(x, y, z)``.
    """
    directions = np.zeros((3, 3))
    for column, letter in enumerate(orientation):
        directions[_AXIS[letter], column] = _SENSE[letter]
    affine = np.eye(4)
    affine[:3, :3] = _rotation(tilt_deg) @ directions * np.asarray(spacing_zyx_mm[::-1])
    middle = (np.asarray(shape_zyx[::-1]) - 1) / 2.0
    affine[:3, 3] = np.asarray(centre_mm) - affine[:3, :3] @ middle
    return affine


def _rotation(tilt_deg: tuple[float, float, float]) -> NDArray[np.float64]:
    total = np.eye(3)
    for axis, degrees in enumerate(tilt_deg):
        if degrees:
            one, two = (axis + 1) % 3, (axis + 2) % 3
            turn = np.eye(3)
            cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
            turn[one, one] = turn[two, two] = cosine
            turn[one, two], turn[two, one] = -sine, sine
            total = turn @ total
    return total
