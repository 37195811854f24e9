"""Turn the map of a slide into pixels, one tile at a time.

A tile's pixels depend on its position only: any thread may paint it at any time, and the slide
comes out the same. Positions are level-0 pixels (x, y). Inside, images are planes (RGB, row, col)
uint8, several times faster to compose than interleaved pixels; finished tiles are (row, col, RGB).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from medvlp.phantoms.artefacts import add_fold, add_ink, sprinkle_dust
from medvlp.phantoms.noise import periodic_noise
from medvlp.phantoms.windows import open_window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medvlp.phantoms.artefacts import Artefacts
    from medvlp.phantoms.layout import Layout
    from medvlp.phantoms.textures import TextureBank
    from medvlp.phantoms.windows import Box, Window

__all__ = ["REACH_PX", "TILE_PX", "SlidePainter"]

TILE_PX = 256

_HALO_PX = 24
REACH_PX = TILE_PX + 2 * _HALO_PX
"""Longest side of a rectangle that is cut out of a texture."""

_N_CODES = 8
_GLASS_LOOKS = 4
_DIM_STEPS = 8
_NOISE_PX = 640
_BLEND_PX = 160

_CLEAR = 232.0
_VALUES = np.arange(256, dtype=np.float64)
_LOG_SLOPE = np.rint(
    np.clip(-_VALUES * np.log(np.maximum(_VALUES, 1) / _CLEAR), 0, 2 * _VALUES)
).astype(np.int16)
"""By how much a grey level falls where the section is twice as thick; clear glass stays clear."""


class SlidePainter:
    """Paints the tiles of one slide.

    Args:
        layout: Where the tissues lie.
        artefacts: What went wrong.
        bank: Textures of the slide, made for rectangles of ``REACH_PX``.
        px0_per_px: Side of a map pixel in level-0 pixels.
        mpp: Micrometres per level-0 pixel.
        rng: Source of randomness, used here and never afterwards.
    """

    def __init__(
        self,
        layout: Layout,
        artefacts: Artefacts,
        bank: TextureBank,
        *,
        px0_per_px: int,
        mpp: float,
        rng: np.random.Generator,
    ) -> None:
        """Draw what the tiles share: how textures are turned and shifted, noise, and light."""
        self._layout, self._artefacts, self._bank = layout, artefacts, bank
        self._step, self._mpp = px0_per_px, mpp
        self._patch = layout.lobules * _N_CODES + layout.labels
        n_patches = layout.n_lobules * _N_CODES
        self._turn = rng.integers(0, 8, n_patches)
        self._offset = rng.integers(0, 2**16, (n_patches, 2))
        noise = 0.22 * periodic_noise(rng, (_NOISE_PX, _NOISE_PX), max(9.0 / mpp, 4.0))
        self._noise = np.pad(noise, (0, REACH_PX), mode="wrap")
        self._slant = rng.uniform(-3.0, 3.0, 2)
        self._dither = rng.random((TILE_PX, TILE_PX))
        self._dusty = {tile for speck in artefacts.dust for tile in speck.tiles(TILE_PX)}

    def blank_key(self, x_px0: int, y_px0: int) -> tuple[int, int] | None:
        """Return what a tile of bare glass looks like, or None where there is more than glass.

        Tiles with equal keys have equal pixels.
        """
        window = self._window((x_px0, y_px0, TILE_PX, TILE_PX))
        if window.touches(self._layout.labels) or window.touches(self._artefacts.pen):
            return None
        if (x_px0 // TILE_PX, y_px0 // TILE_PX) in self._dusty:
            return None
        look = (x_px0 // TILE_PX * 7 + y_px0 // TILE_PX * 13) % _GLASS_LOOKS
        return look, self._dimming(x_px0, y_px0)

    def paint_blank(self, key: tuple[int, int]) -> NDArray[np.uint8]:
        """Return the tile of bare glass that a key stands for, ``(256, 256, 3)``."""
        look, dimming = key
        glass = self._bank.cut(0, look, (61 * look, 0), (0, 0, TILE_PX, TILE_PX))
        return self._finish(glass, dimming)

    def paint(self, x_px0: int, y_px0: int) -> NDArray[np.uint8]:
        """Return one tile with all artefacts, ``(256, 256, 3)``."""
        key = self.blank_key(x_px0, y_px0)
        if key is not None:
            return self.paint_blank(key)
        box = (x_px0, y_px0, TILE_PX, TILE_PX)
        window, wrong = self._window(box), self._artefacts
        rgb = self._tissue(box)
        if window.touches(wrong.fold):
            beside = (x_px0 + 3 * TILE_PX // 8, y_px0 + TILE_PX // 4, TILE_PX, TILE_PX)
            rgb = add_fold(rgb, self._tissue(beside), window.spread(window.cut(wrong.fold)))
        if window.touches(wrong.blur):
            rgb = self._blur(rgb, window)
        if window.touches(wrong.pen):
            streaks = np.clip(0.88 + 0.2 * self._noise_of(5, box), 0, 1)
            rgb = add_ink(rgb, wrong.ink, window.spread(window.cut(wrong.pen)) * streaks)
        if (x_px0 // TILE_PX, y_px0 // TILE_PX) in self._dusty:
            rgb = sprinkle_dust(rgb, wrong.dust, (x_px0, y_px0))
        return self._finish(rgb, self._dimming(x_px0, y_px0))

    def _window(self, box: Box) -> Window:
        return open_window(box, self._patch.shape, self._step)

    def _dimming(self, x_px0: int, y_px0: int) -> int:
        """Return how much weaker the light is here, in eighths of a grey level: a slight slope."""
        rows, cols = self._patch.shape
        x, y = x_px0 / (cols * self._step), y_px0 / (rows * self._step)
        levels = 3.0 + float(self._slant[0]) * (x - 0.5) + float(self._slant[1]) * (y - 0.5)
        return max(0, int(np.rint(levels * _DIM_STEPS)))

    def _finish(self, rgb: NDArray[np.uint8], dimming: int) -> NDArray[np.uint8]:
        """Dim planes and interleave them."""
        amount = np.floor(dimming / _DIM_STEPS + self._dither).astype(np.uint8)
        dimmed = rgb - np.minimum(rgb, amount)
        return np.stack([dimmed[0], dimmed[1], dimmed[2]], axis=-1)

    def _tissue(self, box: Box) -> NDArray[np.uint8]:
        """Compose textures by the map, with soft irregular borders, and vary the thickness."""
        rgb = np.empty((3, box[3], box[2]), dtype=np.uint8)
        self._compose(box, rgb)
        change = _LOG_SLOPE.take(rgb)
        change *= self._thickening(box)
        change >>= 7
        return (rgb - change).astype(np.uint8)

    def _compose(self, box: Box, out: NDArray[np.uint8]) -> None:
        """Fill a rectangle, quarter by quarter where several patches meet."""
        window = self._window(box)
        patches = window.cut(self._patch)
        present = np.unique(patches)
        x, y, width, height = box
        if len(present) == 1:
            out[:] = self._texture(int(present[0]), box)
        elif max(width, height) <= _BLEND_PX:
            out[:] = self._blend(present, patches, window)
        else:
            right, down = width // 2, height // 2
            for left, wide in ((0, right), (right, width - right)):
                for top, high in ((0, down), (down, height - down)):
                    part = out[:, top : top + high, left : left + wide]
                    self._compose((x + left, y + top, wide, high), part)

    def _texture(self, patch: int, box: Box) -> NDArray[np.uint8]:
        x, y = self._offset[patch].tolist()
        return self._bank.cut(patch % _N_CODES, int(self._turn[patch]), (x, y), box)

    def _blend(
        self, present: NDArray[np.int32], patches: NDArray[np.int32], window: Window
    ) -> NDArray[np.uint8]:
        width, height = window.box[2:]
        shares = window.spread((patches == present[:, None, None]).astype(np.float32))
        mixed = np.zeros((3, height, width), dtype=np.float32)
        total = np.full((height, width), 1e-12, dtype=np.float32)
        for patch, share in zip(present.tolist(), shares, strict=True):
            rough = share + self._noise_of(patch, window.box) * (4 * share * (1 - share))
            weight = np.square(np.square(np.square(np.maximum(rough, 0))))
            mixed += self._texture(patch, window.box) * weight
            total += weight
        mixed /= total
        return mixed.astype(np.uint8)

    def _noise_of(self, patch: int, box: Box) -> NDArray[np.float32]:
        x, y = (box[0] + patch * 389) % _NOISE_PX, (box[1] + patch * 211) % _NOISE_PX
        return self._noise[y : y + box[3], x : x + box[2]]

    def _thickening(self, box: Box) -> NDArray[np.int16]:
        """Return (thickness - 1) * 128, linear between corners of tiles, ``(height, width)``."""
        x, y, width, height = box
        rows, cols = self._patch.shape
        grid_x = np.arange(x // TILE_PX, (x + width) // TILE_PX + 2)
        grid_y = np.arange(y // TILE_PX, (y + height) // TILE_PX + 2)
        col = np.clip(grid_x * TILE_PX // self._step, 0, cols - 1)
        row = np.clip(grid_y * TILE_PX // self._step, 0, rows - 1)
        corner = (self._layout.thickness[np.ix_(row, col)] - 1) * 128
        low_y, part_y = np.divmod(np.arange(y, y + height) - grid_y[0] * TILE_PX, TILE_PX)
        low_x, part_x = np.divmod(np.arange(x, x + width) - grid_x[0] * TILE_PX, TILE_PX)
        share_x = (part_x / TILE_PX).astype(np.float32)[None, :]
        share_y = (part_y / TILE_PX).astype(np.float32)[:, None]
        line = corner[:, low_x] * (1 - share_x) + corner[:, low_x + 1] * share_x
        field = line[low_y] * (1 - share_y) + line[low_y + 1] * share_y
        return np.asarray(np.rint(field), dtype=np.int16)

    def _blur(self, rgb: NDArray[np.uint8], window: Window) -> NDArray[np.uint8]:
        x, y, width, height = window.box
        weight = window.spread(window.cut(self._artefacts.blur))
        wide = self._tissue(
            (x - _HALO_PX, y - _HALO_PX, width + 2 * _HALO_PX, height + 2 * _HALO_PX)
        )
        sigma = min(2.2 / self._mpp, _HALO_PX / 3)
        soft = ndimage.gaussian_filter(wide.astype(np.float32), (0, sigma, sigma), truncate=3.0)
        soft = soft[:, _HALO_PX:-_HALO_PX, _HALO_PX:-_HALO_PX]
        return np.asarray(rgb + weight * (soft - rgb), dtype=np.uint8)
