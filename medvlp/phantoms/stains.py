"""How much each dye absorbs: from stain concentrations to the colours of one slide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medvlp.phantoms.cells import StainField

__all__ = ["Staining", "colour_field", "draw_staining"]

_HEMATOXYLIN = (0.5626, 0.7201, 0.4062)
_EOSIN = (0.2159, 0.8012, 0.5581)
_STEPS = 1024


@dataclass(frozen=True)
class Staining:
    """The stains, the light and the sharpness of one slide.

    Attributes:
        hematoxylin: Optical density (natural logarithm) per unit of concentration, (R, G, B).
        eosin: The same for eosin.
        glass: Colour of bare glass, (R, G, B), 0 to 255.
        focus_um: Standard deviation of the optical blur, in micrometres.
        grain: Standard deviation of the camera's noise, in grey levels.
    """

    hematoxylin: tuple[float, float, float]
    eosin: tuple[float, float, float]
    glass: tuple[float, float, float]
    focus_um: float = 0.3
    grain: float = 2.0


def _tilt(
    rng: np.random.Generator, vector: tuple[float, float, float], spread: float, strength: float
) -> tuple[float, float, float]:
    tilted = np.clip(np.array(vector) + rng.normal(0, spread, 3), 0.02, None)
    tilted *= strength / np.linalg.norm(tilted)
    return (float(tilted[0]), float(tilted[1]), float(tilted[2]))


def draw_staining(rng: np.random.Generator) -> Staining:
    """Draw the staining of one slide: hue and strength of both dyes vary as between laboratories.

    Args:
        rng: Source of randomness.
    """
    hema, eosin = np.exp(rng.normal(0.0, (0.34, 0.34))).clip(0.5, 1.7)
    shade = rng.normal(0, 2.0, 3)
    red, green, blue = (np.array([243.0, 242.0, 244.0]) + shade).clip(234, 250)
    return Staining(
        _tilt(rng, _HEMATOXYLIN, 0.08, float(hema)),
        _tilt(rng, _EOSIN, 0.08, float(eosin)),
        (float(red), float(green), float(blue)),
        focus_um=float(rng.uniform(0.2, 0.4)),
    )


def colour_field(
    rng: np.random.Generator, field: StainField, staining: Staining
) -> NDArray[np.uint8]:
    """Turn two stains into colours by the law of Lambert and Beer.

    Args:
        rng: Source of the camera's noise.
        field: Concentrations, ``(S, S)``.
        staining: Dyes of the slide.

    Returns:
        Colours ``(S, S, 3)``, uint8, RGB.
    """
    side = field.hematoxylin.shape[0]
    blur_px = staining.focus_um / field.mpp
    amounts = [
        ndimage.gaussian_filter(stain, blur_px, mode="wrap", truncate=3.0)
        for stain in (field.hematoxylin, field.eosin)
    ]
    codes = [np.clip(stain * (_STEPS / 4), 0, _STEPS - 1).astype(np.uint16) for stain in amounts]
    ramp = np.arange(_STEPS, dtype=np.float32) * np.float32(4 / _STEPS)
    noise = rng.standard_normal((side, side), dtype=np.float32) * np.float32(staining.grain)
    rgb = np.empty((side, side, 3), dtype=np.uint8)
    for channel in range(3):
        light = np.float32(staining.glass[channel]) * np.exp(
            -ramp * np.float32(staining.hematoxylin[channel])
        )
        colour = light[codes[0]]
        colour *= np.exp(-ramp * np.float32(staining.eosin[channel]))[codes[1]]
        colour += np.roll(noise, 37 * channel, axis=0)
        rgb[..., channel] = np.clip(colour, 3, 255)
    return rgb
