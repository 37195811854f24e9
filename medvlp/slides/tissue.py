"""Find tissue on a slide's overview with rules of optics and size; fast, without weights.

1. Stain: where the channels absorb differently, more than noise and more than the blur of a
   stronger neighbour. Glass, dust and shadows are grey, whatever their brightness.
2. Walls: thin dark lines on a light ground, the membranes of fat, which is too pale for rule 1.
3. Gaps that see tissue in most directions (lumens, fat cells) are filled; specks and lines go.
4. Pen marks on glass are left out; under ink that crosses tissue there is tissue.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from scipy import ndimage

from medvlp.slides.ink import find_ink
from medvlp.slides.overview import MAX_OVERVIEW_PX, Overview, read_overview
from medvlp.slides.regions import (
    close_mask,
    drop_small,
    drop_unmarked,
    fill_holes,
    fill_surrounded,
    nearest_outside,
    open_mask,
)
from medvlp.slides.staining import estimate_glass_rgb, local_detail, optical_density

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medvlp.slides.protocol import SlideReader

__all__ = ["TissueConfig", "TissueMask", "find_slide_tissue", "find_tissue"]

_EDGE_SHARE = 0.4
_WALL_EDGE_SHARE = 0.2
"""Stain and walls must be this share as strong as the strongest neighbour: what is weaker is its
blurred edge."""

_NOISE_FACTOR = 6.0
_SECTION_DETAIL = 0.006
_BESIDE_UM = 60.0
_SEEN_THROUGH = 0.25
"""A section goes on under ink if it prevails within this distance beside it and this share of its
detail is seen through the ink. Stain with less detail is no section, but the ink's blurred edge."""


@dataclass(frozen=True, kw_only=True)
class TissueConfig:
    """How tissue is found; lengths are physical, so they hold for every scanner."""

    mpp: float = 8.0
    """Micrometres per pixel at which tissue is found; finer overviews are shrunk to it."""

    smallest_thumbnail_px: int = 512
    """Longer side of the overview of a small slide, in pixels, so that it can be looked at."""

    stain_od: float = 0.03
    """Least difference of optical density between channels that counts as stain."""

    wall_od: float = 0.006
    """Least optical density of a fat cell's wall above its surroundings."""

    wall_um: float = 48.0
    """Thickest wall, in micrometres; wider dark structures are no walls."""

    close_um: float = 32.0
    """Cracks up to twice this width are closed, in micrometres."""

    gap_um: float = 110.0
    """How far a gap looks for tissue, in micrometres: the size of lumens and fat cells."""

    gap_directions: int = 7
    """Directions, of eight, in which a gap must see tissue."""

    speck_um: float = 16.0
    """Parts thinner than this are dropped, in micrometres."""

    piece_mm2: float = 0.02
    """Smallest piece of tissue, in square millimetres."""

    piece_stain: float = 0.05
    """Least share of a piece's area that is stained; dust and drops have walls, but no stain."""

    hole_mm2: float = 0.05
    """Largest hole that is filled, in square millimetres."""

    tissue_under_ink: bool = True
    """Whether ink that crosses tissue counts as tissue; ink on glass never does."""

    def __post_init__(self) -> None:
        """Check that all sizes can be sizes."""
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, bool) and not (math.isfinite(value) and value > 0):
                msg = f"{field.name} must be a positive number, got {value}"
                raise ValueError(msg)
        if self.gap_directions > 8:
            msg = f"gap_directions must be 1 to 8, got {self.gap_directions}"
            raise ValueError(msg)

    def parameters(self) -> dict[str, object]:
        """Return all settings as plain values, for hashing and for feature files."""
        return asdict(self)


@dataclass(frozen=True)
class TissueMask:
    """Where tissue is.

    Attributes:
        mask: True where tissue is, shape ``(rows, cols)``, bool; covers the whole level 0.
        px0_per_px: ``(x, y)`` level-0 pixels per mask pixel.
    """

    mask: NDArray[np.bool_]
    px0_per_px: tuple[float, float]

    @property
    def share(self) -> float:
        """Share of the slide that is tissue, 0 to 1."""
        return float(self.mask.mean())


def find_slide_tissue(
    reader: SlideReader, config: TissueConfig | None = None
) -> tuple[Overview, TissueMask]:
    """Read a slide's overview and find the tissue on it.

    Where the overview does not decode, nobody can say that there is no tissue: those places count
    as tissue, so that their tiles are planned, tried, and listed if they do not decode either.

    Args:
        reader: The open slide.
        config: Settings.

    Returns:
        The overview and the mask, of the same size.

    Raises:
        SlideError: MV1203 or MV1204 if the scale of the slide is not known.
    """
    config = config or TissueConfig()
    mpp_x, mpp_y = reader.mpp_xy
    longest_um = max(reader.size_px0[0] * mpp_x, reader.size_px0[1] * mpp_y)
    longest_px = max(config.smallest_thumbnail_px, round(longest_um / config.mpp))
    overview = read_overview(reader, min(longest_px, MAX_OVERVIEW_PX))
    px0_x, px0_y = overview.px0_per_px
    found = find_tissue(overview.rgb, (mpp_x * px0_x, mpp_y * px0_y), config)
    return overview, TissueMask(found.mask | ~overview.readable, overview.px0_per_px)


def find_tissue(
    thumbnail_rgb: NDArray[np.uint8],
    mpp_xy: tuple[float, float],
    config: TissueConfig | None = None,
    *,
    px0_per_px: tuple[float, float] = (1.0, 1.0),
) -> TissueMask:
    """Find tissue on a picture of a whole slide.

    Args:
        thumbnail_rgb: Picture, shape ``(H, W, 3)``, uint8, glass white.
        mpp_xy: ``(x, y)`` micrometres per pixel of the picture.
        config: Settings.
        px0_per_px: ``(x, y)`` level-0 pixels per pixel of the picture, passed on to the mask.

    Returns:
        Mask of the size of the picture; all False where there is no tissue.
    """
    config = config or TissueConfig()
    height, width = thumbnail_rgb.shape[:2]
    shrink = max(1.0, config.mpp / max(mpp_xy))
    size_px = (max(1, round(width / shrink)), max(1, round(height / shrink)))
    working = np.asarray(Image.fromarray(thumbnail_rgb).resize(size_px, Image.Resampling.BOX))
    um_per_px = math.sqrt(mpp_xy[0] * mpp_xy[1]) * math.sqrt(
        (width * height) / (size_px[0] * size_px[1])
    )
    found = _find_at_scale(working, um_per_px, config)
    if size_px != (width, height):
        found = np.asarray(Image.fromarray(found).resize((width, height), Image.Resampling.NEAREST))
    return TissueMask(found, px0_per_px)


def _find_at_scale(
    rgb: NDArray[np.uint8], um_per_px: float, config: TissueConfig
) -> NDArray[np.bool_]:
    """Find tissue at the working scale, where one pixel is ``um_per_px`` micrometres."""
    density = optical_density(rgb, estimate_glass_rgb(rgb))
    ink = find_ink(density, um_per_px)
    stain = _find_stain(density, config) & ~ink
    seen = stain | (_find_walls(density, um_per_px, config) & ~ink)
    tissue = _shape(seen, um_per_px, config)
    if config.tissue_under_ink and ink.any() and not ink.all():
        detail = local_detail(density.mean(axis=0), um_per_px)
        section = tissue & ~ink & ~(stain & (detail < _SECTION_DETAIL))
        under = ink & _goes_on_under(ink, section, detail, um_per_px)
        tissue = _shape(seen | under, um_per_px, config)
    else:
        tissue &= ~ink
    px_per_mm2 = 1e6 / um_per_px**2
    tissue = drop_small(tissue, config.piece_mm2 * px_per_mm2)
    tissue = drop_unmarked(tissue, stain, config.piece_stain)
    return fill_holes(tissue, config.hole_mm2 * px_per_mm2)


def _shape(seen: NDArray[np.bool_], um_per_px: float, config: TissueConfig) -> NDArray[np.bool_]:
    """Fill cracks and lumens, then drop lines and specks."""
    closed = close_mask(seen, round(config.close_um / um_per_px))
    filled = fill_surrounded(closed, round(config.gap_um / um_per_px), config.gap_directions)
    return open_mask(filled, round(config.speck_um / 2 / um_per_px))


def _find_stain(density: NDArray[np.float32], config: TissueConfig) -> NDArray[np.bool_]:
    """Return where the channels differ, without the blurred edges of stronger pixels."""
    colour = density.max(axis=0) - density.min(axis=0)
    stronger = ndimage.maximum_filter(colour, 3)
    least = max(config.stain_od, _noise_floor(colour))
    return np.asarray((colour > least) & (colour > _EDGE_SHARE * stronger))


def _find_walls(
    density: NDArray[np.float32], um_per_px: float, config: TissueConfig
) -> NDArray[np.bool_]:
    """Return thin structures that are darker than both their sides (top-hat of the green density).

    Steps of brightness, such as the seams of a scanned field, have no second side and do not count.
    """
    green = density[1]
    side = 2 * math.ceil(config.wall_um / 2 / um_per_px) + 1
    ground = ndimage.maximum_filter(ndimage.minimum_filter(green, side), side)
    wall = green - ground
    least = max(config.wall_od, _noise_floor(wall))
    stronger = ndimage.maximum_filter(green, 3)
    return np.asarray((wall > least) & (green > _WALL_EDGE_SHARE * stronger))


def _noise_floor(values: NDArray[np.float32]) -> float:
    """Return what noise on glass reaches, from the spread of the emptiest quarter of the picture.

    Where even that quarter is coloured there is no glass to learn from, and no floor.
    """
    quarter, half = np.percentile(values, [10, 25])
    return float(half + _NOISE_FACTOR * (half - quarter)) if half < 0.01 else 0.0


def _goes_on_under(
    ink: NDArray[np.bool_],
    section: NDArray[np.bool_],
    detail: NDArray[np.float32],
    um_per_px: float,
) -> NDArray[np.bool_]:
    """Return, for pixels of ink, whether the section beside them goes on under them.

    It does where sections prevail around the nearest place without ink and the ink shows at least a
    part of their detail; ink on glass is smooth, and through opaque ink nothing can be seen.
    """
    sigma_px = max(1.0, _BESIDE_UM / um_per_px)
    clear = ndimage.gaussian_filter((~ink).astype(np.float32), sigma_px)
    near = ndimage.gaussian_filter(section.astype(np.float32), sigma_px)
    detail_near = ndimage.gaussian_filter(detail * section, sigma_px) / np.maximum(near, 1e-6)
    nearest = nearest_outside(ink)
    prevails = near > 0.5 * clear
    return np.asarray(prevails[nearest] & (detail > _SEEN_THROUGH * detail_near[nearest]))
