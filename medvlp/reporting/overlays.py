"""Heat maps and class maps of a slide's tiles over its thumbnail.

The tissue under the tiles is shown in grey, so that a colour on the map always is the colour of the
legend and never a mixture with the stain. Tiles that could not be read are hatched, never coloured.

Letters: H W thumbnail rows and columns; N tiles; K classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib
import numpy as np

from medvlp.reporting.legends import ColourBar, LegendItem, ScaleBar, Swatch, add_legend
from medvlp.reporting.palette import class_colours
from medvlp.reporting.rasters import average_tiles, count_tiles, vote_tiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from medvlp.reporting.palette import RGB
    from medvlp.reporting.rasters import SlideOverview, TileLayout

__all__ = [
    "COLOUR_MAPS",
    "draw_class_map",
    "draw_heatmap",
]

COLOUR_MAPS = ("viridis", "cividis", "inferno", "magma", "plasma")
"""Perceptually uniform colour maps: equal steps of value look equal, also in grey print."""

_OUTLINE_RGB: RGB = (60, 64, 67)
_UNREAD_RGB: RGB = (150, 30, 60)
_HATCH_STEP_PX = 6


def draw_heatmap(
    overview: SlideOverview,
    tiles: TileLayout,
    values: NDArray[np.floating],
    *,
    title: str,
    colour_map: str = "viridis",
    alpha: float = 0.7,
    value_range: tuple[float, float] = (0.0, 1.0),
) -> NDArray[np.uint8]:
    """Draw one value per tile over the thumbnail; where tiles overlap, their mean.

    Args:
        overview: The slide.
        tiles: Where the tiles lie.
        values: One finite value per tile, shape ``(N,)``; values outside of the range take the
            colour of its end.
        title: What the values are; no name of a patient or a file belongs here.
        colour_map: One of `COLOUR_MAPS`.
        alpha: Share of the colour in the mixture with the grey tissue, 0 to 1.
        value_range: Values at the two ends of the colour bar, low and high.

    Returns:
        The picture with its legend, shape ``(H + legend, max(W, 420), 3)``, uint8.

    Raises:
        ValueError: If a shape, the range, alpha or the name of the colour map is wrong.
    """
    if colour_map not in COLOUR_MAPS:
        raise ValueError(f"colour_map must be one of {COLOUR_MAPS}, got {colour_map!r}")
    low, high = value_range
    if not low < high:
        raise ValueError(f"value_range must be (low, high) with low < high, got {value_range}")
    mean, count = average_tiles(overview, tiles, values)
    table = _colour_table(colour_map)
    place = np.clip((mean - low) / (high - low), 0.0, 1.0) * (len(table) - 1)
    picture = _tint(overview.thumbnail_rgb, table[place.round().astype(np.int64)], count > 0, alpha)
    bar = ColourBar(table=table, low=f"{low:g}", high=f"{high:g}")
    return _finish(overview, tiles, picture=picture, covered=count > 0, title=title, items=[bar])


def draw_class_map(
    overview: SlideOverview,
    tiles: TileLayout,
    labels: NDArray[np.integer],
    class_names: Sequence[str],
    *,
    title: str,
    neutral: str | None = None,
    alpha: float = 0.7,
) -> NDArray[np.uint8]:
    """Draw the class of each tile over the thumbnail; where tiles overlap, the most frequent class.

    Args:
        overview: The slide.
        tiles: Where the tiles lie.
        labels: Place of each tile's class in ``class_names``, shape ``(N,)``.
        class_names: Names of the K classes, in the order of the task.
        title: What the classes are.
        neutral: The class that stands for nothing found; it is grey.
        alpha: Share of the colour in the mixture with the grey tissue, 0 to 1.

    Returns:
        The picture with its legend, shape ``(H + legend, max(W, 420), 3)``, uint8. The legend lists
        the classes that occur, with their share of the tiles.

    Raises:
        ValueError: If a shape, a label or alpha is wrong.
    """
    winner = vote_tiles(overview, tiles, labels, len(class_names))
    colours = class_colours(class_names, neutral=neutral)
    table = np.array([colours[name] for name in class_names], dtype=np.uint8).reshape(-1, 3)
    covered = winner >= 0
    colour = np.zeros((*winner.shape, 3), dtype=np.uint8)
    colour[covered] = table[winner[covered]]
    picture = _tint(overview.thumbnail_rgb, colour, covered, alpha)
    share = np.bincount(labels, minlength=len(class_names)) / max(1, len(labels))
    swatches: list[LegendItem] = [
        Swatch(label=f"{name} {_percent(part)}", colour=colours[name])
        for name, part in zip(class_names, share, strict=True)
        if part > 0
    ]
    return _finish(overview, tiles, picture=picture, covered=covered, title=title, items=swatches)


def _colour_table(name: str) -> NDArray[np.uint8]:
    steps = matplotlib.colormaps[name](np.linspace(0.0, 1.0, 256), bytes=True)
    return np.asarray(steps)[:, :3].astype(np.uint8)


def _tint(
    thumbnail: NDArray[np.uint8],
    colour: NDArray[np.uint8],
    where: NDArray[np.bool_],
    alpha: float,
) -> NDArray[np.uint8]:
    """Mix a colour with the grey tissue where tiles are; leave the rest as it is."""
    if not 0.0 <= alpha <= 1.0:
        raise ValueError(f"alpha must lie in 0 to 1, got {alpha}")
    grey = thumbnail.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    mixed = alpha * colour + (1.0 - alpha) * grey[..., None]
    return np.where(where[..., None], np.floor(mixed + 0.5), thumbnail).astype(np.uint8)


def _finish(
    overview: SlideOverview,
    tiles: TileLayout,
    *,
    picture: NDArray[np.uint8],
    covered: NDArray[np.bool_],
    title: str,
    items: Sequence[LegendItem],
) -> NDArray[np.uint8]:
    legend = list(items)
    if overview.tissue_mask is not None:
        picture[_outline(overview, overview.tissue_mask)] = _OUTLINE_RGB
        legend.append(Swatch(label="tissue", colour=_OUTLINE_RGB, style="outline"))
    failed = tiles.failed_coords_px0
    if failed is not None and len(failed):
        unread = (count_tiles(overview, failed, tiles.tile_px0) > 0) & ~covered
        rows, cols = np.indices(unread.shape)
        picture[unread & ((rows + cols) % _HATCH_STEP_PX < 2)] = _UNREAD_RGB
        label = f"not readable ({len(failed)} of {len(failed) + len(tiles.coords_px0)} tiles)"
        legend.append(Swatch(label=label, colour=_UNREAD_RGB, style="hatch"))
    if overview.mpp_xy is not None:
        legend.append(ScaleBar(um_per_px=overview.mpp_xy[0] * overview.px0_per_px[0]))
    return add_legend(picture, title, legend)


def _outline(overview: SlideOverview, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the rim of the tissue on the thumbnail: tissue pixels beside a pixel that is not."""
    height, width = overview.thumbnail_rgb.shape[:2]
    mask_scale = overview.tissue_px0_per_px or overview.px0_per_px
    cols = ((np.arange(width) + 0.5) * overview.px0_per_px[0] / mask_scale[0]).astype(np.int64)
    rows = ((np.arange(height) + 0.5) * overview.px0_per_px[1] / mask_scale[1]).astype(np.int64)
    inside = (rows < mask.shape[0])[:, None] & (cols < mask.shape[1])
    tissue = mask[np.ix_(rows.clip(max=mask.shape[0] - 1), cols.clip(max=mask.shape[1] - 1))]
    tissue = np.pad(tissue & inside, 1)
    inner = tissue[:-2, 1:-1] & tissue[2:, 1:-1] & tissue[1:-1, :-2] & tissue[1:-1, 2:]
    rim: NDArray[np.bool_] = tissue[1:-1, 1:-1] & ~inner
    return rim


def _percent(part: float) -> str:
    return "<1 %" if part < 0.01 else f"{100 * part:.0f} %"
