"""Where a model looked for a finding, drawn over the radiograph.

The picture stands twice: as it is, and with what the model attended to. Colour says how much of the
attention lies at a place; the outline holds the given share of all of it, the cross its peak.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from PIL import Image

from medvlp.reporting.legends import ColourBar, LegendItem, Swatch, add_legend

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medvlp.reporting.palette import RGB

__all__ = ["OUTLINED_SHARE", "draw_grounding"]

OUTLINED_SHARE = 0.5
"""Share of the attention that the outline holds."""

_OUTLINE_RGB: RGB = (60, 190, 255)
_PEAK_RGB: RGB = (255, 80, 60)
_GAP_PX = 8


def draw_grounding(
    picture: NDArray[np.floating],
    attention: NDArray[np.floating],
    *,
    title: str,
    colour_map: str = "magma",
    alpha: float = 0.55,
    height_px: int = 512,
) -> NDArray[np.uint8]:
    """Draw a radiograph beside the same with the attention over it.

    Args:
        picture: The radiograph as displayed, shape ``(H, W)``, 0 to 1.
        attention: How much the model attended to each pixel, shape ``(H, W)``, at least 0; only
            its proportions count.
        title: What was looked for; no name of a patient or a file belongs here.
        colour_map: A perceptually uniform colour map of matplotlib.
        alpha: Share of the colour where the attention is greatest, 0 to 1.
        height_px: Height of the drawn radiograph.

    Returns:
        The picture with its legend, shape ``(H', W', 3)``, uint8.

    Raises:
        ValueError: If a shape is wrong or the attention is negative or not finite.
    """
    if picture.ndim != 2 or picture.shape != attention.shape:
        raise ValueError(f"picture {picture.shape} and attention {attention.shape} must be (H, W)")
    if not (np.isfinite(attention).all() and (attention >= 0).all()):
        raise ValueError("attention must be finite and at least 0")
    height, width = picture.shape
    shown = (max(1, round(width * height_px / height)), height_px)
    grey = _resize(picture, shown)
    heat = _resize(attention / max(float(attention.max()), 1e-12), shown).clip(0, 1)
    table = _colour_table(colour_map)
    plain = np.repeat((grey.clip(0, 1) * 255 + 0.5).astype(np.uint8)[..., None], 3, axis=2)
    colour = table[(heat * (len(table) - 1)).round().astype(np.int64)]
    share = (alpha * heat)[..., None]
    tinted = (share * colour + (1 - share) * plain + 0.5).astype(np.uint8)
    items: list[LegendItem] = [ColourBar(table=table, low="least", high="most attention")]
    if attention.max() > 0:
        tinted[_outline(heat)] = _OUTLINE_RGB
        _mark_peak(tinted, heat)
        items += [
            Swatch(
                label=f"{OUTLINED_SHARE:.0%} of the attention", colour=_OUTLINE_RGB, style="outline"
            ),
            Swatch(label="its peak", colour=_PEAK_RGB),
        ]
    gap = np.full((height_px, _GAP_PX, 3), 255, dtype=np.uint8)
    both = np.concatenate([plain, gap, tinted], axis=1)
    return add_legend(both, title, items)


def _resize(values: NDArray[np.floating], size_xy: tuple[int, int]) -> NDArray[np.float32]:
    image = Image.fromarray(values.astype(np.float32), mode="F")
    return np.asarray(image.resize(size_xy, Image.Resampling.BILINEAR))


def _colour_table(name: str) -> NDArray[np.uint8]:
    steps = matplotlib.colormaps[name](np.linspace(0.0, 1.0, 256), bytes=True)
    return np.asarray(steps)[:, :3].astype(np.uint8)


def _outline(heat: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return the rim of the smallest region that holds the outlined share of the attention."""
    ranked = np.sort(heat, axis=None)[::-1]
    held = np.cumsum(ranked, dtype=np.float64)
    least = ranked[int(np.searchsorted(held, OUTLINED_SHARE * held[-1]))]
    held_in = np.pad(heat >= least, 1)
    deep = held_in[:-2, 1:-1] & held_in[2:, 1:-1] & held_in[1:-1, :-2] & held_in[1:-1, 2:]
    rim: NDArray[np.bool_] = held_in[1:-1, 1:-1] & ~deep
    return rim


def _mark_peak(picture: NDArray[np.uint8], heat: NDArray[np.float32]) -> None:
    """Draw a cross where the attention is greatest."""
    row, col = np.unravel_index(int(heat.argmax()), heat.shape)
    arm = max(4, picture.shape[0] // 64)
    picture[max(0, row - arm) : row + arm + 1, max(0, col - 1) : col + 2] = _PEAK_RGB
    picture[max(0, row - 1) : row + 2, max(0, col - arm) : col + arm + 1] = _PEAK_RGB
