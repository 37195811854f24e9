"""Read a whole slide small, in bounded memory, and remember which parts do not decode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from medvlp.errors import SlideError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from medvlp.slides.protocol import SlideReader

__all__ = ["MAX_OVERVIEW_PX", "Overview", "read_overview"]

_OVERSAMPLING = 2
"""Source pixels per side of an overview pixel, at least: JPEG rings over 8 pixels around every
edge, and averaging takes most of that away."""

_BLOCK_PX = 2048
_SMALLEST_BLOCK_PX = 256
MAX_OVERVIEW_PX = 16_384
"""Longest side of an overview, in pixels."""

_MAX_FAILURES = 400


@dataclass(frozen=True)
class Overview:
    """A slide at low resolution.

    Attributes:
        rgb: Pixels, shape ``(H, W, 3)``, uint8; white where the slide does not decode.
        readable: False where at least one source pixel does not decode, shape ``(H, W)``, bool.
        px0_per_px: ``(x, y)`` level-0 pixels per overview pixel.
    """

    rgb: NDArray[np.uint8]
    readable: NDArray[np.bool_]
    px0_per_px: tuple[float, float]


def read_overview(reader: SlideReader, longest_px: int) -> Overview:
    """Read the whole slide at a given size, block by block.

    A level at least twice as fine as wanted is averaged over whole pixels and then resized to the
    exact size, so that a slide of one huge level needs no more memory than a pyramid.

    Args:
        reader: The open slide.
        longest_px: Longer side of the result, in pixels; never more than the slide has.

    Returns:
        The overview in the frame of the whole level 0.

    Raises:
        ValueError: If ``longest_px`` is not from 1 to 16384.
    """
    if not 1 <= longest_px <= MAX_OVERVIEW_PX:
        msg = f"longest_px must be 1 to {MAX_OVERVIEW_PX}, got {longest_px}"
        raise ValueError(msg)
    width_px0, height_px0 = reader.size_px0
    scale = max(1.0, max(reader.size_px0) / longest_px)
    out_px = (max(1, round(width_px0 / scale)), max(1, round(height_px0 / scale)))
    level = max(
        (i for i, down in enumerate(reader.level_downsamples) if down * _OVERSAMPLING <= scale),
        default=0,
    )
    level_px = reader.level_sizes_px[level]
    factor = max(1, min(level_px[0] // out_px[0], level_px[1] // out_px[1]))
    canvas = Image.new("RGB", (-(-level_px[0] // factor), -(-level_px[1] // factor)), (255,) * 3)
    bad = Image.new("L", canvas.size, 0)
    for box, block in _read_blocks(reader, level, factor):
        corner = (box[0] // factor, box[1] // factor)
        if block is None:
            bad.paste(255, (*corner, -(-box[2] // factor), -(-box[3] // factor)))
        else:
            canvas.paste(Image.fromarray(block).reduce(factor), corner)
    exact = (0.0, 0.0, level_px[0] / factor, level_px[1] / factor)
    rgb = canvas.resize(out_px, Image.Resampling.BILINEAR, box=exact)
    spoilt = bad.resize(out_px, Image.Resampling.BILINEAR, box=exact)
    return Overview(
        rgb=np.asarray(rgb),
        readable=np.asarray(spoilt) == 0,
        px0_per_px=(width_px0 / out_px[0], height_px0 / out_px[1]),
    )


def _read_blocks(
    reader: SlideReader, level: int, factor: int
) -> Iterator[tuple[tuple[int, int, int, int], NDArray[np.uint8] | None]]:
    """Yield boxes ``(left, top, right, bottom)`` in level pixels with their pixels, or None.

    A block that does not decode is split in four, down to about the size of a compressed tile, so
    that one damaged tile does not hide its surroundings.
    """
    width, height = reader.level_sizes_px[level]
    side = max(1, _BLOCK_PX // factor) * factor
    smallest = max(1, _SMALLEST_BLOCK_PX // factor) * factor
    failures = 0
    pending = [
        (left, top, min(left + side, width), min(top + side, height), side)
        for top in reversed(range(0, height, side))
        for left in reversed(range(0, width, side))
    ]
    while pending:
        left, top, right, bottom, block_side = pending.pop()
        downsample = reader.level_downsamples[level]
        origin_px0 = (round(left * downsample), round(top * downsample))
        box = (left, top, right, bottom)
        try:
            yield box, reader.read_rgb(origin_px0, level, (right - left, bottom - top))
        except SlideError as error:
            if error.code != "MV1206":
                raise
            failures += 1
            half = block_side // 2 // factor * factor
            if half < smallest or failures > _MAX_FAILURES:
                yield box, None
                continue
            pending.extend(
                (x, y, min(x + half, right), min(y + half, bottom), half)
                for y in reversed(range(top, bottom, half))
                for x in reversed(range(left, right, half))
            )
