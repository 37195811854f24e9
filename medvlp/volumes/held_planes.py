"""Keep the planes of a scan that were read last, for boxes that share them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medvlp.volumes.grid_source import GridSource
from medvlp.volumes.store import StoredSource
from medvlp.volumes.volume import Volume, VolumeSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from medvlp.volumes.geometry import VolumeGeometry
    from medvlp.volumes.volume import Finding

__all__ = ["HeldPlanes", "held_planes"]


def held_planes(source: VolumeSource) -> VolumeSource:
    """Return a source from which boxes of the same planes are cut without decoding them again.

    A plain file, a store in chunks and a volume in memory give any box at once and stay what they
    are.

    Args:
        source: The scan.
    """
    is_plain = isinstance(source, GridSource) and source.body.packing == "none"
    if is_plain or isinstance(source, StoredSource | Volume):
        return source
    return HeldPlanes(source)


class HeldPlanes:
    """A scan of which the whole planes of the last box stay in memory, and no others.

    Planes that the next box shares with the last are not read again, and a compressed file is
    inflated on from where the last box ended.

    Args:
        source: The scan.
    """

    def __init__(self, source: VolumeSource) -> None:
        self._source = source
        self._start = 0
        self._ahead: Iterator[NDArray[np.int16] | NDArray[np.float32]] = iter(())
        self._next = source.geometry.shape_zyx[0]
        self._planes: NDArray[np.int16] | NDArray[np.float32] = _no_planes()

    @property
    def geometry(self) -> VolumeGeometry:
        """Where the voxels lie."""
        return self._source.geometry

    @property
    def modality(self) -> str:
        """DICOM's word for the modality, or an empty string."""
        return self._source.modality

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was noticed while the header was read."""
        return self._source.findings

    def read_region(
        self, start_zyx: tuple[int, int, int], stop_zyx: tuple[int, int, int]
    ) -> NDArray[np.int16] | NDArray[np.float32]:
        """Return the values of a box; a view of what is held until the next box is read.

        Raises:
            VolumeError: What reading the scan raises.
        """
        start, stop = start_zyx[0], stop_zyx[0]
        held_stop = self._start + len(self._planes)
        if not self._start <= start <= stop <= held_stop:
            self._hold(start, stop, held_stop)
        return self._planes[
            start - self._start : stop - self._start,
            start_zyx[1] : stop_zyx[1],
            start_zyx[2] : stop_zyx[2],
        ]

    def read(self) -> Volume:
        """Return the whole volume; nothing of it is held.

        Raises:
            VolumeError: What reading the scan raises.
        """
        return self._source.read()

    def _hold(self, start: int, stop: int, held_stop: int) -> None:
        is_next = self._start <= start < held_stop
        # A copy: what is not shared is given back before more is read.
        self._planes = self._planes[start - self._start :].copy() if is_next else _no_planes()
        self._start = start
        first = held_stop if is_next else start
        more = self._read(first, stop)
        self._planes = np.concatenate([self._planes, more]) if is_next else more

    def _read(self, start: int, stop: int) -> NDArray[np.int16] | NDArray[np.float32]:
        """Read whole planes; a file that is inflated is gone on with."""
        depth, height, width = self.geometry.shape_zyx
        if not isinstance(self._source, GridSource):
            return self._source.read_region((start, 0, 0), (stop, height, width))
        if start < self._next:
            self._ahead, self._next = self._source.planes_from(start), start
        values: NDArray[np.int16] | NDArray[np.float32]
        values = np.empty((stop - start, height, width), dtype=np.int16)
        while self._next < stop:
            plane = next(self._ahead)
            if plane.dtype == np.float32 and values.dtype == np.int16:
                values = values.astype(np.float32)
            if self._next >= start:
                values[self._next - start] = plane
            self._next += 1
        if stop == depth:
            next(self._ahead, None)  # the end of the file is checked behind its last plane
        return values


def _no_planes() -> NDArray[np.int16]:
    return np.empty((0, 0, 0), dtype=np.int16)
