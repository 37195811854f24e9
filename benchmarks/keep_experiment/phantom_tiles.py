"""Phantom tiles in bulk: regions seen several times over, each time with a caption of its own.

Every slide has its own staining; a region is a place in one tissue of one slide, and its tiles are
views of it that are shifted by a few pixels: near-duplicates. Captions are drawn one by one, and a
share of them tells of a tissue that is not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

from medvlp.phantoms.captions import caption_class
from medvlp.phantoms.classes import CLASSES
from medvlp.phantoms.stains import draw_staining
from medvlp.phantoms.textures import paint_texture

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LOOK_ALIKE", "TISSUES", "Errors", "PhantomTiles", "make_tiles", "write_captions"]

TISSUES = tuple(item.key for item in CLASSES if item.key != "glass")
"""Tissues in the order of their numbers here."""

LOOK_ALIKE = {
    "clear-cell": "small-cell",
    "small-cell": "clear-cell",
    "papillary": "glandular",
    "glandular": "papillary",
    "normal": "stroma",
    "stroma": "fat",
    "fat": "normal",
}
"""What a tissue is mistaken for where mistakes are always the same."""

Errors = Literal["any", "alike"]

_MPP = 2.0
_TEXTURE_PX = 256
_SHIFT_PX = 6


@dataclass(frozen=True)
class PhantomTiles:
    """Tiles with their truth.

    Attributes:
        images: Shape ``(N, H, W, 3)``, uint8.
        tissue: Index into :data:`TISSUES`, shape ``(N,)``, int64.
        region: Region of each tile, shape ``(N,)``, int64; neighbours in the array.
        slide: Slide of each tile, shape ``(N,)``, int64.
    """

    images: NDArray[np.uint8]
    tissue: NDArray[np.int64]
    region: NDArray[np.int64]
    slide: NDArray[np.int64]


@lru_cache(maxsize=2)
def make_tiles(
    seed: int, *, slides: int, regions: int, views: int, tile_px: int = 64
) -> PhantomTiles:
    """Paint slides and cut tiles; the last two results are kept, and are not to be changed.

    Args:
        seed: Decides everything.
        slides: Number of slides.
        regions: Regions of every tissue of every slide.
        views: Tiles of every region.
        tile_px: Side of a tile, at 2 micrometres per pixel.
    """
    images, tissues, slide_of = [], [], []
    for slide in range(slides):
        rng = np.random.default_rng((seed, slide))
        staining = draw_staining(rng)
        for number, key in enumerate(TISSUES):
            field = paint_texture(rng, key, _TEXTURE_PX, _MPP, staining)
            wrapped = np.pad(field, ((0, tile_px), (0, tile_px), (0, 0)), mode="wrap")
            for _ in range(regions):
                corner = rng.integers(_TEXTURE_PX - _SHIFT_PX, size=2)
                for shift in rng.integers(_SHIFT_PX + 1, size=(views, 2)):
                    top, left = corner + shift
                    images.append(wrapped[top : top + tile_px, left : left + tile_px])
                tissues += [number] * views
                slide_of += [slide] * views
    return PhantomTiles(
        images=np.stack(images),
        tissue=np.array(tissues, dtype=np.int64),
        region=np.arange(len(tissues), dtype=np.int64) // views,
        slide=np.array(slide_of, dtype=np.int64),
    )


def write_captions(
    tiles: PhantomTiles, seed: int, wrong_share: float, errors: Errors = "any"
) -> tuple[list[str], NDArray[np.int64]]:
    """Write one caption per tile.

    Args:
        tiles: The tiles.
        seed: Decides wording and errors.
        wrong_share: Share of captions that tell of another tissue.
        errors: Which one: ``any`` other tissue alike, or always its look-alike.

    Returns:
        Captions, and the tissue that each tells of, shape ``(N,)``, int64.
    """
    rng = np.random.default_rng((seed, 1))
    is_wrong = rng.random(len(tiles.tissue)) < wrong_share
    away = rng.integers(1, len(TISSUES), size=len(tiles.tissue))
    other = (tiles.tissue + away) % len(TISSUES)
    if errors == "alike":
        other = np.array([TISSUES.index(LOOK_ALIKE[key]) for key in TISSUES])[tiles.tissue]
    told = np.where(is_wrong, other, tiles.tissue)
    return [caption_class(rng, TISSUES[number]) for number in told.tolist()], told
