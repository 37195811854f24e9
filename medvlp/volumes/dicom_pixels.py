"""Read the pixels of one DICOM frame and rescale them, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medvlp.io.dicom_frames import read_frame
from medvlp.volumes.limits import VolumeLimits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medvlp.volumes.dicom_slices import SliceHeader

__all__ = ["read_stored_frame", "rescale_frame"]

_DEFAULT_LIMITS = VolumeLimits()
_INT16 = np.iinfo(np.int16)


def read_stored_frame(
    header: SliceHeader,
    rows: tuple[int, int] | None = None,
    limits: VolumeLimits = _DEFAULT_LIMITS,
) -> NDArray[np.integer]:
    """Read the stored values of a frame, with bits that do not count cleared.

    Args:
        header: The frame.
        rows: First row and row after the last; None reads all.
        limits: Caps of size.

    Returns:
        Shape ``(rows, columns)``, integer, signed as the file says.

    Raises:
        VolumeError: MV2200 (unreadable), MV2202 (cut off), MV2203 (too large), MV2212 (does not
            decode).
    """
    return read_frame(header.place, limits.rules, rows)


def rescale_frame(stored: NDArray[np.integer], header: SliceHeader) -> NDArray[np.generic]:
    """Apply the rescale of a frame: int16 where every value fits exactly, else float32."""
    slope = 1.0 if header.slope is None else header.slope
    intercept = 0.0 if header.intercept is None else header.intercept
    if slope.is_integer() and intercept.is_integer():
        wide = np.int64 if stored.dtype.itemsize > 2 else np.int32
        whole = stored.astype(wide) if slope == 1 else stored.astype(np.int64) * int(slope)
        whole = whole + int(intercept)
        if not whole.size or (whole.min() >= _INT16.min and whole.max() <= _INT16.max):
            return whole.astype(np.int16)
        return whole.astype(np.float32)
    return (stored.astype(np.float64) * slope + intercept).astype(np.float32)
