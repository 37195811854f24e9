"""A scan in one file whose header has been understood: NIfTI, NRRD or MetaImage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvlp.errors import VolumeError
from medvlp.volumes.bodies import read_planes
from medvlp.volumes.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from medvlp.volumes.bodies import VoxelBody
    from medvlp.volumes.geometry import VolumeGeometry
    from medvlp.volumes.volume import Finding

__all__ = ["GridSource"]

_INT16 = np.iinfo(np.int16)
_EXACT_FLOAT32 = 2**24


@dataclass(frozen=True, eq=False)
class GridSource:
    """Voxels of one file, read box by box.

    Attributes:
        body: Where the voxels lie in the file.
        geometry: Where they lie in the body.
        slope: Factor of the one rescale from stored to real values.
        intercept: Summand of that rescale.
        modality: Empty: these formats do not tell.
        findings: What was noticed while the header was read.
    """

    body: VoxelBody
    geometry: VolumeGeometry
    slope: float = 1.0
    intercept: float = 0.0
    modality: str = ""
    findings: tuple[Finding, ...] = ()

    def read(self) -> Volume:
        """Return the whole volume.

        Raises:
            VolumeError: MV2202 if the data end early, MV2233 if a voxel is not finite, MV2235 if
                a value does not fit.
        """
        values = self.read_region((0, 0, 0), self.geometry.shape_zyx)
        return Volume(values, self.geometry, self.modality, self.findings)

    def read_region(
        self, start_zyx: tuple[int, int, int], stop_zyx: tuple[int, int, int]
    ) -> NDArray[np.int16] | NDArray[np.float32]:
        """Return the values of a box, rescaled once; see :meth:`read` for the errors."""
        if self._keeps_integers:
            return self._integers(self.read_stored(start_zyx, stop_zyx))
        shape = tuple(high - low for low, high in zip(start_zyx, stop_zyx, strict=True))
        values = np.empty(shape, dtype=np.float32)
        for z, plane in enumerate(read_planes(self.body, (start_zyx, stop_zyx))):
            values[z] = self._real(plane, (start_zyx[0] + z, start_zyx[1], start_zyx[2]))
        return values

    def read_some(self, places: Sequence[int]) -> NDArray[np.int16] | NDArray[np.float32]:
        """Return some whole planes, rescaled once; no others are kept in memory.

        A plain file is read at these planes only, a compressed one is inflated once.

        Args:
            places: Indices of planes, rising, at least one.

        Returns:
            Shape ``(len(places), Y, X)``.

        Raises:
            VolumeError: See :meth:`read`; for what was read or inflated.
        """
        if self._keeps_integers:
            stored = [plane.copy() for z, plane in self._planes_at(places) if z in places]
            return self._integers(np.stack(stored))
        real = ((z, self._real(plane, (z, 0, 0))) for z, plane in self._planes_at(places))
        return np.stack([plane for z, plane in real if z in places])

    def planes_from(self, start: int) -> Iterator[NDArray[np.int16] | NDArray[np.float32]]:
        """Yield whole planes, rescaled once, each of shape ``(Y, X)``, from one on to the last.

        An array may be a view of a buffer that the next plane overwrites.

        Args:
            start: Index of the first plane.

        Raises:
            VolumeError: See :meth:`read`.
        """
        depth, height, width = self.geometry.shape_zyx
        box = ((start, 0, 0), (depth, height, width))
        for z, plane in enumerate(read_planes(self.body, box), start):
            yield self._integers(plane) if self._keeps_integers else self._real(plane, (z, 0, 0))

    def _planes_at(self, places: Sequence[int]) -> Iterator[tuple[int, NDArray[np.generic]]]:
        """Yield the stored planes at these places; of a compressed body those before them too."""
        _, height, width = self.geometry.shape_zyx
        if self.body.packing == "none":
            for z in places:
                for plane in read_planes(self.body, ((z, 0, 0), (z + 1, height, width))):
                    yield z, plane
        else:
            box = ((0, 0, 0), (places[-1] + 1, height, width))
            yield from enumerate(read_planes(self.body, box))

    def read_stored(
        self, start_zyx: tuple[int, int, int], stop_zyx: tuple[int, int, int]
    ) -> NDArray[np.generic]:
        """Return the stored values of a box, without the rescale, in the stored type."""
        shape = tuple(high - low for low, high in zip(start_zyx, stop_zyx, strict=True))
        values = np.empty(shape, dtype=self.body.dtype.newbyteorder("="))
        for z, plane in enumerate(read_planes(self.body, (start_zyx, stop_zyx))):
            values[z] = plane
        return values

    @property
    def _is_plain(self) -> bool:
        return self.slope == 1.0 and self.intercept == 0.0

    @property
    def _keeps_integers(self) -> bool:
        stays = float(self.slope).is_integer() and float(self.intercept).is_integer()
        return self.body.dtype.kind in "iu" and stays

    def _real(self, plane: NDArray[np.generic], first: tuple[int, int, int]) -> NDArray[np.float32]:
        """Rescale a plane whose first value lies at ``first``, in a new array."""
        # Float64 in between: float32 products would differ from those of other readers.
        real = plane if self._is_plain else plane.astype(np.float64) * self.slope + self.intercept
        values = np.array(real, dtype=np.float32)
        self._check_finite(values, first)
        return values

    def _integers(self, stored: NDArray[np.generic]) -> NDArray[np.int16] | NDArray[np.float32]:
        slope, intercept = int(self.slope), int(self.intercept)
        ends = [int(stored.min()), int(stored.max())] if stored.size else [0]
        reached = [value * slope + intercept for value in ends]
        if min(reached) >= _INT16.min and max(reached) <= _INT16.max:
            if slope == 1 and intercept == 0:
                return stored.astype(np.int16, copy=False)
            return (stored.astype(np.int64) * slope + intercept).astype(np.int16)
        if max(abs(value) for value in reached) > _EXACT_FLOAT32:
            raise VolumeError(
                "MV2235",
                f"{self.body.path.name} holds values from {min(reached)} to {max(reached)}",
                expected=f"values within +-{_EXACT_FLOAT32}, which CT never leaves",
            )
        return (stored.astype(np.float64) * slope + intercept).astype(np.float32)

    def _check_finite(self, plane: NDArray[np.float32], first: tuple[int, int, int]) -> None:
        finite = np.isfinite(plane)
        if finite.all():
            return
        row, column = (int(found[0]) for found in np.nonzero(~finite))
        raise VolumeError(
            "MV2233",
            f"{self.body.path.name}: slice {first[0]} holds {int((~finite).sum())} values that are "
            f"not finite, first {plane[row, column]} at (z, y, x) = "
            f"({first[0]}, {first[1] + row}, {first[2] + column})",
            expected="finite values",
            hint="write the scan again with air (-1024) where nothing was measured",
        )
