"""Open a NIfTI file: header through nibabel, voxels through our own box reader."""

from __future__ import annotations

import math
import re
import zlib
from typing import TYPE_CHECKING, Literal

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from nibabel.spatialimages import HeaderDataError

from medvlp.errors import VolumeError
from medvlp.volumes.bodies import VoxelBody, check_body
from medvlp.volumes.files import file_kind, read_start, refuse_kind
from medvlp.volumes.geometry import affine_ras_to_lps
from medvlp.volumes.grid_checks import checked_geometry, checked_shape
from medvlp.volumes.grid_source import GridSource
from medvlp.volumes.limits import VolumeLimits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["embedded_label_names", "open_nifti"]

_HEADER_BYTES = 540
_MAX_EXTENSION_BYTES = 1 << 20
_LABEL_NAME = re.compile(r'<Label Key="(\d{1,5})"[^>]*>\s*<!\[CDATA\[([\w .-]{1,64})\]\]>')
_DEFAULT_LIMITS = VolumeLimits()
_LENGTH_UNITS = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
"""Code of the header's unit of length -> mm; 0 is unknown, which every tool takes for mm."""

_SPACING_TOLERANCE = 0.01
_FORM_TOLERANCE_MM = 0.5

FormChoice = Literal["agree", "sform", "qform"]


def open_nifti(
    path: Path, *, form: FormChoice = "agree", limits: VolumeLimits = _DEFAULT_LIMITS
) -> GridSource:
    """Open a NIfTI-1 or NIfTI-2 file (``.nii``, ``.nii.gz``).

    The sform counts where its code is set, else the qform. Where both are set they must agree; a
    file with neither does not say which side is left, and is refused.

    Args:
        path: The file; its name does not matter.
        form: ``sform`` or ``qform`` decides between two that disagree.
        limits: Caps of size.

    Raises:
        VolumeError: MV2200 to MV2203, MV2230 (not three-dimensional), MV2231 (no orientation),
            MV2232 (qform, sform or pixdim disagree), MV2234 (damaged header), MV2235 (type).
    """
    kind = file_kind(path)
    if kind not in {"nifti", "nifti-gzip"}:
        raise refuse_kind(path, kind)
    header, is_pair = _read_header(path, packed=kind == "nifti-gzip")
    if is_pair:
        raise VolumeError(
            "MV2234",
            f"{path.name} is the header of a .hdr/.img pair",
            expected="one file that holds header and voxels",
            hint="convert the pair to .nii.gz",
        )
    shape_zyx = checked_shape(path.name, _dimensions(path.name, header))
    geometry = checked_geometry(path.name, shape_zyx, _affine_lps(path.name, header, form))
    body = VoxelBody(
        path,
        0,
        _data_offset(path.name, header),
        _stored_type(path.name, header),
        shape_zyx,
        "gzip" if kind == "nifti-gzip" else "none",
    )
    check_body(body, limits)
    slope, intercept = _rescale(path.name, header)
    return GridSource(body, geometry, slope, intercept)


def embedded_label_names(source: GridSource) -> dict[int, str]:
    """Return the names of labels that TotalSegmentator writes behind the header of a mask.

    Args:
        source: A mask that :func:`open_nifti` opened.

    Returns:
        Name of each number; empty where the file holds none.
    """
    count = min(source.body.data_offset, _MAX_EXTENSION_BYTES)
    text = _first_bytes(source.body.path, count, packed=source.body.packing == "gzip")
    found = _LABEL_NAME.findall(text.decode("utf-8", "replace"))
    return {int(number): name for number, name in found}


def _first_bytes(path: Path, count: int, *, packed: bool) -> bytes:
    head = read_start(path, max(count, 4096))
    if not packed:
        return head[:count]
    try:
        return zlib.decompressobj(wbits=31).decompress(head, count)
    except zlib.error as error:
        raise _damaged(path.name, f"it does not inflate: {error}") from error


def _read_header(path: Path, *, packed: bool) -> tuple[Nifti1Header, bool]:
    head = _first_bytes(path, _HEADER_BYTES, packed=packed)
    is_second = 540 in (int.from_bytes(head[:4], "little"), int.from_bytes(head[:4], "big"))
    kind: Callable[..., Nifti1Header] = Nifti2Header if is_second else Nifti1Header
    size = 540 if is_second else 348
    if len(head) < size:
        raise VolumeError(
            "MV2202", f"{path.name} is cut off: {len(head)} bytes of {size} of its header"
        )
    header = kind(head[:size], check=False)
    return header, bytes(header["magic"])[:2] == b"ni"


def _dimensions(name: str, header: Nifti1Header) -> list[int]:
    count = int(header["dim"][0])
    if not 1 <= count <= 7:
        raise _damaged(name, f"it states {count} dimensions")
    return [int(size) for size in header["dim"][1 : 1 + count]]


def _data_offset(name: str, header: Nifti1Header) -> int:
    offset = float(header["vox_offset"])
    smallest = 352 if int(header["sizeof_hdr"]) == 348 else 544
    if offset == 0:
        return smallest
    if not math.isfinite(offset) or not smallest <= offset <= 2**30:
        raise _damaged(name, f"its voxels start at byte {offset:g}")
    return int(offset)


def _stored_type(name: str, header: Nifti1Header) -> np.dtype[np.generic]:
    try:
        dtype: np.dtype[np.generic] = np.dtype(header.get_data_dtype())
    except (HeaderDataError, KeyError, TypeError) as error:
        raise _damaged(name, f"its data type {int(header['datatype'])} is unknown") from error
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise VolumeError(
            "MV2235",
            f"{name} stores {dtype.name if dtype.names is None else 'colours'}",
            expected="integers or real numbers of at most 64 bits",
        )
    return dtype


def _rescale(name: str, header: Nifti1Header) -> tuple[float, float]:
    """Return slope and intercept; a slope of 0 or NaN means that the values are real already."""
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or not math.isfinite(slope):
        return 1.0, 0.0
    if not math.isfinite(intercept):
        raise _damaged(name, f"its rescale is {slope:g} * value + {intercept:g}")
    return slope, intercept


def _affine_lps(name: str, header: Nifti1Header, form: FormChoice) -> NDArray[np.float64]:
    unit_mm = _LENGTH_UNITS.get(int(header["xyzt_units"]) & 0x07)
    if unit_mm is None:
        raise _damaged(name, f"its unit of length has code {int(header['xyzt_units']) & 0x07}")
    try:
        with np.errstate(all="ignore"):
            sform = header.get_sform(coded=True)[0]
            qform = header.get_qform(coded=True)[0] if form != "sform" or sform is None else None
    except (HeaderDataError, ValueError, np.linalg.LinAlgError) as error:
        raise _damaged(name, f"its qform is not a rotation: {error}") from error
    if sform is None and qform is None:
        raise VolumeError(
            "MV2231",
            f"{name} states no orientation: sform and qform both have code 0",
            expected="a file that says which side of the body is left",
            hint="convert the scan again from its DICOM series",
        )
    if form == "agree" and sform is not None and qform is not None:
        _check_agreement(name, header, np.asarray(sform), np.asarray(qform))
    chosen = qform if form == "qform" and qform is not None else sform
    affine = np.asarray(qform if chosen is None else chosen, dtype=np.float64)
    if chosen is sform:
        _check_spacing(name, header, affine)
    scaled = affine_ras_to_lps(affine)
    scaled[:3] *= unit_mm
    return scaled


def _check_agreement(
    name: str,
    header: Nifti1Header,
    sform: NDArray[np.float64],
    qform: NDArray[np.float64],
) -> None:
    ends = np.asarray([max(int(size) - 1, 0) for size in header["dim"][1:4]], dtype=np.float64)
    corners = np.asarray(np.meshgrid(*zip(np.zeros(3), ends, strict=True))).reshape(3, -1)
    moved = (sform - qform) @ np.vstack([corners, np.ones(corners.shape[1])])
    distance_mm = float(np.linalg.norm(moved[:3], axis=0).max())
    if not distance_mm <= _FORM_TOLERANCE_MM:
        raise VolumeError(
            "MV2232",
            f"{name}: sform and qform put a corner {distance_mm:.3f} mm apart",
            expected=f"at most {_FORM_TOLERANCE_MM} mm",
            hint="find out which one is right, then open the file with form='sform' or 'qform'",
        )


def _check_spacing(name: str, header: Nifti1Header, affine: NDArray[np.float64]) -> None:
    stated = np.abs(np.asarray(header["pixdim"][1:4], dtype=np.float64))
    columns = np.linalg.norm(affine[:3, :3], axis=0)
    if not columns.all() or not np.isfinite(columns).all():
        return  # refused with its own words a moment later
    off = np.abs(stated / columns - 1.0)
    if not (off <= _SPACING_TOLERANCE).all():
        axis = int(np.argmax(np.where(np.isfinite(off), off, np.inf)))
        raise VolumeError(
            "MV2232",
            f"{name}: along {'xyz'[axis]} pixdim states {stated[axis]:g} mm, the sform "
            f"{columns[axis]:g} mm",
            expected="one spacing",
            hint="convert the scan again from its DICOM series",
        )


def _damaged(name: str, why: str) -> VolumeError:
    return VolumeError(
        "MV2234", f"{name} has a damaged header: {why}", hint="write or download the file again"
    )
