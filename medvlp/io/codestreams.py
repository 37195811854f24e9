"""Decode one compressed DICOM frame, after its own header was compared with the file's."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from medvlp.errors import MedvlpError
    from medvlp.io.pixel_layout import PixelLayout
    from medvlp.io.reading_rules import ReadingRules

__all__ = ["DEFLATED", "NATIVE_SYNTAXES", "decode_frame", "is_lossy_syntax", "is_readable_syntax"]

_UID = "1.2.840.10008.1.2"
DEFLATED = f"{_UID}.1.99"
NATIVE_SYNTAXES = frozenset({"", _UID, f"{_UID}.1", f"{_UID}.2", DEFLATED})
"""Transfer syntaxes whose pixels are not compressed (the deflated one is inflated before)."""

_JPEG_2000 = frozenset({f"{_UID}.4.90", f"{_UID}.4.91"})
_HIGH_THROUGHPUT = frozenset({f"{_UID}.4.201", f"{_UID}.4.202", f"{_UID}.4.203"})
_JPEG_LS = frozenset({f"{_UID}.4.80", f"{_UID}.4.81"})
_JPEG_LOSSLESS = frozenset({f"{_UID}.4.57", f"{_UID}.4.70"})
_JPEG_8_BIT = frozenset({f"{_UID}.4.50"})
_RUN_LENGTH = frozenset({f"{_UID}.5"})
_LOSSY = frozenset(
    {f"{_UID}.4.50", f"{_UID}.4.51", f"{_UID}.4.81", f"{_UID}.4.91", f"{_UID}.4.203"}
)
_READABLE = (
    _JPEG_2000 | _HIGH_THROUGHPUT | _JPEG_LS | _JPEG_LOSSLESS | _JPEG_8_BIT | _RUN_LENGTH
) | NATIVE_SYNTAXES
_END_OF_IMAGE = b"\xff\xd9"
_SOF_MARKERS = frozenset({0xF7, *range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})


def is_readable_syntax(uid: str) -> bool:
    """Say whether pixels of this transfer syntax can be decoded here."""
    return uid in _READABLE


def is_lossy_syntax(uid: str) -> bool:
    """Say whether this transfer syntax can lose detail."""
    return uid in _LOSSY


def decode_frame(
    data: bytes, layout: PixelLayout, name: str, rules: ReadingRules
) -> NDArray[np.generic]:
    """Decode a frame.

    Args:
        data: The frame's compressed bytes.
        layout: What the file says about its pixels.
        name: The image, for messages.
        rules: How to refuse.

    Returns:
        Stored values, shape ``(rows, columns)``, integer; unused high bits are not cleared.

    Raises:
        MedvlpError: Of the rules' class if the data do not decode, or to another size than the
            file states.
    """
    syntax = layout.transfer_syntax
    if syntax in _RUN_LENGTH:
        return _decode_run_length(data, layout, name, rules)
    size = _stated_size(data, is_jpeg_2000=syntax in _JPEG_2000 | _HIGH_THROUGHPUT)
    wanted = (layout.rows, layout.columns)
    if size != wanted:
        raise _refusal(
            rules, name, f"its compressed data state {size or 'no'} pixels, the file {wanted}"
        )
    if syntax in _JPEG_LS and not data.rstrip(b"\0").endswith(_END_OF_IMAGE):
        # CharLS may search for a missing end for half a minute.
        raise _refusal(rules, name, "its compressed data end without an end marker")
    try:
        pixels = np.asarray(_decoder(syntax)(data))
    except (RuntimeError, ValueError, TypeError, MemoryError) as error:
        raise _refusal(rules, name, str(error) or type(error).__name__) from error
    if pixels.shape != wanted or pixels.dtype.kind not in "iu":
        raise _refusal(
            rules, name, f"it decodes to {pixels.shape} {pixels.dtype.name}, not to {wanted}"
        )
    return pixels


def _decoder(syntax: str) -> Callable[[bytes], object]:
    decoder: Callable[[bytes], object] = imagecodecs.jpeg8_decode
    if syntax in _JPEG_2000 | _HIGH_THROUGHPUT:
        decoder = imagecodecs.jpeg2k_decode
    elif syntax in _JPEG_LS:
        decoder = imagecodecs.jpegls_decode
    elif syntax in _JPEG_LOSSLESS:
        decoder = imagecodecs.jpegsof3_decode
    return decoder


def _decode_run_length(
    data: bytes, layout: PixelLayout, name: str, rules: ReadingRules
) -> NDArray[np.generic]:
    """Undo DICOM's byte-plane run lengths; a frame never grows beyond rows x columns."""
    dtype = np.dtype(f"<u{layout.bits_allocated // 8}")
    count = layout.rows * layout.columns * dtype.itemsize
    out = bytearray(count)
    try:
        written = imagecodecs.dicomrle_decode(data, dtype, out=out)
    except (RuntimeError, ValueError, TypeError, MemoryError) as error:
        raise _refusal(rules, name, str(error) or type(error).__name__) from error
    if len(written) != count:
        raise _refusal(rules, name, f"it decodes to {len(written)} bytes instead of {count}")
    return np.frombuffer(out, dtype=dtype).reshape(layout.rows, layout.columns)


def _stated_size(data: bytes, *, is_jpeg_2000: bool) -> tuple[int, int] | None:
    """Return ``(rows, columns)`` as the code stream states them, or None."""
    try:
        return _jpeg_2000_size(data) if is_jpeg_2000 else _jpeg_size(data)
    except struct.error:
        return None


def _jpeg_2000_size(data: bytes) -> tuple[int, int] | None:
    at = data.find(b"\xff\x4f\xff\x51", 0, 4096)
    if at < 0:
        return None
    x_end, y_end, x_start, y_start = struct.unpack_from(">IIII", data, at + 8)
    return y_end - y_start, x_end - x_start


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = 2
    while data[at : at + 1] == b"\xff":
        marker, length = data[at + 1], struct.unpack_from(">H", data, at + 2)[0]
        if marker in _SOF_MARKERS:
            rows, columns = struct.unpack_from(">HH", data, at + 5)
            return rows, columns
        at += 2 + max(length, 2)
    return None


def _refusal(rules: ReadingRules, name: str, why: str) -> MedvlpError:
    return rules.error(
        rules.undecodable,
        f"{name} cannot be decoded: {why}",
        hint="export the file again, without compression if this comes back",
    )
