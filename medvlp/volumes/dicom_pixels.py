"""Read the pixels of one DICOM frame and rescale them, once."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, cast

import numpy as np
from pydicom.encaps import get_frame

from medvlp.errors import VolumeError
from medvlp.volumes.codestreams import NATIVE_SYNTAXES, decode_frame
from medvlp.volumes.dicom_header import DICOM_FAULTS, inflated_data_set
from medvlp.volumes.files import read_start
from medvlp.volumes.limits import VolumeLimits

if TYPE_CHECKING:
    from typing import BinaryIO

    from numpy.typing import NDArray

    from medvlp.volumes.dicom_slices import PixelLayout, SliceHeader

__all__ = ["native_frame_bytes", "read_stored_frame", "rescale_frame"]

_DEFAULT_LIMITS = VolumeLimits()
_INT16 = np.iinfo(np.int16)


def native_frame_bytes(layout: PixelLayout) -> int:
    """Return the bytes of one uncompressed frame."""
    return layout.rows * layout.columns * layout.samples * (layout.bits_allocated // 8)


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
    layout = header.pixels
    first, last = rows or (0, layout.rows)
    if layout.transfer_syntax in NATIVE_SYNTAXES:
        return _counted_bits(_read_native(header, first, last, limits), layout)
    stored = decode_frame(_encapsulated_frame(header), layout, header.name)
    return _counted_bits(stored[first:last], layout)


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


def _read_native(
    header: SliceHeader, first: int, last: int, limits: VolumeLimits
) -> NDArray[np.integer]:
    layout = header.pixels
    row_bytes = layout.columns * layout.bits_allocated // 8
    start = layout.offset + header.frame * native_frame_bytes(layout) + first * row_bytes
    count = (last - first) * row_bytes
    if layout.is_inflated:
        data = inflated_data_set(header.path, limits)[start : start + count]
    else:
        data = read_start(header.path, count, start)
    if len(data) < count:
        raise VolumeError(
            "MV2202",
            f"{header.name} is cut off: {len(data)} of {count} bytes of its pixels",
            hint="copy the file again",
        )
    order = "<" if layout.is_little_endian else ">"
    dtype = np.dtype(f"{order}u{layout.bits_allocated // 8}")
    return np.frombuffer(data, dtype=dtype).reshape(last - first, layout.columns)


def _encapsulated_frame(header: SliceHeader) -> bytes:
    layout = header.pixels
    try:
        with (
            header.path.open("rb") as stream,
            mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as view,
        ):
            view.seek(layout.offset)
            # A memory map reads and seeks as a file does; pydicom's protocol asks for more.
            source = cast("BinaryIO", view)
            data = get_frame(source, header.frame, number_of_frames=layout.frames)
    except DICOM_FAULTS as error:
        raise VolumeError(
            "MV2202",
            f"{header.name} is cut off or damaged: its compressed pixels cannot be found ({error})",
            hint="copy the file again",
        ) from error
    return data


def _counted_bits(stored: NDArray[np.generic], layout: PixelLayout) -> NDArray[np.integer]:
    """Clear bits above the highest that counts, where overlays lie, and sign the rest."""
    size = max(layout.bits_allocated // 8, stored.dtype.itemsize)
    bits = stored.astype(f"u{size}")
    low = layout.high_bit + 1 - layout.bits_stored
    if low:
        bits >>= bits.dtype.type(low)
    unused = size * 8 - layout.bits_stored
    if not layout.is_signed:
        return bits & bits.dtype.type((1 << layout.bits_stored) - 1) if unused else bits
    signed = bits.view(f"i{size}")
    return (signed << unused) >> unused if unused else signed
