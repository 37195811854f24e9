"""Find pen marks by what they absorb: dyes of pens and dyes of stains differ in hue.

Hematoxylin, eosin and diaminobenzidine all take away green or blue light first. Green and blue inks
take away red; red ink takes away blue as much as green, and hardly any red; black ink takes away
all alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from medvlp.slides.regions import close_mask, grow_mask, open_mask

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["find_ink"]

_LEAST_OD = 0.2
"""Optical density of the thinnest ink that is looked for."""

_COLD = 1.15
"""Red over green density of green and blue ink, at least; hematoxylin stays below 1.05."""

_RED_BLUE = (0.8, 1.25)
_RED_RED = 0.33
_RED_LEAST_OD = 0.35
"""Red ink: blue over green density (eosin: 0.4 to 0.75), red over green at most, least green."""

_BLACK_SPREAD = 0.2
_BLACK_LEAST_OD = 0.3
_OPAQUE_OD = 0.95
"""Black ink: difference of the channels over the densest one, least mean density; and the mean
density above which nothing is seen through, whatever its hue."""

_STAIN_SHARE = 0.5
_STAIN_CONTRAST = 0.04
"""A hue that most of the coloured area has, with structure in it, is the stain of this slide
(Giemsa, Papanicolaou, blue counterstain) and no ink. Contrast: standard deviation of density over
40 um."""

_THINNEST_STROKE_UM = 48.0
_HALO_UM = 100.0


def find_ink(density: NDArray[np.float32], um_per_px: float) -> NDArray[np.bool_]:
    """Find pen marks, over glass and over tissue.

    Args:
        density: Optical density of red, green and blue, shape ``(H, W, 3)``, float32.
        um_per_px: Side of a pixel in micrometres.

    Returns:
        Mask of ink with its blurred edges, shape ``(H, W)``, bool.
    """
    red, green, blue = (density[..., channel] for channel in range(3))
    mean = density.mean(axis=2)
    densest = density.max(axis=2)
    spread = densest - density.min(axis=2)
    colour_area = int((densest > _LEAST_OD).sum())
    cold_hue = red > _COLD * green
    red_hue = (
        (blue > _RED_BLUE[0] * green) & (blue < _RED_BLUE[1] * green) & (red < _RED_RED * green)
    )
    strong = {
        "cold": cold_hue & (red > _LEAST_OD),
        "red": red_hue & (green > _RED_LEAST_OD),
        "black": ((spread < _BLACK_SPREAD * densest) & (mean > _BLACK_LEAST_OD))
        | (mean > _OPAQUE_OD),
    }
    radius = round(_THINNEST_STROKE_UM / 2 / um_per_px)
    ink = np.zeros(mean.shape, np.bool_)
    for candidate in strong.values():
        strokes = open_mask(close_mask(candidate, max(1, radius // 2)), max(1, radius))
        if not _is_stain(strokes, colour_area, mean, um_per_px):
            ink |= strokes
    # The blurred edge of a stroke keeps its hue while it fades.
    halo = grow_mask(ink, max(1, round(_HALO_UM / um_per_px)))
    faded = halo & (cold_hue | red_hue) & (densest > 0.03)
    return np.asarray(grow_mask(ink, max(1, radius)) | faded)


def _is_stain(
    strokes: NDArray[np.bool_],
    colour_area: int,
    mean: NDArray[np.float32],
    um_per_px: float,
) -> bool:
    area = int(strokes.sum())
    if area == 0 or area < _STAIN_SHARE * colour_area:
        return False
    side = 2 * max(1, round(20.0 / um_per_px)) + 1
    average = ndimage.uniform_filter(mean, side)
    variance = ndimage.uniform_filter(mean * mean, side) - average * average
    contrast = float(np.median(np.sqrt(np.maximum(variance[strokes], 0.0))))
    return contrast > _STAIN_CONTRAST
