"""Open a MetaImage file (``.mha``, ``.mhd`` with its data beside), raw or zlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

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

__all__ = ["open_metaimage"]

_DEFAULT_LIMITS = VolumeLimits()
_TYPES = {
    "met_char": "i1",
    "met_uchar": "u1",
    "met_short": "i2",
    "met_ushort": "u2",
    "met_int": "i4",
    "met_uint": "u4",
    "met_long_long": "i8",
    "met_ulong_long": "u8",
    "met_float": "f4",
    "met_double": "f8",
}


def open_metaimage(path: Path, *, limits: VolumeLimits = _DEFAULT_LIMITS) -> GridSource:
    """Open a MetaImage volume of scalars; its positions are LPS, as ITK writes them.

    Args:
        path: The file.
        limits: Caps of size.

    Raises:
        VolumeError: MV2200 to MV2204, MV2214, MV2218, MV2219, MV2230, MV2231, MV2234, MV2235.
    """
    header = TextHeader.read(path, "=", "elementdatafile")
    dimension = header.integers("ndims", 1)[0]
    if not 1 <= dimension <= 10:
        raise damaged_header(path, f"it states {dimension} dimensions")
    shape_zyx = checked_shape(path.name, header.integers("dimsize", dimension))
    channels = header.fields.get("elementnumberofchannels", "1")
    if dimension != 3 or channels != "1":
        raise VolumeError(
            "MV2230", f"{path.name} has {dimension} dimensions and {channels} channels"
        )
    geometry = checked_geometry(path.name, shape_zyx, _affine_lps(header))
    if header.fields.get("headersize", "0") != "0":
        raise VolumeError("MV2235", f"{path.name} skips bytes before its voxels")
    where = header.need("elementdatafile")
    data_path, offset = path, header.body_offset
    if where.lower() != "local":
        data_path, offset = companion_file(path, where), 0
    packed = header.fields.get("compresseddata", "false").lower() == "true"
    body = VoxelBody(
        data_path, offset, 0, _stored_type(header), shape_zyx, "zlib" if packed else "none"
    )
    if packed:
        _check_packed_size(header, data_path.stat().st_size - offset)
    check_body(body, limits)
    return GridSource(body, geometry)


def _check_packed_size(header: TextHeader, found_bytes: int) -> None:
    """Refuse compressed voxels that end before the header says."""
    if "compresseddatasize" not in header.fields:
        return
    stated = header.integers("compresseddatasize", 1)[0]
    if found_bytes < stated:
        raise VolumeError(
            "MV2202",
            f"{header.path.name} is cut off: {found_bytes} of {stated} compressed bytes",
            hint="copy or download the file again",
        )


def _stored_type(header: TextHeader) -> np.dtype[np.generic]:
    code = _TYPES.get(header.need("elementtype").lower())
    if code is None:
        raise VolumeError(
            "MV2235",
            f"{header.path.name} stores {header.need('elementtype')!r}",
            expected="integers or real numbers",
        )
    swapped = header.fields.get(
        "binarydatabyteordermsb", header.fields.get("elementbyteordermsb", "false")
    )
    return np.dtype((">" if swapped.lower() == "true" else "<") + code)


def _affine_lps(header: TextHeader) -> NDArray[np.float64]:
    path = header.path
    rotation = next(
        (
            header.fields[name]
            for name in ("transformmatrix", "rotation", "orientation")
            if name in header.fields
        ),
        None,
    )
    if rotation is None:
        raise VolumeError(
            "MV2231",
            f"{path.name} states no orientation",
            expected="a field TransformMatrix",
            hint="convert the scan again from its DICOM series",
        )
    spacing = floats(path, "ElementSpacing", header.need("elementspacing", "elementsize"), 3)
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(floats(path, "TransformMatrix", rotation, 9)).reshape(3, 3).T
    affine[:3, :3] *= np.asarray(spacing)
    affine[:3, 3] = floats(path, "Offset", header.need("offset", "position", "origin"), 3)
    return affine
