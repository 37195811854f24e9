"""Colours that readers with a colour vision deficiency can tell apart, the same in every output."""

from __future__ import annotations

import colorsys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["NEUTRAL_RGB", "RGB", "class_colours"]

RGB = tuple[int, int, int]

NEUTRAL_RGB: RGB = (178, 178, 178)

# Okabe and Ito 2008 without black, then those of Paul Tol's "muted" set that are not close to one
# of them. The reddish purple comes late: it is the hue of the stain itself.
_DISTINCT: tuple[RGB, ...] = (
    (213, 94, 0),
    (0, 114, 178),
    (240, 228, 66),
    (0, 158, 115),
    (230, 159, 0),
    (86, 180, 233),
    (204, 121, 167),
    (51, 34, 136),
    (17, 119, 51),
    (136, 34, 85),
    (153, 153, 51),
)
_GOLDEN_ANGLE_TURNS = 0.381966


def class_colours(class_names: Sequence[str], *, neutral: str | None = None) -> dict[str, RGB]:
    """Give each class a colour, by its place in the list.

    The first eleven are distinct under the common colour vision deficiencies; further ones step
    round the colour circle by the golden angle and are distinct to full colour vision only.

    Args:
        class_names: Names of the classes, in the order of the task.
        neutral: The class that stands for nothing found (normal tissue); it is grey.

    Returns:
        Colour of each class, red, green and blue in 0 to 255.

    Raises:
        ValueError: If a name occurs twice.
    """
    if len(set(class_names)) != len(class_names):
        raise ValueError(f"class names must be unique, got {list(class_names)!r}")
    coloured = [name for name in class_names if name != neutral]
    colours = {name: _colour(place) for place, name in enumerate(coloured)}
    return {name: colours.get(name, NEUTRAL_RGB) for name in class_names}


def _colour(place: int) -> RGB:
    if place < len(_DISTINCT):
        return _DISTINCT[place]
    extra = place - len(_DISTINCT)
    hue = (extra * _GOLDEN_ANGLE_TURNS) % 1.0
    lightness = (0.35, 0.55, 0.75)[extra % 3]
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.65)
    return round(255 * red), round(255 * green), round(255 * blue)
