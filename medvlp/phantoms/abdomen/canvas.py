"""A slab of a scan that shapes are painted onto, the later over the earlier."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medvlp.phantoms.abdomen.contrast import Phase
    from medvlp.phantoms.abdomen.grid import Box, Positions, ScanGrid
    from medvlp.phantoms.abdomen.shapes import Shape

__all__ = ["Canvas"]


class Canvas:
    """Hounsfield units and labels of a slab.

    Attributes:
        grid: Where its voxels lie.
        phase: Contrast phase of the scan.
        dose: Strength of the patient's enhancement.
        soft_mm: Width of an edge: about a voxel.
        hu: Shape ``(Z, Y, X)``, float32.
        labels: Shape ``(Z, Y, X)``, uint8.
        cavity: Share of each voxel that lies inside the wall of the trunk; broadcasts to the slab.
    """

    def __init__(self, grid: ScanGrid, phase: Phase, dose: float) -> None:
        """Start with air."""
        self.grid, self.phase, self.dose = grid, phase, dose
        self.soft_mm = float(np.prod(grid.spacing_xyz_mm) ** (1 / 3))
        self.hu: NDArray[np.float32] = np.full(grid.shape_zyx, -1000.0, dtype=np.float32)
        self.labels: NDArray[np.uint8] = np.zeros(grid.shape_zyx, dtype=np.uint8)
        self.cavity: NDArray[np.float32] = np.ones((1, 1, 1), dtype=np.float32)

    @property
    def whole(self) -> Box:
        """The box that is the whole slab."""
        z, y, x = (slice(0, size) for size in self.grid.shape_zyx)
        return z, y, x

    def cover(
        self, shape: Shape, *, in_cavity: bool = False
    ) -> tuple[Box, Positions, NDArray[np.float32]] | None:
        """Return where a shape lies and how much of each voxel it fills; None outside the slab.

        Args:
            shape: What to look at.
            in_cavity: Leave out what lies in or outside the wall of the trunk.
        """
        box = self.grid.box_around(shape.centre_mm, shape.half_mm)
        if box is None:
            return None
        positions = self.grid.positions(box)
        share = shape.coverage(positions, self.soft_mm)
        if in_cavity:
            share = share * np.broadcast_to(self.cavity, self.grid.shape_zyx)[box]
        return box, positions, share

    def blend(
        self,
        box: Box,
        share: NDArray[np.float32],
        hu: float | NDArray[np.float32],
        label: int | None = None,
    ) -> None:
        """Mix a tissue into the voxels of a box.

        Args:
            box: Which voxels.
            share: How much of each it takes, 0 to 1; broadcasts to the box.
            hu: How bright it is; broadcasts to the box.
            label: Label of voxels of which it takes half or more; None leaves labels alone.
        """
        view = self.hu[box]
        if isinstance(hu, float):
            hu = np.full((1, 1, 1), hu, dtype=np.float32)
        view += (hu - view) * share
        if label is not None:
            np.copyto(self.labels[box], np.uint8(label), where=share >= 0.5)

    def paint(
        self, shape: Shape, hu: float, label: int | None = None, *, in_cavity: bool = False
    ) -> None:
        """Paint a shape in one brightness.

        Args:
            shape: What to paint.
            hu: How bright it is.
            label: See :meth:`blend`.
            in_cavity: See :meth:`cover`.
        """
        found = self.cover(shape, in_cavity=in_cavity)
        if found is not None:
            self.blend(found[0], found[2], hu, label)
