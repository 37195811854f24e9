"""Decode a user's images and measure them; runs in worker processes, so no heavy imports."""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from medvlp.errors import DataError
from medvlp.pixels import prepare_image

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from medvlp.pipelines.pairing.settings import ImageQuality
    from medvlp.types import ImagePreprocessing

__all__ = [
    "MAX_BYTES",
    "ImageFacts",
    "UnusableImageError",
    "image_fault",
    "load_images",
    "survey_images",
]

_FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP")
_MAX_PIXELS = 64 * 2**20
MAX_BYTES = 512 * 2**20
"""Larger files are not read."""
_WHITE, _BLACK = 240, 15


class UnusableImageError(Exception):
    """An image that cannot be used; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """What is known of one image.

    Attributes:
        content_sha256: Hash of the file's bytes; empty where it cannot be read.
        size_px: (width, height); (0, 0) where it does not decode.
        reason: Why it is dropped; empty where it is good.
        detail: The measure behind the reason.
        rgb: Pixels at the encoder's input size, shape ``(S, S, 3)``, uint8; None where the image is
            dropped or no encoder asks.
    """

    content_sha256: str
    size_px: tuple[int, int]
    reason: str
    detail: str
    rgb: NDArray[np.uint8] | None


def survey_images(
    paths: Sequence[Path], settings: ImageQuality, preprocessing: ImagePreprocessing | None
) -> Iterator[ImageFacts]:
    """Decode and judge images one by one.

    Args:
        paths: The files.
        settings: What is asked of images.
        preprocessing: How an encoder wants its pixels; None where there is none.

    Yields:
        One record per file, in order; a bad file is a record too.
    """
    for path in paths:
        digest, size_px = "", (0, 0)
        try:
            content = _read(path)
            digest = hashlib.sha256(content).hexdigest()
            rgb = decode_rgb(content)
        except UnusableImageError as error:
            reason = "image does not decode" if digest else "image cannot be read"
            yield ImageFacts(
                content_sha256=digest, size_px=size_px, reason=reason, detail=str(error), rgb=None
            )
            continue
        reason, detail = image_fault(rgb, settings)
        wanted = preprocessing is not None and not reason
        yield ImageFacts(
            content_sha256=digest,
            size_px=(rgb.shape[1], rgb.shape[0]),
            reason=reason,
            detail=detail,
            rgb=prepare_image(rgb, preprocessing) if wanted and preprocessing else None,
        )


def load_images(
    paths: Sequence[Path], longest_px: int | None
) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Decode images that are known to be good.

    Args:
        paths: The files.
        longest_px: Larger images are scaled down to this longer side; None leaves them.

    Yields:
        Hash of the file's bytes and its pixels, shape ``(H, W, 3)``, uint8.

    Raises:
        DataError: If a file changed so that it does not decode any more (MV2138).
    """
    for path in paths:
        try:
            content = _read(path)
            rgb = decode_rgb(content)
        except UnusableImageError as error:
            raise DataError(
                "MV2138",
                f"{path} could be read a while ago and cannot be now: {error}",
                expected="images that stay as they are during a run",
            ) from error
        if longest_px is not None and max(rgb.shape[:2]) > longest_px:
            factor = longest_px / max(rgb.shape[:2])
            size_px = tuple(max(1, round(side * factor)) for side in (rgb.shape[1], rgb.shape[0]))
            small = Image.fromarray(rgb).resize(size_px, Image.Resampling.LANCZOS)
            rgb = np.asarray(small)
        yield hashlib.sha256(content).hexdigest(), rgb


def decode_rgb(content: bytes) -> NDArray[np.uint8]:
    """Decode an image of any kind of pixels, turned as its camera says, transparent parts white.

    Args:
        content: Bytes of a JPEG, PNG, TIFF, BMP or WebP file.

    Returns:
        Shape ``(H, W, 3)``, uint8.

    Raises:
        UnusableImageError: If the bytes do not decode as a whole, or the image is too large.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
                if image.width * image.height > _MAX_PIXELS:
                    raise UnusableImageError(f"{image.width} x {image.height} pixels are too many")
                return _to_rgb(ImageOps.exif_transpose(image))
    except UnidentifiedImageError as error:
        raise UnusableImageError(f"not one of {', '.join(_FORMATS)}") from error
    except (OSError, ValueError, TypeError, SyntaxError, KeyError, ArithmeticError) as error:
        raise UnusableImageError(_short(error)) from error
    except (Image.DecompressionBombError, MemoryError) as error:
        raise UnusableImageError(_short(error)) from error


def image_fault(rgb: NDArray[np.uint8], settings: ImageQuality) -> tuple[str, str]:
    """Say what is wrong with an image.

    Args:
        rgb: Shape ``(H, W, 3)``, uint8.
        settings: What is asked of images.

    Returns:
        A reason and its measure; empty where the image is good.
    """
    short, long = sorted(rgb.shape[:2])
    if short < settings.min_side_px:
        return "image too small", f"{rgb.shape[1]} x {rgb.shape[0]} px"
    if long > settings.max_aspect * short:
        return "image out of aspect", f"{rgb.shape[1]} x {rgb.shape[0]} px"
    step = max(1, short // 512)
    sample = rgb[::step, ::step]
    spread = float(sample.mean(axis=2).std())
    if spread < settings.min_std:
        return "image nearly constant", f"standard deviation {spread:.1f}"
    is_empty = (sample.min(axis=2) >= _WHITE) | (sample.max(axis=2) <= _BLACK)
    share = float(is_empty.mean())
    if share > settings.max_empty:
        return "image nearly empty", f"{share:.1%} white or black"
    return "", ""


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UnusableImageError(f"{path.stat().st_size} bytes are too many")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise UnusableImageError(_short(error)) from error


def _to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode.startswith("I;16") or image.mode in {"I", "F"}:
        values = np.asarray(image, dtype=np.float64)
        if not np.isfinite(values).all():
            raise UnusableImageError("pixels are NaN or infinite")
        top = max(float(values.max()), 255.0)
        grey = np.clip(values / (65535 if top > 255 else 255) * 255, 0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        paper = Image.new("RGBA", layered.size, (255, 255, 255, 255))
        image = Image.alpha_composite(paper, layered)
    return np.asarray(image.convert("RGB"))


def _short(error: BaseException) -> str:
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (said or type(error).__name__)[:200]
