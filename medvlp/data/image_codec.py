"""Images of pairs as bytes: JPEG and PNG, compressed and decompressed.

Whole 8-bit JPEGs go through libjpeg-turbo without detour, everything else through PIL; both give
the same pixels, and what one would refuse the other never gets to see.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Literal

import imagecodecs
import numpy as np
from PIL import Image

from medvlp.errors import MedvlpError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Encoding", "decode_image", "encode_image"]

Encoding = Literal["jpg", "png"]

_MAX_PIXELS = 64 * 2**20
_JPEG_START, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_FRAME_MARKERS = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})


def encode_image(rgb: NDArray[np.uint8], encoding: Encoding) -> bytes:
    """Compress an image: JPEG of quality 92 without colour subsampling, or PNG.

    Args:
        rgb: Image, shape ``(H, W, 3)``, uint8.
        encoding: ``jpg`` or ``png``.
    """
    buffer = io.BytesIO()
    if encoding == "png":
        Image.fromarray(rgb).save(buffer, "PNG", compress_level=1)
    else:
        Image.fromarray(rgb).save(buffer, "JPEG", quality=92, subsampling=0)
    return buffer.getvalue()


def decode_image(content: bytes, name: str) -> NDArray[np.uint8]:
    """Decompress an image.

    Args:
        content: Bytes of a JPEG or PNG file.
        name: What the image is called in messages.

    Returns:
        Shape ``(H, W, 3)``, uint8.

    Raises:
        MedvlpError: If the bytes do not decode as a whole, or the image is too large (MV1702).
    """
    if content.startswith(_JPEG_START) and content.endswith(_JPEG_END):
        rgb = _decode_jpeg(content)
        if rgb is not None:
            return rgb
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG")) as image:
            if image.width * image.height > _MAX_PIXELS:
                msg = f"{image.width} x {image.height} pixels"
                raise ValueError(msg)
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise MedvlpError(
            "MV1702",
            f"image {name} does not decode ({error})",
            expected="a JPEG or PNG image",
            hint="write the pairs again; a shard may have been changed or cut short",
        ) from error


def _decode_jpeg(content: bytes) -> NDArray[np.uint8] | None:
    """Decode a usual JPEG; None is for what PIL should judge."""
    frame = _jpeg_frame(content)
    if frame is None:
        return None
    bits, height, width, components = frame
    if bits != 8 or components not in (1, 3) or not 0 < width * height <= _MAX_PIXELS:
        return None
    try:
        wanted = "RGB" if components == 1 else None
        rgb: NDArray[np.uint8] = imagecodecs.jpeg8_decode(content, outcolorspace=wanted)
    except (RuntimeError, ValueError):
        return None
    return rgb if rgb.shape == (height, width, 3) else None


def _jpeg_frame(content: bytes) -> tuple[int, int, int, int] | None:
    """Return bits, height, width and number of components as a JPEG's frame header has them."""
    place = 2
    while place + 10 <= len(content) and content[place] == 0xFF:
        marker = content[place + 1]
        if marker in _FRAME_MARKERS:
            height = int.from_bytes(content[place + 5 : place + 7])
            width = int.from_bytes(content[place + 7 : place + 9])
            return content[place + 4], height, width, content[place + 9]
        place += 2 + int.from_bytes(content[place + 2 : place + 4])
    return None
