"""Read an X-ray from PNG or JPEG; its size is checked before a pixel is decoded."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import imagecodecs
import numpy as np
from PIL import Image, ImageOps

from medvlp.errors import RadiographError
from medvlp.radiographs.display import Window, percentile_range, window_values
from medvlp.radiographs.frames import chosen_frame
from medvlp.radiographs.image import Radiograph

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medvlp.radiographs.image import ValueRange
    from medvlp.radiographs.limits import RadiographLimits

__all__ = ["COLOURED_SHARE", "PictureHead", "picture_head", "read_picture"]

COLOURED_SHARE = 0.02
"""Largest share of coloured pixels: arrows and letters drawn on an X-ray stay well below."""

_COLOURED = 32 / 255
"""A pixel is coloured where its channels differ by more; JPEG stores gray less exactly."""

_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_JPEG_MAGIC = b"\xff\xd8\xff"
_JPEG_SIZES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_ORIENTATION = 0x0112
_LUMA = (0.299, 0.587, 0.114)
_FORMATS = ("PNG", "JPEG")
_SAMPLE_BITS = frozenset({1, 2, 4, 8, 16})
_FAULTS = (
    Image.DecompressionBombError,
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
)
"""What PIL and libpng raise on damaged files."""


@dataclass(frozen=True)
class PictureHead:
    """What the first bytes of a picture state.

    Attributes:
        rows: Pixels from top to bottom, as stored.
        columns: Pixels from left to right, as stored.
        bits: Bits of a sample.
    """

    rows: int
    columns: int
    bits: int


def picture_head(data: bytes) -> PictureHead | None:
    """Return what a PNG or JPEG states of itself, or None where the bytes are neither.

    Args:
        data: The file, or its first bytes.
    """
    try:
        if data.startswith(_PNG_MAGIC) and data[12:16] == b"IHDR":
            columns, rows, bits = struct.unpack_from(">IIB", data, 16)
            return PictureHead(rows, columns, bits)
        if data.startswith(_JPEG_MAGIC):
            return _jpeg_head(data)
    except (struct.error, IndexError):
        return None
    return None


def read_picture(
    data: bytes, name: str, *, frame: int | None, window: Window | None, limits: RadiographLimits
) -> Radiograph:
    """Read an X-ray from PNG or JPEG; see :func:`medvlp.radiographs.reader.read_radiograph`.

    Args:
        data: The file.
        name: Its name, for messages.
        frame: Which of several pictures; None for the only one.
        window: Values that become the ends of the gray levels; None for the rules of the reader.
        limits: Caps of size.
    """
    head = picture_head(data)
    if head is None:
        raise _damaged(name, "its first bytes state no size")
    limits.check_size(name, head.rows, head.columns)
    if head.bits not in _SAMPLE_BITS:
        raise RadiographError(
            "MV2410", f"{name} has {head.bits} bits a sample", expected="8 or 16 bits"
        )
    if head.bits == 16:
        chosen_frame(name, 1, frame)
        values, notes = _gray_16_bits(data, name, head)
    else:
        values, notes = _gray_8_bits(data, name, head, frame)
    pixels, value_range, more = _levels(values, head.bits, window)
    return Radiograph(
        pixels=pixels,
        spacing_mm=None,
        view=None,
        laterality=None,
        bits_stored=head.bits,
        photometric="MONOCHROME2",
        value_range=value_range,
        burned_in=None,
        notes=(*notes, *more),
    )


def _jpeg_head(data: bytes) -> PictureHead | None:
    at = 2
    while data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # fill bytes may stand before a marker
            at += 1
            continue
        length = struct.unpack_from(">H", data, at + 2)[0]
        if marker in _JPEG_SIZES:
            bits, rows, columns = struct.unpack_from(">BHH", data, at + 4)
            return PictureHead(rows, columns, bits)
        at += 2 + max(length, 2)
    return None


def _gray_8_bits(
    data: bytes, name: str, head: PictureHead, frame: int | None
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Return gray values from 0 to 255, turned as EXIF says, transparency black."""
    picture, notes = _opened(data, name, head, frame)
    gray = np.asarray(picture.convert("L"), dtype=np.float64)
    if len(picture.getbands()) > 1:
        channels = np.asarray(picture)
        notes += _check_colour(name, channels[..., :3], 255)
        if channels.shape[2] == 4:
            gray, more = _without_transparency(gray, channels[..., 3], 255)
            notes += more
    return gray, tuple(notes)


def _opened(
    data: bytes, name: str, head: PictureHead, frame: int | None
) -> tuple[Image.Image, list[str]]:
    """Decode a picture into gray levels, RGB or RGBA, turned as EXIF says."""
    notes: list[str] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sizes, which were checked before
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                if image.size != (head.columns, head.rows):
                    raise _damaged(name, "it states two sizes")
                image.seek(chosen_frame(name, getattr(image, "n_frames", 1), frame))
                image.load()
                turn = image.getexif().get(_ORIENTATION, 1)
                picture = ImageOps.exif_transpose(image)
    except _FAULTS as error:
        raise _damaged(name, f"{type(error).__name__}: {error}") from error
    if turn in range(2, 9):
        notes.append(f"turned as its EXIF orientation {turn} asks")
    if picture.mode in {"P", "PA", "LA"} or "transparency" in picture.info:
        picture = picture.convert("RGBA")
    elif picture.mode not in {"1", "L", "RGB", "RGBA"}:
        picture = picture.convert("RGB")
    return picture, notes


def _gray_16_bits(
    data: bytes, name: str, head: PictureHead
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Return gray values from 0 to 65535; PIL keeps 8 of 16 bits where there are colours."""
    notes: list[str] = []
    try:
        found = np.asarray(imagecodecs.png_decode(data))
    except _FAULTS as error:
        raise _damaged(name, f"{type(error).__name__}: {error}") from error
    if found.shape[:2] != (head.rows, head.columns) or found.dtype != np.uint16:
        raise _damaged(name, f"it decodes to {found.shape} {found.dtype.name}")
    channels = found[..., None] if found.ndim == 2 else found
    samples = channels.shape[2] - (channels.shape[2] in {2, 4})
    if samples == 3:
        notes += _check_colour(name, channels[..., :3], 65535)
        gray = np.rint(channels[..., :3] @ np.array(_LUMA))
    else:
        gray = channels[..., 0].astype(np.float64)
    if channels.shape[2] > samples:
        gray, more = _without_transparency(gray, channels[..., samples], 65535)
        notes += more
    return gray, tuple(notes)


def _check_colour(name: str, channels: NDArray[np.integer], full: int) -> list[str]:
    """Refuse real colour; tell of a little."""
    red, green, blue = (channels[..., at] for at in range(3))  # far faster than along the axis
    high = np.maximum(np.maximum(red, green), blue)
    low = np.minimum(np.minimum(red, green), blue)
    share = float(np.count_nonzero(high - low > int(_COLOURED * full)) / high.size)
    if share > COLOURED_SHARE:
        raise RadiographError(
            "MV2407",
            f"{name} is coloured in {share:.1%} of its pixels",
            expected=f"gray levels, or colour in at most {COLOURED_SHARE:.0%} of them",
        )
    return [f"{share:.2%} of the pixels are coloured and read as gray"] if share else []


def _without_transparency(
    gray: NDArray[np.float64], alpha: NDArray[np.integer], full: int
) -> tuple[NDArray[np.float64], list[str]]:
    """Lay a picture with transparency on black."""
    share = float((alpha < full).mean())
    if not share:
        return gray, []
    return gray * (alpha / full), [f"{share:.1%} of the pixels are transparent, shown on black"]


def _levels(
    values: NDArray[np.float64], bits: int, window: Window | None
) -> tuple[NDArray[np.float32], ValueRange, tuple[str, ...]]:
    if window is not None:
        return window_values(values, window).astype(np.float32), "window", ()
    if bits <= 8:
        return (values / 255.0).astype(np.float32), "full-range", ()
    low, high = percentile_range(values) or (0.0, np.inf)
    notes = ("no window is stated; percentiles of the pixels inside the border are used",)
    levels = np.clip((values - low) / (high - low), 0.0, 1.0)
    return levels.astype(np.float32), "percentiles", notes


def _damaged(name: str, why: str) -> RadiographError:
    return RadiographError(
        "MV2402", f"{name} is cut off or damaged: {why}", hint="copy the file again"
    )
