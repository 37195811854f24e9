"""Find pen marks by what they absorb: dyes of pens and dyes of stains differ in hue.

Hematoxylin, eosin and diaminobenzidine all take away green or blue light first. Green and blue inks
take away red; red ink takes away blue as much as green, and hardly any red; black ink takes away
all alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from medvlp.slides.regions import close_mask, connected_to, grow_mask, open_mask
from medvlp.slides.staining import local_detail

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
_OPAQUE_OD = 0.75
"""Black ink: difference of the channels over the densest one, least mean density; and the mean
density (less than a fifth of the light) that whole strokes have and stained sections do not,
whatever the hue."""

_SMOOTH_BLUE = (0.74, 1.25)
_SMOOTH_RED = 0.7
_SMOOTH_LEAST_OD = 0.05
_SMOOTH_DETAIL = 0.004
"""Ink out of focus, as on a cover slip: hues from red to maroon without any detail. Hues of eosin
and hematoxylin are left alone, because cartilage and mucin are smooth too. Detail: mean deviation
of density from its surroundings, over 72 um."""

_STAIN_SHARE = 0.5
_STAIN_CONTRAST = 0.04
"""A hue that most of the coloured area has, with structure in it, is the stain of this slide
(Giemsa, Papanicolaou, blue counterstain) and no ink. Contrast: standard deviation of density over
40 um."""

_THINNEST_STROKE_UM = 48.0
_FADED_OD = 0.03
_EDGE_UM = 150.0
_EDGE_DETAIL = 0.012
"""The blurred edge of a stroke: how far it reaches, and the detail it has at most (sections: 0.013
and more)."""


def find_ink(density: NDArray[np.float32], um_per_px: float) -> NDArray[np.bool_]:
    """Find pen marks, over glass and over tissue.

    Args:
        density: Optical density, planes of red, green and blue, shape ``(3, H, W)``, float32.
        um_per_px: Side of a pixel in micrometres.

    Returns:
        Mask of ink with its blurred edges, shape ``(H, W)``, bool.
    """
    red, green, blue = density
    mean = density.mean(axis=0)
    nothing = np.zeros(mean.shape, np.bool_)
    densest = density.max(axis=0)
    spread = densest - density.min(axis=0)
    cold_hue = (red > _COLD * green) & (densest > _FADED_OD)
    red_hue = _is_between(blue, _RED_BLUE, green) & (red < _RED_RED * green)
    smooth_hue = _is_between(blue, _SMOOTH_BLUE, green) & (red < _SMOOTH_RED * green)
    neutral = spread < _BLACK_SPREAD * densest
    detail = local_detail(mean, um_per_px)
    # Each kind of ink, and what belongs to its strokes where they fade out.
    kinds = (
        (cold_hue & (red > _LEAST_OD), cold_hue),
        (red_hue & (green > _RED_LEAST_OD), nothing),
        ((neutral & (mean > _BLACK_LEAST_OD)) | (mean > _OPAQUE_OD), nothing),
        (smooth_hue & (green > _SMOOTH_LEAST_OD) & (detail < _SMOOTH_DETAIL), nothing),
    )
    colour_area = int((densest > _LEAST_OD).sum())
    radius = max(1, round(_THINNEST_STROKE_UM / 2 / um_per_px))
    ink = nothing
    for core, fading in kinds:
        strokes = open_mask(close_mask(core, max(1, radius // 2)), radius)
        if strokes.any() and not _is_stain(strokes, colour_area, mean, um_per_px):
            ink = ink | strokes | connected_to(strokes, fading)
    if not ink.any():
        return nothing
    edge = grow_mask(ink, max(1, round(_EDGE_UM / um_per_px))) & (densest > _FADED_OD)
    faded = connected_to(ink, edge & (red_hue | (detail < _EDGE_DETAIL)))
    return np.asarray(grow_mask(ink, radius) | faded)


def _is_between(
    values: NDArray[np.float32], limits: tuple[float, float], of: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Return where values lie between two shares of other values."""
    return np.asarray((values > limits[0] * of) & (values < limits[1] * of))


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
