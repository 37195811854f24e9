"""The coloured textures of one slide: painted once per class, cut at any offset and orientation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medvlp.phantoms.glands import draw_glandular, draw_normal, draw_papillary
from medvlp.phantoms.stains import colour_field
from medvlp.phantoms.tissues import draw_clear_cell, draw_fat, draw_small_cell, draw_stroma

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from medvlp.phantoms.cells import StainField
    from medvlp.phantoms.stains import Staining
    from medvlp.phantoms.windows import Box

__all__ = ["TextureBank", "paint_texture"]

_DRAW: dict[str, Callable[[np.random.Generator, int, float, float], StainField]] = {
    "clear-cell": draw_clear_cell,
    "papillary": draw_papillary,
    "small-cell": draw_small_cell,
    "glandular": draw_glandular,
    "normal": draw_normal,
    "stroma": draw_stroma,
    "fat": draw_fat,
}


def paint_texture(
    rng: np.random.Generator, key: str, side_px: int, mpp: float, staining: Staining
) -> NDArray[np.uint8]:
    """Paint a square of one tissue, or of bare glass.

    Args:
        rng: Source of randomness; it also varies the size of cells by some percent.
        key: ``TissueClass.key``.
        side_px: Side S of the square, a multiple of 4.
        mpp: Micrometres per pixel.
        staining: Dyes and light of the slide.

    Returns:
        Pixels ``(S, S, 3)``, uint8, RGB, that wrap around.
    """
    if key == "glass":
        glass = np.array(staining.glass, dtype=np.float32)
        noise = rng.standard_normal((side_px, side_px, 1), dtype=np.float32)
        return np.asarray(np.clip(glass + noise, 0, 255), dtype=np.uint8)
    size = float(np.clip(rng.normal(1.0, 0.07), 0.85, 1.2))
    return colour_field(rng, _DRAW[key](rng, side_px, mpp, size), staining)


class TextureBank:
    """Textures that wrap around, by class code, as planes (channel, row, col).

    Args:
        fields: For each class code its texture, ``(S, S, 3)`` uint8, that wraps around.
        reach_px: Longest side of a rectangle that is cut, in pixels.
    """

    def __init__(self, fields: dict[int, NDArray[np.uint8]], reach_px: int) -> None:
        """Pad every texture so that each cut is one slice of one array."""
        self._side = {code: field.shape[0] for code, field in fields.items()}
        gap = ((0, 0), (0, reach_px), (0, reach_px))
        self._views = {
            code: _orientations(np.pad(field.transpose(2, 0, 1), gap, mode="wrap"))
            for code, field in fields.items()
        }

    def cut(self, code: int, turn: int, offset_px: tuple[int, int], box: Box) -> NDArray[np.uint8]:
        """Return a view of a texture.

        Args:
            code: Class code.
            turn: Orientation, 0 to 7.
            offset_px: Shift of the texture (x, y), in pixels.
            box: The rectangle.

        Returns:
            Planes ``(3, height, width)``, uint8, not to be written to.
        """
        side = self._side[code]
        x, y = (box[0] + offset_px[0]) % side, (box[1] + offset_px[1]) % side
        return self._views[code][turn][:, y : y + box[3], x : x + box[2]]


def _orientations(planes: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    upright = np.ascontiguousarray(planes)
    turned = np.ascontiguousarray(planes.transpose(0, 2, 1))
    return [
        view[:, ::down, ::right]
        for view in (upright, turned)
        for down in (1, -1)
        for right in (1, -1)
    ]
