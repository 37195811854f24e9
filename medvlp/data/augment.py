"""Change tiles at random without changing what they show.

A tile has no up and no left, and stains vary: so flips, quarter turns and slight changes of colour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from medvlp.config.strict import StrictModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["AugmentSettings", "augment_tile", "crop_tile"]

Share = Annotated[float, Field(ge=0, le=0.5)]


class AugmentSettings(StrictModel):
    """How tiles are changed in training.

    Attributes:
        turns: Whether to mirror and turn by quarters, each of the eight ways alike.
        contrast: Largest relative change of optical density, of all channels together.
        tint: Largest further relative change of optical density, of each channel on its own.
        brightness: Largest relative change of the light.
        random_crop: Whether the model's input is cut from a random place of the resized image, and
            not from its middle.
    """

    turns: bool = True
    contrast: Share = 0.1
    tint: Share = 0.05
    brightness: Share = 0.03
    random_crop: bool = False


def crop_tile(rgb: NDArray[np.uint8], side_px: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Cut a square out of an image, every place alike.

    Args:
        rgb: Image, shape ``(H, W, 3)``, uint8; not changed itself.
        side_px: Side of the square in pixels, at most H and W.
        rng: Where randomness comes from; always gives two draws.

    Returns:
        Shape ``(side_px, side_px, 3)``, uint8, C-contiguous.
    """
    top, left = (int(rng.integers(size - side_px + 1)) for size in rgb.shape[:2])
    return np.ascontiguousarray(rgb[top : top + side_px, left : left + side_px])


def augment_tile(
    rgb: NDArray[np.uint8], settings: AugmentSettings, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Change one tile.

    Colour follows Beer and Lambert: with transmittance t = value / 255, the changed value is
    255 * light * t ** density, so white stays white but for the light.

    Args:
        rgb: Square tile, shape ``(H, H, 3)``, uint8; not changed itself.
        settings: How much.
        rng: Where randomness comes from; always gives the same number of draws.

    Returns:
        Shape ``(H, H, 3)``, uint8, C-contiguous.
    """
    way = int(rng.integers(8))
    density = 1.0 + settings.contrast * rng.uniform(-1.0, 1.0)
    densities = density * (1.0 + settings.tint * rng.uniform(-1.0, 1.0, size=3))
    light = 1.0 + settings.brightness * rng.uniform(-1.0, 1.0)
    if settings.turns:
        rgb = np.rot90(rgb[:, ::-1] if way >= 4 else rgb, way % 4)
    changed = np.empty(rgb.shape, dtype=np.uint8)
    for channel in range(3):
        curve = 255.0 * light * _TRANSMITTANCE ** densities[channel]
        table = np.clip(np.rint(curve), 0, 255).astype(np.uint8)
        changed[..., channel] = table[rgb[..., channel]]
    return changed


_TRANSMITTANCE = np.arange(256) / 255.0
