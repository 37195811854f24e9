"""Look at one slide before encoding it: scale, tissue and tile plan, in one worker process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from medvlp.io import content_sha256, json_sha256
from medvlp.slides.reader import open_slide
from medvlp.slides.tiling import TilePlan, TilingConfig, plan_tiles
from medvlp.slides.tissue import TissueConfig, TissueMask, find_slide_tissue

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from medvlp.slides.overview import Overview

__all__ = ["SlideSurvey", "slide_content_sha256", "survey_slide"]


@dataclass(frozen=True, kw_only=True)
class SlideSurvey:
    """What is known of a slide before its tiles are read.

    Attributes:
        content_sha256: Hash of the slide's bytes, companions included.
        reader_id: Library and version that read it.
        vendor: Scanner format as the reader names it.
        size_px0: (width, height) in level-0 pixels.
        mpp_xy: Micrometres per level-0 pixel, (x, y).
        mpp_source: Where that scale was learnt.
        overview: The slide at low resolution.
        tissue: Mask in the frame of the overview.
        plan: Tiles to read, level-0 coordinates.
    """

    content_sha256: str
    reader_id: str
    vendor: str
    size_px0: tuple[int, int]
    mpp_xy: tuple[float, float]
    mpp_source: str
    overview: Overview
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
        slide_mpp: Micrometres per level-0 pixel given by the user, used where the slide's
            metadata states none, or None.
        tiling: Scale, size, overlap and least tissue of the tiles.
        tissue: Settings of the tissue finder.

    Returns:
        The survey; a slide without tissue has a plan without tiles.

    Raises:
        SlideError: If the slide cannot be opened, has no scale, or is coarser than asked.
    """
    content = slide_content_sha256(path, companions)
    with open_slide(path, fallback_mpp=slide_mpp) as reader:
        scale = reader.scale
        overview, mask = find_slide_tissue(reader, tissue)
        return SlideSurvey(
            content_sha256=content,
            reader_id=reader.reader_id,
            vendor=reader.vendor,
            size_px0=reader.size_px0,
            mpp_xy=scale.mpp_xy,
            mpp_source=scale.source,
            overview=overview,
            tissue=mask,
            plan=plan_tiles(reader, mask, tiling),
        )


def slide_content_sha256(path: Path, companions: Sequence[Path]) -> str:
    """Hash the bytes of a slide and of the further files that belong to it.

    Args:
        path: Main file.
        companions: Further files that discovery found (levels of a DICOM slide).
    """
    own = content_sha256(path)
    if not companions:
        return own
    return json_sha256([own, *sorted(content_sha256(part) for part in companions)])
