"""Interpolate slices that miss, lie unevenly or lean onto a regular upright grid, on request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medvlp.volumes.dicom_pixels import read_stored_frame, rescale_frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medvlp.volumes.limits import VolumeLimits
    from medvlp.volumes.slice_stack import SliceStack

__all__ = ["AIR_HU", "resample_stack"]

AIR_HU = -1024.0
"""Value of places that no slice covers, in Hounsfield units."""


def resample_stack(stack: SliceStack, limits: VolumeLimits) -> NDArray[np.float32]:
    """Interpolate linearly between the two slices around each plane of the regular grid.

    A slice that lies beside the normal is shifted back in its plane first, also linearly.

    Args:
        stack: The slices, their places and the wanted grid.
        limits: Caps of size.

    Returns:
        Hounsfield units, shape of ``stack.geometry``, float32.

    Raises:
        VolumeError: MV2200, MV2202 or MV2212 if a slice cannot be read.
    """
    planes = stack.geometry.shape_zyx[0]
    out = np.empty(stack.geometry.shape_zyx, dtype=np.float32)
    kept: dict[int, NDArray[np.float32]] = {}

    def plane(index: int) -> NDArray[np.float32]:
        if index not in kept:
            for old in [old for old in kept if old < index - 1]:
                del kept[old]
            kept[index] = _upright_slice(stack, index, limits)
        return kept[index]

    for z in range(planes):
        at = min(z * stack.geometry.spacing_zyx_mm[0], float(stack.along_mm[-1]))
        low = int(np.clip(np.searchsorted(stack.along_mm, at, "right") - 1, 0, len(stack.headers)))
        low = min(low, len(stack.headers) - 2)
        width = float(stack.along_mm[low + 1] - stack.along_mm[low])
        share = np.float32((at - float(stack.along_mm[low])) / width)
        out[z] = plane(low) * (1 - share)
        out[z] += plane(low + 1) * share
    return out


def _upright_slice(stack: SliceStack, index: int, limits: VolumeLimits) -> NDArray[np.float32]:
    """Read a slice and shift it so that its pixels lie above those of the first slice."""
    header = stack.headers[index]
    values = rescale_frame(read_stored_frame(header, None, limits), header).astype(np.float32)
    _, y_mm, x_mm = stack.geometry.spacing_zyx_mm
    x_px, y_px = stack.lateral_mm[index] / (x_mm, y_mm)
    return _shifted(_shifted(values, float(y_px)), float(x_px), axis=1)


def _shifted(values: NDArray[np.float32], offset_px: float, axis: int = 0) -> NDArray[np.float32]:
    """Sample ``values`` at index minus ``offset_px`` along an axis; outside is air."""
    if abs(offset_px) < 1e-6:
        return values
    moved = np.moveaxis(values, axis, 0)
    wanted = np.arange(len(moved), dtype=np.float64) - offset_px
    low = np.floor(wanted).astype(np.int64)
    share = (wanted - low).astype(np.float32)[:, None]
    padded = np.pad(moved, ((1, 1), (0, 0)), constant_values=AIR_HU)
    first = padded[np.clip(low + 1, 0, len(moved) + 1)]
    second = padded[np.clip(low + 2, 0, len(moved) + 1)]
    return np.moveaxis(first * (1 - share) + second * share, 0, axis)
