"""Open a slide and read pixels; OpenSlide stands behind a protocol, other decoders can follow.

Label, macro and description of a slide are never touched: they may name a patient.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

import numpy as np
import openslide
from PIL import Image

from medvlp.errors import SlideError
from medvlp.slides.overview import read_overview
from medvlp.slides.protocol import SlideReader
from medvlp.slides.refusals import check_slide_file, explain_refusal
from medvlp.slides.scale import Scale, find_scale

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

__all__ = ["OpenSlideReader", "SlideReader", "open_slide"]

_MAX_REGION_PX = 2**28
_WHITE = (255, 255, 255)


class OpenSlideReader:
    """A slide read through OpenSlide; safe to share between threads.

    A failed read leaves an OpenSlide handle unusable, for other threads too. So a read that fails
    is tried once more on a handle of its own: only if that fails as well are the pixels
    undecodable.

    Args:
        path: Main file of the slide.
        slide_mpp: Micrometres per level-0 pixel that replace the metadata.
        fallback_mpp: Micrometres per level-0 pixel for a slide whose metadata has none.

    Raises:
        SlideError: MV1201, MV1202 or MV1208 if the file cannot be opened.
    """

    def __init__(
        self, path: Path, *, slide_mpp: float | None = None, fallback_mpp: float | None = None
    ) -> None:
        """Open the file; its arguments are those of the class."""
        self.path = path
        self.reader_id = f"openslide {openslide.__library_version__}"
        self._slide_mpp = slide_mpp
        self._fallback_mpp = fallback_mpp
        self._lock = threading.Lock()
        check_slide_file(path)
        self._slide = self._open()
        try:
            self._properties = dict(self._slide.properties)
            self.size_px0 = self._slide.dimensions
            self.level_downsamples = self._slide.level_downsamples
            self.level_sizes_px = self._slide.level_dimensions
        except openslide.OpenSlideError as error:
            raise explain_refusal(path, str(error)) from error
        self.vendor = self._properties.get("openslide.vendor", "unknown")

    def _open(self) -> openslide.OpenSlide:
        try:
            return openslide.OpenSlide(self.path)
        except openslide.OpenSlideError as error:
            raise explain_refusal(self.path, str(error)) from error

    @property
    def bounds_px0(self) -> tuple[int, int, int, int]:
        """Scanned part of the slide: ``(x, y, width, height)`` in level-0 pixels."""
        width, height = self.size_px0
        x = _whole_number(self._properties, "openslide.bounds-x", 0, width)
        y = _whole_number(self._properties, "openslide.bounds-y", 0, height)
        return (
            x,
            y,
            _whole_number(self._properties, "openslide.bounds-width", width - x, width - x),
            _whole_number(self._properties, "openslide.bounds-height", height - y, height - y),
        )

    @property
    def scale(self) -> Scale:
        """Micrometres per level-0 pixel and where they were learnt; SlideError MV1203 or MV1204."""
        return find_scale(
            self._properties,
            self.path.name,
            given_mpp=self._slide_mpp,
            fallback_mpp=self._fallback_mpp,
        )

    @property
    def mpp_xy(self) -> tuple[float, float]:
        """``(x, y)`` micrometres per level-0 pixel; SlideError MV1203 or MV1204."""
        return self.scale.mpp_xy

    def read_rgb(
        self, origin_px0: tuple[int, int], level: int, size_px: tuple[int, int]
    ) -> NDArray[np.uint8]:
        """Read a region; what was not scanned is white, as glass is.

        Args:
            origin_px0: Top-left corner ``(x, y)`` in level-0 pixels.
            level: Pyramid level to read from.
            size_px: ``(width, height)`` in pixels of that level.

        Returns:
            Pixels of shape ``(height, width, 3)``, uint8, sRGB as stored.

        Raises:
            ValueError: If level or size cannot be read by any slide.
            SlideError: MV1206 if the region does not decode; the reader stays usable.
        """
        if not 0 <= level < len(self.level_sizes_px):
            msg = f"level must be 0 to {len(self.level_sizes_px) - 1}, got {level}"
            raise ValueError(msg)
        if min(size_px) < 1 or size_px[0] * size_px[1] > _MAX_REGION_PX:
            msg = f"size_px must hold 1 to {_MAX_REGION_PX} pixels, got {size_px}"
            raise ValueError(msg)
        slide = self._slide
        try:
            region = slide.read_region(origin_px0, level, size_px)
        except openslide.OpenSlideError:
            self._replace(slide)
            region = self._read_alone(origin_px0, level, size_px)
        return _over_white(region)

    def _replace(self, failed: openslide.OpenSlide) -> None:
        """Put a fresh handle in place of a failed one, unless another thread already did."""
        with self._lock:
            if self._slide is failed:
                self._slide = self._open()

    def _read_alone(
        self, origin_px0: tuple[int, int], level: int, size_px: tuple[int, int]
    ) -> Image.Image:
        try:
            with self._open() as slide:
                return slide.read_region(origin_px0, level, size_px)
        except openslide.OpenSlideError as error:
            raise SlideError(
                "MV1206",
                f"{self.path.name}: the region at {origin_px0}, level {level}, size {size_px} "
                f"does not decode: {str(error).replace(str(self.path), self.path.name)}",
                hint="the file is damaged there; copy it again if it should be whole",
            ) from error

    def read_thumbnail(self, longest_px: int) -> NDArray[np.uint8]:
        """Read the whole slide small; what does not decode is white.

        Args:
            longest_px: Longer side of the result, in pixels; never more than the slide has.

        Returns:
            Pixels of shape ``(H, W, 3)``, uint8.
        """
        return read_overview(self, longest_px).rgb

    def close(self) -> None:
        """Give the file back."""
        self._slide.close()

    def __enter__(self) -> Self:
        """Return the reader itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the reader."""
        self.close()


def open_slide(
    path: Path, *, slide_mpp: float | None = None, fallback_mpp: float | None = None
) -> OpenSlideReader:
    """Open a slide with the decoder that suits it.

    Args:
        path: Main file of the slide.
        slide_mpp: Micrometres per level-0 pixel stated for this slide; it replaces the metadata,
            and :attr:`SlideReader.scale` then says ``given``.
        fallback_mpp: Micrometres per level-0 pixel for slides whose metadata states none (or an
            implausible one); metadata goes first.

    Returns:
        An open reader; use it in a ``with`` statement.

    Raises:
        SlideError: MV1201 if no decoder knows the file, MV1202 if it is empty, cut off or a
            placeholder, MV1208 if it is not there or cannot be read.
    """
    return OpenSlideReader(path, slide_mpp=slide_mpp, fallback_mpp=fallback_mpp)


def _over_white(region: Image.Image) -> NDArray[np.uint8]:
    """Turn RGBA into RGB; transparent pixels become white, as OpenSlide's own thumbnails do it."""
    if region.getchannel("A").getextrema() == (255, 255):
        return np.asarray(region.convert("RGB"))
    canvas = Image.new("RGB", region.size, _WHITE)
    canvas.paste(region, None, region)
    return np.asarray(canvas)


def _whole_number(properties: dict[str, str], key: str, default: int, highest: int) -> int:
    """Return a property as an integer up to ``highest``; ``default`` where it is no number."""
    text = properties.get(key, "")
    return min(int(text), highest) if text.isdecimal() else default
