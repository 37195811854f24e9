"""Images as they are put into shards; runs in worker processes, so no heavy imports."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image, UnidentifiedImageError

from medvlp.data.image_codec import decode_image, encode_image
from medvlp.errors import MedvlpError
from medvlp.pipelines.pairing.decoding import MAX_BYTES, UnusableImageError, decode_rgb
from medvlp.pixels import resize_rgb

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from medvlp.data.image_codec import Encoding
    from medvlp.pipelines.sharding.sources import ShardSample

__all__ = ["ReadyImage", "ready_images"]

_MAX_STORED = 64 * 2**20
_ORIENTATION = 0x0112


class ReadyImage(NamedTuple):
    """An image as it is stored, or why it is not.

    Attributes:
        content: Bytes of a JPEG or PNG file; empty where there is none.
        encoding: Which of them.
        size_px: (width, height).
        code: Code of what is wrong; empty for a good image.
        reason: What is wrong.
    """

    content: bytes
    encoding: Encoding
    size_px: tuple[int, int]
    code: str = ""
    reason: str = ""


def ready_images(
    samples: Sequence[ShardSample], encoding: Encoding, longest_px: int | None
) -> Iterator[ReadyImage]:
    """Read images, and decode every one; a usual JPEG or PNG is taken as it is.

    Args:
        samples: Where the images are.
        encoding: What other images are compressed as.
        longest_px: Larger images are scaled down to this longer side.

    Yields:
        One record for each sample, in order; a bad image is a record too.
    """
    for sample in samples:
        if sample.fault:
            what = f"{sample.place}: {sample.fault}"
            yield ReadyImage(b"", encoding, (0, 0), "MV1818", what)
            continue
        try:
            yield _ready(_read(sample), encoding, longest_px)
        except UnusableImageError as error:
            yield ReadyImage(b"", encoding, (0, 0), "MV1702", f"{sample.place}: {error}")


def _ready(content: bytes, encoding: Encoding, longest_px: int | None) -> ReadyImage:
    kind, size_px = _as_it_is(content)
    if kind is not None and max(size_px) <= (longest_px or max(size_px)):
        try:
            decode_image(content, "sample")
        except MedvlpError as error:
            raise UnusableImageError(error.what) from error
        return ReadyImage(content, kind, size_px)
    rgb = decode_rgb(content)
    longest = max(rgb.shape[:2])
    if longest_px is not None and longest > longest_px:
        width, height = (
            max(1, round(side * longest_px / longest)) for side in (rgb.shape[1], rgb.shape[0])
        )
        rgb = resize_rgb(rgb, (width, height), "bicubic")
    stored = encode_image(rgb, encoding)
    if len(stored) > _MAX_STORED:
        raise UnusableImageError(f"{len(stored)} bytes are too many for a sample")
    return ReadyImage(stored, encoding, (rgb.shape[1], rgb.shape[0]))


def _as_it_is(content: bytes) -> tuple[Encoding | None, tuple[int, int]]:
    """Return what a file is stored as without change, and its (width, height)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content), formats=("JPEG", "PNG")) as image:
                is_usual = image.mode in {"RGB", "L"} and not image.has_transparency_data
                is_upright = image.getexif().get(_ORIENTATION, 1) == 1
                kind: Encoding = "png" if image.format == "PNG" else "jpg"  # or MPO
                fits = is_usual and is_upright and len(content) <= _MAX_STORED
                return kind if fits else None, image.size
    except (UnidentifiedImageError, Image.DecompressionBombError):
        return None, (0, 0)
    except (OSError, ValueError, SyntaxError, KeyError) as error:
        raise UnusableImageError(str(error)[:200]) from error


def _read(sample: ShardSample) -> bytes:
    try:
        with sample.path.open("rb") as file:
            file.seek(sample.offset or 0)
            content = file.read(
                MAX_BYTES + 1 if sample.offset is None else min(sample.size, MAX_BYTES + 1)
            )
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else str(error)
        raise UnusableImageError(said or type(error).__name__) from error
    if len(content) > MAX_BYTES or (sample.offset is not None and len(content) != sample.size):
        raise UnusableImageError(f"{len(content)} bytes, which are too many or too few")
    return content
