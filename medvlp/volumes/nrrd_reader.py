"""Open an NRRD file (``.nrrd``, ``.nhdr`` with its data beside), raw or gzip."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from medvlp.errors import VolumeError
from medvlp.volumes.bodies import VoxelBody, check_body
from medvlp.volumes.grid_checks import checked_geometry, checked_shape
from medvlp.volumes.grid_source import GridSource
from medvlp.volumes.limits import VolumeLimits
from medvlp.volumes.text_headers import TextHeader, companion_file, damaged_header, floats

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["open_nrrd"]

_DEFAULT_LIMITS = VolumeLimits()
_TYPES = {
    "i1": "signed char,int8,int8_t",
    "u1": "uchar,unsigned char,uint8,uint8_t",
    "i2": "short,short int,signed short,signed short int,int16,int16_t",
    "u2": "ushort,unsigned short,unsigned short int,uint16,uint16_t",
    "i4": "int,signed int,int32,int32_t",
    "u4": "uint,unsigned int,uint32,uint32_t",
    "i8": "longlong,long long,long long int,signed long long,int64,int64_t",
    "u8": "ulonglong,unsigned long long,unsigned long long int,uint64,uint64_t",
    "f4": "float",
    "f8": "double",
}
_CODES = {name: code for code, names in _TYPES.items() for name in names.split(",")}
_SPACES = {
    "left-posterior-superior": (1.0, 1.0, 1.0),
    "lps": (1.0, 1.0, 1.0),
    "right-anterior-superior": (-1.0, -1.0, 1.0),
    "ras": (-1.0, -1.0, 1.0),
    "left-anterior-superior": (1.0, -1.0, 1.0),
    "las": (1.0, -1.0, 1.0),
}
"""Name of a patient space -> signs that turn its axes into LPS."""

_PACKINGS: dict[str, Literal["none", "gzip"]] = {"raw": "none", "gzip": "gzip", "gz": "gzip"}


def open_nrrd(path: Path, *, limits: VolumeLimits = _DEFAULT_LIMITS) -> GridSource:
    """Open an NRRD volume of scalars in a named patient space.

    Args:
        path: The file.
        limits: Caps of size.

    Raises:
        VolumeError: MV2200 to MV2204, MV2214, MV2218, MV2219, MV2230, MV2231, MV2234, MV2235.
    """
    header = TextHeader.read(path, ":", "")
    dimension = header.integers("dimension", 1)[0]
    if not 1 <= dimension <= 16:
        raise damaged_header(path, f"it states {dimension} dimensions")
    shape_zyx = checked_shape(path.name, header.integers("sizes", dimension))
    if dimension != 3:
        raise VolumeError("MV2230", f"{path.name} has {dimension} dimensions", expected="three")
    geometry = checked_geometry(path.name, shape_zyx, _affine_lps(header))
    packing = _PACKINGS.get(header.need("encoding").lower())
    if packing is None:
        raise VolumeError(
            "MV2235",
            f"{path.name} is encoded as {header.need('encoding')!r}",
            expected="raw or gzip",
            hint="write it again with gzip",
        )
    if any(header.fields.get(name, "0") != "0" for name in _skips()):
        raise VolumeError("MV2235", f"{path.name} skips lines or bytes before its voxels")
    data_path, offset = path, header.body_offset
    detached = header.fields.get("data file", header.fields.get("datafile"))
    if detached is not None:
        data_path, offset = companion_file(path, detached), 0
    body = VoxelBody(data_path, offset, 0, _stored_type(header), shape_zyx, packing)
    check_body(body, limits)
    return GridSource(body, geometry)


def _skips() -> tuple[str, ...]:
    return ("line skip", "lineskip", "byte skip", "byteskip")


def _stored_type(header: TextHeader) -> np.dtype[np.generic]:
    code = _CODES.get(header.need("type").lower())
    if code is None:
        raise VolumeError(
            "MV2235",
            f"{header.path.name} stores {header.need('type')!r}",
            expected="integers or real numbers",
        )
    if code.endswith("1"):
        return np.dtype(code)
    order = {"little": "<", "big": ">"}.get(header.need("endian").lower())
    if order is None:
        raise damaged_header(header.path, "its byte order is neither little nor big")
    return np.dtype(order + code)


def _affine_lps(header: TextHeader) -> NDArray[np.float64]:
    signs = _SPACES.get(header.fields.get("space", "").lower())
    if signs is None or "space directions" not in header.fields:
        raise VolumeError(
            "MV2231",
            f"{header.path.name} states no patient space",
            expected="a field 'space' such as left-posterior-superior, and 'space directions'",
            hint="convert the scan again from its DICOM series",
        )
    columns = floats(header.path, "space directions", header.need("space directions"), 9)
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(columns).reshape(3, 3).T
    affine[:3, 3] = floats(header.path, "space origin", header.need("space origin"), 3)
    affine[:3] *= np.asarray(signs)[:, None]
    return affine
