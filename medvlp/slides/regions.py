"""Shape operations on masks of a slide; lengths in mask pixels, masks ``(row, col)`` bool."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

__all__ = [
    "close_mask",
    "connected_to",
    "drop_small",
    "drop_unmarked",
    "erode_mask",
    "fill_holes",
    "fill_surrounded",
    "grow_mask",
    "nearest_outside",
    "open_mask",
]

_DIRECTIONS = ((0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1))


def grow_mask(mask: Mask, radius: int) -> Mask:
    """Return the mask grown on all sides by ``radius`` pixels, rounded to an octagon."""
    grown = mask
    for step in range(radius):
        grown = _grow_once(grown, diagonal=step % 2 == 1)
    return grown


def erode_mask(mask: Mask, radius: int) -> Mask:
    """Return the mask shrunk by ``radius`` pixels; what lies beyond the picture counts as mask."""
    return ~grow_mask(~mask, radius)


def close_mask(mask: Mask, radius: int) -> Mask:
    """Return the mask with gaps up to ``2 * radius`` pixels wide closed."""
    return erode_mask(grow_mask(mask, radius), radius) | mask


def open_mask(mask: Mask, radius: int) -> Mask:
    """Return the mask without parts thinner than ``2 * radius + 1`` pixels."""
    return grow_mask(erode_mask(mask, radius), radius) & mask


def fill_surrounded(mask: Mask, reach: int, least: int) -> Mask:
    """Add the pixels that see the mask in most of eight directions.

    A lumen or a fat cell is surrounded by tissue even where its wall is broken; a notch in an
    outline is open to one side.

    Args:
        mask: Tissue.
        reach: How far to look, in pixels.
        least: Directions, of eight, in which the mask must be met within ``reach``.
    """
    seen = np.zeros(mask.shape, np.uint8)
    for step in _DIRECTIONS:
        length = float(np.hypot(*step))
        seen += _met_along(mask, step, max(1, round(reach / length)))
    return mask | (seen >= least)


def connected_to(seeds: Mask, mask: Mask) -> Mask:
    """Return the parts of the mask that touch a seed.

    Args:
        seeds: Where to start.
        mask: What may be reached.
    """
    labels, count = ndimage.label(mask | seeds)
    reached = np.zeros(count + 1, np.bool_)
    reached[labels[seeds]] = True
    reached[0] = False
    return np.asarray(reached[labels] & mask)


def drop_small(mask: Mask, least_px: float) -> Mask:
    """Return the mask without connected parts of fewer than ``least_px`` pixels."""
    labels, _ = ndimage.label(mask)
    kept = np.bincount(labels.ravel()) >= least_px
    kept[0] = False
    return np.asarray(kept[labels])


def drop_unmarked(mask: Mask, marks: Mask, least_share: float) -> Mask:
    """Return the mask without connected parts of which too little is marked.

    Args:
        mask: Parts.
        marks: What should lie in them.
        least_share: Share of a part's area, 0 to 1.
    """
    labels, _ = ndimage.label(mask)
    area = np.bincount(labels.ravel())
    marked = np.bincount(labels[marks], minlength=len(area))
    kept = marked >= least_share * area
    kept[0] = False
    return np.asarray(kept[labels])


def fill_holes(mask: Mask, most_px: float) -> Mask:
    """Return the mask with enclosed holes of at most ``most_px`` pixels filled."""
    labels, _ = ndimage.label(~mask)
    small = np.bincount(labels.ravel()) <= most_px
    small[0] = False
    # What touches the border of the picture is outside, not a hole.
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        small[edge] = False
    return np.asarray(mask | small[labels])


def nearest_outside(mask: Mask) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return, for every pixel, row and column of the nearest pixel outside the mask.

    Args:
        mask: At least one pixel must be False.
    """
    rows, cols = ndimage.distance_transform_edt(mask, return_distances=False, return_indices=True)
    return rows, cols


def _grow_once(mask: Mask, *, diagonal: bool) -> Mask:
    """Grow by one pixel: to the four neighbours, or to all eight."""
    grown = mask.copy()
    grown[1:] |= mask[:-1]
    grown[:-1] |= mask[1:]
    source = grown.copy() if diagonal else mask
    grown[:, 1:] |= source[:, :-1]
    grown[:, :-1] |= source[:, 1:]
    return grown


def _met_along(mask: Mask, step: tuple[int, int], count: int) -> Mask:
    """Return where the mask is met within ``count`` steps, in about log2(count) passes."""
    met = _shifted(mask, step, 1)
    covered = 1
    while covered < count:
        more = min(covered, count - covered)
        met = met | _shifted(met, step, more)
        covered += more
    return met


def _shifted(mask: Mask, step: tuple[int, int], times: int) -> Mask:
    """Return ``out[p] = mask[p + times * step]``, False beyond the picture."""
    out = np.zeros_like(mask)
    to, source = [], []
    for side, delta in zip(mask.shape, (step[0] * times, step[1] * times), strict=True):
        if abs(delta) >= side:
            return out
        to.append(slice(max(0, -delta), side - max(0, delta)))
        source.append(slice(max(0, delta), side + min(0, delta)))
    out[tuple(to)] = mask[tuple(source)]
    return out
