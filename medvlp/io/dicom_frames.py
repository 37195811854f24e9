"""Where the pixels of a DICOM file lie, and the stored values of one frame."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
from pydicom.encaps import get_frame

from medvlp.io.codestreams import NATIVE_SYNTAXES, decode_frame
from medvlp.io.dicom_header import DICOM_FAULTS, inflated_data_set
from medvlp.io.pixel_layout import native_frame_bytes
from medvlp.io.reading_rules import read_bytes

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

    from medvlp.io.pixel_layout import PixelLayout
    from medvlp.io.reading_rules import ReadingRules

__all__ = [
    "FramePlace",
    "check_extent",
    "read_frame",
]


@dataclass(frozen=True, slots=True)
class FramePlace:
    """Which frame of which file.

    Attributes:
        path: The file.
        frame: Index of the frame in the file, from 0.
        layout: How the pixels are stored.
        name: The frame, for messages.
    """

    path: Path
    frame: int
    layout: PixelLayout
    name: str


def check_extent(place: FramePlace, rules: ReadingRules, *, series: str = "") -> None:
    """Refuse native pixels that end before the last frame does.

    Args:
        place: Any frame of the file.
        rules: How to refuse.
        series: What the file belongs to, for the message.

    Raises:
        MedvlpError: Of the rules' class, cut off.
    """
    layout = place.layout
    if layout.transfer_syntax not in NATIVE_SYNTAXES:
        return
    needed = native_frame_bytes(layout) * max(layout.frames, 1)
    held = layout.count_bytes or 0
    if not layout.is_inflated:
        held = min(held, place.path.stat().st_size - layout.offset)
    if held < needed:
        raise rules.error(
            rules.cut_off,
            f"{series + ': ' if series else ''}{place.name} is cut off: {held} of {needed} bytes "
            "of its pixels",
            hint="copy the file again",
        )


def read_frame(
    place: FramePlace, rules: ReadingRules, rows: tuple[int, int] | None = None
) -> NDArray[np.integer]:
    """Read the stored values of a frame of gray levels, with bits that do not count cleared.

    Args:
        place: The frame.
        rules: Caps of size, and how to refuse.
        rows: First row and row after the last; None reads all.

    Returns:
        Shape ``(rows, columns)``, integer, signed as the file says.

    Raises:
        MedvlpError: Of the rules' class: unreadable, cut off, too large or undecodable.
    """
    layout = place.layout
    first, last = rows or (0, layout.rows)
    if layout.transfer_syntax in NATIVE_SYNTAXES:
        return _counted_bits(_read_native(place, first, last, rules), layout)
    stored = decode_frame(_encapsulated_frame(place, rules), layout, place.name, rules)
    return _counted_bits(stored[first:last], layout)


def _read_native(
    place: FramePlace, first: int, last: int, rules: ReadingRules
) -> NDArray[np.integer]:
    layout = place.layout
    row_bytes = layout.columns * layout.bits_allocated // 8
    start = layout.offset + place.frame * native_frame_bytes(layout) + first * row_bytes
    count = (last - first) * row_bytes
    if layout.is_inflated:
        data = inflated_data_set(place.path, rules)[start : start + count]
    else:
        data = read_bytes(place.path, count, rules, start)
    if len(data) < count:
        raise rules.error(
            rules.cut_off,
            f"{place.name} is cut off: {len(data)} of {count} bytes of its pixels",
            hint="copy the file again",
        )
    order = "<" if layout.is_little_endian else ">"
    dtype = np.dtype(f"{order}u{layout.bits_allocated // 8}")
    return np.frombuffer(data, dtype=dtype).reshape(last - first, layout.columns)


def _encapsulated_frame(place: FramePlace, rules: ReadingRules) -> bytes:
    layout = place.layout
    try:
        with (
            place.path.open("rb") as stream,
            mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as view,
        ):
            view.seek(layout.offset)
            # A memory map reads and seeks as a file does; pydicom's protocol asks for more.
            source = cast("BinaryIO", view)
            data = get_frame(source, place.frame, number_of_frames=layout.frames)
    except DICOM_FAULTS as error:
        raise rules.error(
            rules.cut_off,
            f"{place.name} is cut off or damaged: its compressed pixels cannot be found ({error})",
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
