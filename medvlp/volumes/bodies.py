"""Read a box of voxels from the body of a file, plain or compressed, plane by plane."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from medvlp.errors import VolumeError
from medvlp.volumes.files import read_start

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

    from medvlp.volumes.limits import VolumeLimits

__all__ = ["Box", "VoxelBody", "check_body", "read_planes"]

_CHUNK_BYTES = 1 << 20
_SKIP_BYTES = 4 << 20
_WINDOW_BITS = {"gzip": 31, "zlib": 15}

Box = tuple[tuple[int, int, int], tuple[int, int, int]]
"""Start and stop, each ``(z, y, x)``."""


@dataclass(frozen=True)
class VoxelBody:
    """Where the voxels of a file lie and how they are stored; x runs fastest, z slowest.

    Attributes:
        path: The file.
        file_offset: First byte of the body in the file; compression starts here.
        data_offset: Bytes to skip after inflating, before the first voxel.
        dtype: Stored type with its byte order.
        shape_zyx: Number of voxels along ``(z, y, x)``.
        packing: ``none``, ``gzip`` or ``zlib``.
    """

    path: Path
    file_offset: int
    data_offset: int
    dtype: np.dtype[np.generic]
    shape_zyx: tuple[int, int, int]
    packing: Literal["none", "gzip", "zlib"]

    @property
    def plane_bytes(self) -> int:
        """Bytes of one plane of constant z."""
        return self.shape_zyx[1] * self.shape_zyx[2] * self.dtype.itemsize

    @property
    def needed_bytes(self) -> int:
        """Bytes from the start of the (inflated) body to the end of the last voxel."""
        return self.data_offset + self.plane_bytes * self.shape_zyx[0]


def check_body(body: VoxelBody, limits: VolumeLimits) -> None:
    """Refuse a body that is cut off or that grows beyond the limits, before it is read.

    A gzip file states its inflated size in its last bytes, so most files need no inflating here.

    Raises:
        VolumeError: MV2202 or MV2203.
    """
    name = body.path.name
    voxels = int(np.prod(body.shape_zyx, dtype=object))
    limits.check_volume(name, voxels, max(body.dtype.itemsize, 2))
    packed_bytes = body.path.stat().st_size - body.file_offset
    if body.packing == "none":
        if packed_bytes < body.needed_bytes:
            raise _cut_off(name, body.needed_bytes, packed_bytes)
        return
    if body.packing == "zlib" or _stated_size(body) == body.needed_bytes % 2**32:
        limits.check_inflated(name, body.needed_bytes, packed_bytes)
        return
    inflated = 0
    cap = limits.inflated_cap(packed_bytes)
    with body.path.open("rb") as stream:
        for chunk in _inflate(stream, body, _SKIP_BYTES):
            inflated += len(chunk)
            if inflated > cap:
                limits.check_inflated(name, inflated, packed_bytes)
            if inflated >= body.needed_bytes:
                return
    raise _cut_off(name, body.needed_bytes, inflated)


def read_planes(body: VoxelBody, box: Box) -> Iterator[NDArray[np.generic]]:
    """Yield the planes of a box, each of shape ``(Y, X)`` in the stored type, lowest z first.

    The arrays are views of a buffer that the next plane overwrites.

    Args:
        body: Where the voxels lie.
        box: Start and stop inside the shape.

    Raises:
        VolumeError: MV2202 if the data end early or do not inflate.
    """
    (z_start, y_start, x_start), (z_stop, y_stop, x_stop) = box
    row_bytes = body.shape_zyx[2] * body.dtype.itemsize
    reader = _read_plain if body.packing == "none" else _read_packed
    for rows in reader(body, z_start, z_stop, y_start * row_bytes, y_stop * row_bytes):
        plane = np.frombuffer(rows, dtype=body.dtype).reshape(y_stop - y_start, body.shape_zyx[2])
        yield plane[:, x_start:x_stop]


def _read_plain(
    body: VoxelBody, z_start: int, z_stop: int, low: int, high: int
) -> Iterator[bytearray]:
    """Yield the bytes ``low`` to ``high`` of each plane; only these are read from the disk."""
    buffer = bytearray(high - low)
    first = body.file_offset + body.data_offset + low
    with body.path.open("rb", buffering=0) as stream:
        for z in range(z_start, z_stop):
            stream.seek(first + z * body.plane_bytes)
            view, got = memoryview(buffer), 0
            while got < len(buffer):
                count = stream.readinto(view[got:])
                if not count:
                    raise _cut_off(body.path.name, body.needed_bytes, stream.tell())
                got += count
            yield buffer


def _read_packed(
    body: VoxelBody, z_start: int, z_stop: int, low: int, high: int
) -> Iterator[memoryview]:
    """Yield the bytes ``low`` to ``high`` of each plane, inflating from the start of the file."""
    plane_bytes = body.plane_bytes
    skip = body.data_offset + z_start * plane_bytes
    plane, filled, z = bytearray(plane_bytes), 0, z_start
    with body.path.open("rb") as stream:
        for chunk in _inflate(stream, body, _CHUNK_BYTES):
            position = min(skip, len(chunk))
            skip -= position
            while position < len(chunk) and z < z_stop:
                count = min(plane_bytes - filled, len(chunk) - position)
                plane[filled : filled + count] = memoryview(chunk)[position : position + count]
                filled, position = filled + count, position + count
                if filled == plane_bytes:
                    yield memoryview(plane)[low:high]
                    filled, z = 0, z + 1
            if z == z_stop and z_stop < body.shape_zyx[0]:
                return
    if z < z_stop:
        raise _cut_off(body.path.name, body.needed_bytes, z * plane_bytes + filled)


def _inflate(stream: BinaryIO, body: VoxelBody, chunk_bytes: int) -> Iterator[bytes]:
    """Yield inflated chunks of bounded size; several gzip members follow one another."""
    stream.seek(body.file_offset)
    inflater = zlib.decompressobj(wbits=_WINDOW_BITS[body.packing])
    packed = b""
    produced = 0
    try:
        while True:
            packed = packed or stream.read(_CHUNK_BYTES // 4)
            if not packed and not inflater.eof:
                return
            chunk = inflater.decompress(packed, chunk_bytes)
            packed = inflater.unconsumed_tail
            if chunk:
                produced += len(chunk)
                yield chunk
            if inflater.eof:
                packed = inflater.unused_data or stream.read(_CHUNK_BYTES // 4)
                if body.packing == "zlib" or not packed.startswith(b"\x1f\x8b"):
                    return
                inflater = zlib.decompressobj(wbits=_WINDOW_BITS[body.packing])
    except zlib.error as error:
        raise VolumeError(
            "MV2202",
            f"{body.path.name} does not inflate after {produced} bytes: {error}",
            hint="copy or download the file again",
        ) from error


def _stated_size(body: VoxelBody) -> int:
    size_bytes = body.path.stat().st_size
    return int.from_bytes(read_start(body.path, 4, max(size_bytes - 4, 0)), "little")


def _cut_off(name: str, needed_bytes: int, found_bytes: int) -> VolumeError:
    return VolumeError(
        "MV2202",
        f"{name} is cut off: its voxels end at byte {needed_bytes}, the data at {found_bytes}",
        hint="copy or download the file again",
    )
