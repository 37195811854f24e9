"""Masks of whole slides, as images of any resolution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from medvlp.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["read_mask"]

_MAX_PIXELS = 2**28
_ASPECT_TOLERANCE = 0.02


def read_mask(
    path: Path, size_px0: tuple[int, int]
) -> tuple[NDArray[np.bool_], tuple[float, float]]:
    """Read a mask that covers a whole slide.

    Args:
        path: An image (PNG, TIFF); a pixel counts where any of its colours is not zero.
        size_px0: (width, height) of the slide in level-0 pixels.

    Returns:
        The mask, shape ``(rows, cols)``, and the level-0 pixels per mask pixel, (x, y).

    Raises:
        DataError: MV1524 if the file is no image, is too large, or has other proportions than the
            slide.
    """
    try:
        with Image.open(path) as image:
            width, height = image.size
            if width * height > _MAX_PIXELS:
                raise _bad(path, f"it has {width} x {height} pixels", f"at most {_MAX_PIXELS}")
            pixels = np.asarray(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise _bad(path, f"it cannot be read as an image ({error})", "a PNG or TIFF") from error
    factors = (size_px0[0] / width, size_px0[1] / height)
    slack = _ASPECT_TOLERANCE + 1 / min(width, height)
    if abs(factors[0] / factors[1] - 1) > slack:
        raise _bad(
            path,
            f"it has {width} x {height} pixels and the slide {size_px0[0]} x {size_px0[1]}",
            "a mask of the whole slide",
        )
    region = pixels != 0
    return (region.any(axis=2) if region.ndim == 3 else region), factors


def _bad(path: Path, what: str, expected: str) -> DataError:
    return DataError("MV1524", f"mask {path}: {what}", expected=expected)
