"""Look at one slide before encoding it: scale, tissue and tile plan, in one pass of a worker process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medvlp.io import content_sha256
from medvlp.slides.reader import open_slide
from medvlp.slides.tiling import TilePlan, TilingConfig, plan_tiles
from medvlp.slides.tissue import TissueConfig, TissueMask, find_tissue

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["SlideSurvey", "survey_slide"]


@dataclass(frozen=True, kw_only=True)
class SlideSurvey:
    """What is known of a slide before its tiles are read.

    Attributes:
        content_sha256: Hash of the slide's bytes, companions included.
        reader_id: Library and version that read it.
        vendor: Scanner format as the reader names it.
        size_px0: (width, height) in level-0 pixels.
        mpp_xy: Micrometres per level-0 pixel, (x, y).
        thumbnail: Overview, shape ``(H, W, 3)``, uint8.
        thumbnail_px0: Level-0 pixels per thumbnail pixel, (x, y).
        tissue: Mask in the frame of the thumbnail.
        plan: Tiles to read, level-0 coordinates.
    """

    content_sha256: str
    reader_id: str
    vendor: str
    size_px0: tuple[int, int]
    mpp_xy: tuple[float, float]
    thumbnail: NDArray[np.uint8]
    thumbnail_px0: tuple[float, float]
    tissue: TissueMask
    plan: TilePlan


def survey_slide(
    path: Path,
    companions: Sequence[Path],
    slide_mpp: float | None,
    tiling: TilingConfig,
    tissue: TissueConfig,
) -> SlideSurvey:
    """Open a slide, find its tissue and plan its tiles.

    Args:
        path: The slide.
        companions: Further files of the same slide, part of its content hash.
        slide_mpp: Micrometres per level-0 pixel given by the user, or None.
        tiling: Scale, size, overlap and least tissue of the tiles.
        tissue: Settings of the tissue finder.

    Returns:
        The survey; a slide without tissue has a plan without tiles.

    Raises:
        SlideError: If the slide cannot be opened, has no scale, or is coarser than asked.
    """
    content = content_sha256([path, *companions])
    with open_slide(path, slide_mpp=slide_mpp) as reader:
        longest_um = max(
            side * mpp for side, mpp in zip(reader.size_px0, reader.mpp_xy, strict=True)
        )
        thumbnail = reader.read_thumbnail(
            max(tissue.smallest_thumbnail_px, round(longest_um / tissue.thumbnail_mpp))
        )
        height, width = thumbnail.shape[:2]
        px0 = (reader.size_px0[0] / width, reader.size_px0[1] / height)
        mask = find_tissue(
            thumbnail, (reader.mpp_xy[0] * px0[0], reader.mpp_xy[1] * px0[1]), tissue
        )
        plan = plan_tiles(reader, mask, tiling)
        return SlideSurvey(
            content_sha256=content,
            reader_id=reader.reader_id,
            vendor=reader.vendor,
            size_px0=reader.size_px0,
            mpp_xy=reader.mpp_xy,
            thumbnail=thumbnail,
            thumbnail_px0=px0,
            tissue=mask,
            plan=plan,
        )
