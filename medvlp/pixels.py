"""Resize and crop RGB images exactly as PIL does, so that features equal those of plain scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medvlp.types import ImagePreprocessing, Interpolation

__all__ = ["fit_image", "prepare_image", "resize_rgb"]

_FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


def resize_rgb(
    rgb: NDArray[np.uint8], size_px: tuple[int, int], interpolation: Interpolation
) -> NDArray[np.uint8]:
    """Resize with PIL's antialiased filter; a no-op where the size already fits.

    Args:
        rgb: Image, shape ``(H, W, 3)``, uint8.
        size_px: Wanted ``(width, height)`` in pixels.
        interpolation: ``bicubic`` or ``bilinear``.

    Returns:
        Image of shape ``(height, width, 3)``, uint8.
    """
    if (rgb.shape[1], rgb.shape[0]) == size_px:
        return rgb
    return np.asarray(Image.fromarray(rgb).resize(size_px, _FILTERS[interpolation]))


def prepare_image(rgb: NDArray[np.uint8], wanted: ImagePreprocessing) -> NDArray[np.uint8]:
    """Bring an image to an encoder's input size: shorter side resized, centre cropped.

    Sizes and offsets follow torchvision's ``Resize`` and ``CenterCrop`` on a PIL image, so that
    the pixels equal those of an encoder's published transform. Scaling and normalisation are left
    to the device that runs the encoder.

    Args:
        rgb: Image, shape ``(H, W, 3)``, uint8.
        wanted: The encoder's preprocessing.

    Returns:
        Image of shape ``(input_px, input_px, 3)``, uint8, C-contiguous.
    """
    return np.ascontiguousarray(fit_image(rgb, wanted))


def fit_image(rgb: NDArray[np.uint8], wanted: ImagePreprocessing) -> NDArray[np.uint8]:
    """Return what :func:`prepare_image` returns, as a part of a larger image where that will do.

    Args:
        rgb: Image, shape ``(H, W, 3)``, uint8.
        wanted: The encoder's preprocessing.

    Returns:
        Image of shape ``(input_px, input_px, 3)``, uint8; it may share memory with ``rgb``.
    """
    height, width = rgb.shape[:2]
    if width <= height:
        size_px = (wanted.resize_px, int(wanted.resize_px * height / width))
    else:
        size_px = (int(wanted.resize_px * width / height), wanted.resize_px)
    resized = resize_rgb(rgb, size_px, wanted.interpolation)
    top = round((resized.shape[0] - wanted.input_px) / 2.0)
    left = round((resized.shape[1] - wanted.input_px) / 2.0)
    return resized[top : top + wanted.input_px, left : left + wanted.input_px]
