"""How the pixels of a DICOM file are stored, as its header says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medvlp.io.dicom_values import integer_of, word_of

if TYPE_CHECKING:
    from medvlp.io.dicom_header import ParsedHeader

__all__ = ["PixelLayout", "has_plain_bits", "native_frame_bytes", "pixel_layout"]


@dataclass(frozen=True, slots=True)
class PixelLayout:
    """How the pixels of a file are stored.

    Attributes:
        rows: Pixels from top to bottom.
        columns: Pixels from left to right.
        samples: Samples per pixel; 1 is gray.
        photometric: DICOM's photometric interpretation.
        bits_allocated: Bits that a pixel takes in the file.
        bits_stored: Bits of it that count.
        high_bit: Highest bit that counts.
        is_signed: Whether the stored values are two's complement.
        transfer_syntax: UID of the encoding; empty where the file does not tell.
        is_little_endian: Byte order of native pixels.
        is_inflated: Whether the data set was deflated: ``offset`` counts inflated bytes.
        offset: First byte of the pixels.
        count_bytes: Number of bytes of native pixels; None where they are encapsulated.
        frames: Number of frames in the file.
    """

    rows: int
    columns: int
    samples: int
    photometric: str
    bits_allocated: int
    bits_stored: int
    high_bit: int
    is_signed: bool
    transfer_syntax: str
    is_little_endian: bool
    is_inflated: bool
    offset: int
    count_bytes: int | None
    frames: int


def pixel_layout(parsed: ParsedHeader) -> PixelLayout:
    """Return how the pixels of a data set are stored; what is missing reads as 0 or empty.

    Args:
        parsed: The data set with its pixel description.
    """
    data = parsed.data_set
    allocated = integer_of(data.get("BitsAllocated"), 0)
    stored = integer_of(data.get("BitsStored"), allocated)
    return PixelLayout(
        rows=integer_of(data.get("Rows"), 0),
        columns=integer_of(data.get("Columns"), 0),
        samples=integer_of(data.get("SamplesPerPixel"), 1),
        photometric=word_of(data.get("PhotometricInterpretation")),
        bits_allocated=allocated,
        bits_stored=stored,
        high_bit=integer_of(data.get("HighBit"), stored - 1),
        is_signed=integer_of(data.get("PixelRepresentation"), 0) == 1,
        transfer_syntax=word_of(parsed.meta.get("TransferSyntaxUID")),
        is_little_endian=parsed.is_little_endian,
        is_inflated=parsed.is_inflated,
        offset=parsed.pixel_offset,
        count_bytes=parsed.pixel_bytes,
        frames=integer_of(data.get("NumberOfFrames"), 1),
    )


def native_frame_bytes(layout: PixelLayout) -> int:
    """Return the bytes of one uncompressed frame."""
    return layout.rows * layout.columns * layout.samples * (layout.bits_allocated // 8)


def has_plain_bits(layout: PixelLayout) -> bool:
    """Say whether a pixel takes whole bytes and its bits lie within them."""
    return layout.bits_allocated in {8, 16, 32} and (
        1 <= layout.bits_stored <= layout.high_bit + 1 <= layout.bits_allocated
    )
