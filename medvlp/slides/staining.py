"""How much light a slide takes away: the colour of bare glass, and optical density against it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["DEFAULT_GLASS_RGB", "estimate_glass_rgb", "optical_density"]

DEFAULT_GLASS_RGB = (245.0, 245.0, 245.0)
"""Assumed where a slide shows no glass; scanners put it at 235 to 250."""

_COLOURLESS = 25
"""Largest difference between the channels of glass, in grey levels."""

_DARKEST_GLASS = 150
_SMALLEST_SHARE = 0.005


def estimate_glass_rgb(rgb: NDArray[np.uint8]) -> tuple[float, float, float]:
    """Estimate the colour of bare glass: the median of the bright, colourless pixels.

    Bright means within 15 % of the brightest colourless pixels, so that a dim lamp does no harm.

    Args:
        rgb: Overview of a slide, shape ``(H, W, 3)``, uint8.

    Returns:
        ``(R, G, B)``, 0 to 255; :data:`DEFAULT_GLASS_RGB` where less than 0.5 % of the picture
        could be glass.
    """
    darkest = rgb.min(axis=2)
    colourless = rgb.max(axis=2) - darkest < _COLOURLESS
    levels = darkest[colourless & (darkest > _DARKEST_GLASS)]
    if levels.size < _SMALLEST_SHARE * darkest.size:
        return DEFAULT_GLASS_RGB
    bright = colourless & (darkest > max(_DARKEST_GLASS, 0.85 * float(np.percentile(levels, 99))))
    red, green, blue = np.median(rgb[bright], axis=0).tolist()
    return red, green, blue


def optical_density(
    rgb: NDArray[np.uint8], glass_rgb: tuple[float, float, float]
) -> NDArray[np.float32]:
    """Return how much each pixel absorbs: ``log10((glass + 1) / (rgb + 1))``, not below 0.

    Args:
        rgb: Picture, shape ``(H, W, 3)``, uint8.
        glass_rgb: Colour of bare glass, 0 to 255.

    Returns:
        Optical density (base 10) of red, green and blue, shape ``(H, W, 3)``, float32, 0 to 2.4.

    Source:
        Beer-Lambert law; Ruifrok and Johnston 2001, eq. 1, with 1 added against the logarithm of
        zero.
    """
    # One table per channel: 256 logarithms instead of one per pixel.
    levels = np.log10(np.arange(1, 257, dtype=np.float32))
    tables = np.log10(np.array(glass_rgb, np.float32) + 1)[:, None] - levels
    tables = np.maximum(tables, 0).astype(np.float32)
    return np.stack([tables[channel][rgb[..., channel]] for channel in range(3)], axis=2)
