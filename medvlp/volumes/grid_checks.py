"""Checks that every format with a header and one block of voxels needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medvlp.errors import VolumeError
from medvlp.volumes.geometry import VolumeGeometry

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["checked_geometry", "checked_shape"]

_ORTHOGONAL = 1e-3
"""Largest cosine between two axes of an upright grid."""

_SPACING_MM = (1e-3, 100.0)
_ORIGIN_MM = 1e5


def checked_shape(name: str, sizes_xyz: list[int]) -> tuple[int, int, int]:
    """Return ``(z, y, x)`` sizes of a volume; trailing sizes of 1 do not count.

    Args:
        name: The file, for the message.
        sizes_xyz: Sizes as the header states them, fastest first.

    Raises:
        VolumeError: MV2230 for anything but three dimensions, MV2214 for a single slice, MV2234
            for sizes below 1.
    """
    shown = " x ".join(str(size) for size in sizes_xyz)
    if any(size < 1 for size in sizes_xyz):
        raise VolumeError("MV2234", f"{name} has a damaged header: it states a size of {shown}")
    if len(sizes_xyz) > 3 and any(size > 1 for size in sizes_xyz[3:]):
        raise VolumeError(
            "MV2230",
            f"{name} has {len(sizes_xyz)} dimensions, {shown}",
            expected="one volume of three dimensions",
            hint="save the time points or channels as files of their own",
        )
    if len(sizes_xyz) < 3 or sizes_xyz[2] == 1:
        raise VolumeError(
            "MV2214", f"{name} holds one slice, {shown}", expected="a volume of several slices"
        )
    return sizes_xyz[2], sizes_xyz[1], sizes_xyz[0]


def checked_geometry(
    name: str, shape_zyx: tuple[int, int, int], affine_lps: NDArray[np.float64]
) -> VolumeGeometry:
    """Return the geometry of an affine, or refuse one that no scanner makes.

    Args:
        name: The file, for the message.
        shape_zyx: Number of voxels along ``(z, y, x)``.
        affine_lps: ``(x, y, z)`` index to LPS position in mm, shape ``(4, 4)``.

    Raises:
        VolumeError: MV2231 if an axis is zero or the matrix singular or not finite, MV2218 if the
            axes are not upright to one another, MV2219 if spacing or origin are absurd.
    """
    columns = affine_lps[:3, :3]
    if not np.isfinite(affine_lps).all():
        raise VolumeError("MV2231", f"{name} has an affine that is not finite")
    lengths = np.linalg.norm(columns, axis=0)
    if not lengths.all():
        raise VolumeError(
            "MV2231",
            f"{name} has a zero affine along {'xyz'[int(np.argmin(lengths))]}",
            expected="an affine that says where the voxels lie",
            hint="convert the scan again from its DICOM series",
        )
    if lengths.min() < _SPACING_MM[0] or lengths.max() > _SPACING_MM[1]:
        shown = " x ".join(f"{length:g}" for length in lengths)
        raise VolumeError(
            "MV2219",
            f"{name} states a spacing of {shown} mm",
            expected=f"{_SPACING_MM[0]:g} to {_SPACING_MM[1]:g} mm",
        )
    if np.abs(affine_lps[:3, 3]).max() > _ORIGIN_MM:
        raise VolumeError("MV2219", f"{name} lies {np.abs(affine_lps[:3, 3]).max():g} mm away")
    cosines = np.abs((columns / lengths).T @ (columns / lengths) - np.eye(3))
    if cosines.max() > _ORTHOGONAL:
        tilt_deg = float(np.degrees(np.arcsin(min(cosines.max(), 1.0))))
        raise VolumeError(
            "MV2218",
            f"{name} has axes that lean by {tilt_deg:.2f} degrees",
            expected="upright axes",
            hint="resample the scan to an upright grid first",
        )
    return VolumeGeometry.from_affine(shape_zyx, affine_lps)
