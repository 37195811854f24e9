"""Pictures as files and inside a page: pixels only, equal bytes for equal pixels."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from medvlp.io import publish_file

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["embed_picture", "save_png"]


def save_png(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write a picture as a PNG of pixels only: no date, no text, no EXIF.

    Equal pixels give equal bytes.

    Args:
        path: Where the file appears, at once and whole.
        picture: The picture, shape ``(H, W, 3)``, uint8.
    """
    with publish_file(path) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG", compress_level=6)


def embed_picture(path: Path, *, width_px: int, quality: int = 80) -> str:
    """Read a picture of a run folder and return it, not larger than asked, as a JPEG data URI.

    Args:
        path: A picture file that this package wrote.
        width_px: Largest width inside the page, in pixels, and half of the largest height; smaller
            pictures keep their size.
        quality: JPEG quality.

    Returns:
        ``data:image/jpeg;base64,...``
    """
    with Image.open(path) as picture:
        # through an array, or comments and EXIF of the file would come along
        rgb = Image.fromarray(np.asarray(picture.convert("RGB")))
    rgb.thumbnail((width_px, 2 * width_px), Image.Resampling.LANCZOS, reducing_gap=None)
    buffer = io.BytesIO()
    # 4:4:4, or coloured letters and tile edges bleed
    rgb.save(buffer, format="JPEG", quality=quality, subsampling=0, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
