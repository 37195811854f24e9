"""Turn the map of a slide into pixels, one rectangle at a time.

A rectangle's pixels depend on its position only: any thread may draw it at any time, and the slide
comes out the same. Positions are level-0 pixels (x, y); images are (row, col, RGB) uint8.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medvlp.phantoms.artefacts import Artefacts
    from medvlp.phantoms.layout import Layout

__all__ = ["TILE_PX", "SlidePainter", "TextureBank"]

TILE_PX = 256
_HALO_PX = 24
_REACH_PX = TILE_PX + 2 * _HALO_PX
_GLASS_VARIANTS = 4

_VALUES = np.arange(256, dtype=np.float64)
_LOG_SLOPE = np.rint(
    np.minimum(-_VALUES * np.log(np.maximum(_VALUES, 1) / 255), 2 * _VALUES)
).astype(np.int16)


class TextureBank:
    """Coloured textures of one slide, ready to be cut at any offset in eight orientations.

    Args:
        fields: For each class code the texture's variants, each ``(S, S, 3)`` uint8, that wrap around.
    """

    def __init__(self, fields: dict[int, list[NDArray[np.uint8]]]) -> None:
        self._views: dict[int, list[list[NDArray[np.uint8]]]] = {}
        self._side: dict[int, int] = {}
        for code, variants in fields.items():
            self._side[code] = variants[0].shape[0]
            padded = [
                np.pad(field, ((0, _REACH_PX), (0, _REACH_PX), (0, 0)), mode="wrap")
                for field in variants
            ]
            self._views[code] = [_orientations(field) for field in padded]

    def cut(
        self, code: int, stretch: tuple[int, int, int, int], box: tuple[int, int, int, int]
    ) -> NDArray[np.uint8]:
        """Return a view of a texture.

        Args:
            code: Class code.
            stretch: Variant, orientation, and offsets (x, y) in pixels; taken modulo what exists.
            box: ``(x, y, width, height)`` in level-0 pixels.
        """
        side, variants = self._side[code], self._views[code]
        view = variants[stretch[0] % len(variants)][stretch[1] % 8]
        x, y = (box[0] + stretch[2]) % side, (box[1] + stretch[3]) % side
        return view[y : y + box[3], x : x + box[2]]


def _orientations(field: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    turned = field.transpose(1, 0, 2)
    return [
        view[::down, ::right]
        for view in (field, np.ascontiguousarray(turned))
        for down in (1, -1)
        for right in (1, -1)
    ]


@dataclass(frozen=True)
class _Cell:
    """A rectangle in pixels and the part of the maps that covers it with a margin of one."""

    box: tuple[int, int, int, int]
    rows: NDArray[np.int64]
    cols: NDArray[np.int64]


class SlidePainter:
    """Paints rectangles of one slide.

    Args:
        layout: Where the tissues lie.
        artefacts: What went wrong.
        bank: Textures of the slide.
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
        self._layout, self._artefacts, self._bank = layout, artefacts, bank
        self._step, self._mpp = px0_per_px, mpp
        self._patch = layout.lobules * 8 + layout.labels
        self._stretch = rng.integers(0, 2**16, (layout.n_lobules * 8, 4))
        self._edge_noise = rng.integers(-128, 128, (1024, 1024)).astype(np.float32)
        self._edge_noise = ndimage.gaussian_filter(self._edge_noise, 2.2 / mpp, mode="wrap")
        self._edge_noise *= np.float32(0.22 / self._edge_noise.std())
        self._slant = rng.uniform(-3.0, 3.0, 2)
        self._dust_tiles = {
            (x, y)
            for speck in artefacts.dust
            for x in _tiles_of(speck.x_px0, speck.radius_px0)
            for y in _tiles_of(speck.y_px0, speck.radius_px0)
        }

    def blank_key(self, x_px0: int, y_px0: int) -> tuple[int, int] | None:
        """Return what a tile of bare glass looks like, or None where there is more than glass.

        Tiles with equal keys have equal pixels.
        """
        cell = self._cell((x_px0, y_px0, TILE_PX, TILE_PX))
        if (
            self._maps(self._layout.labels, cell).any()
            or self._maps(self._artefacts.pen, cell).any()
        ):
            return None
        if (x_px0 // TILE_PX, y_px0 // TILE_PX) in self._dust_tiles:
            return None
        variant = (x_px0 // TILE_PX * 7 + y_px0 // TILE_PX * 13) % _GLASS_VARIANTS
        return variant, self._dimming(x_px0, y_px0)

    def paint_blank(self, key: tuple[int, int]) -> NDArray[np.uint8]:
        """Return the tile of bare glass that a key stands for, ``(256, 256, 3)``."""
        variant, dimming = key
        glass = self._bank.cut(0, (0, variant, 61 * variant, 0), (0, 0, TILE_PX, TILE_PX))
        return glass - np.uint8(dimming)

    def paint(self, x_px0: int, y_px0: int) -> NDArray[np.uint8]:
        """Return one tile with all artefacts, ``(256, 256, 3)``."""
        key = self.blank_key(x_px0, y_px0)
        if key is not None:
            return self.paint_blank(key)
        box = (x_px0, y_px0, TILE_PX, TILE_PX)
        cell = self._cell(box)
        rgb = self._tissue(box)
        if self._maps(self._artefacts.fold, cell).any():
            rgb = self._fold(rgb, cell)
        if self._maps(self._artefacts.blur, cell).any():
            rgb = self._blur(rgb, cell)
        if self._maps(self._artefacts.pen, cell).any():
            rgb = self._ink(rgb, cell)
        if (x_px0 // TILE_PX, y_px0 // TILE_PX) in self._dust_tiles:
            rgb = self._sprinkle(rgb, x_px0, y_px0)
        return rgb - np.minimum(rgb, np.uint8(self._dimming(x_px0, y_px0)))

    def _dimming(self, x_px0: int, y_px0: int) -> int:
        """Return by how many grey levels the light is weaker here: a slight slope over the slide."""
        rows, cols = self._layout.labels.shape
        x, y = x_px0 / (cols * self._step), y_px0 / (rows * self._step)
        return max(
            0, round(3.0 + float(self._slant[0]) * (x - 0.5) + float(self._slant[1]) * (y - 0.5))
        )

    def _cell(self, box: tuple[int, int, int, int]) -> _Cell:
        x, y, width, height = box
        rows, cols = self._layout.labels.shape
        first_row, last_row = y // self._step - 1, (y + height - 1) // self._step + 1
        first_col, last_col = x // self._step - 1, (x + width - 1) // self._step + 1
        return _Cell(
            box,
            np.clip(np.arange(first_row, last_row + 1), 0, rows - 1),
            np.clip(np.arange(first_col, last_col + 1), 0, cols - 1),
        )

    @staticmethod
    def _maps(values: NDArray[np.generic], cell: _Cell) -> NDArray[np.generic]:
        return values[cell.rows[0] : cell.rows[-1] + 1, cell.cols[0] : cell.cols[-1] + 1]

    def _weights(self, coarse: NDArray[np.float32], cell: _Cell) -> NDArray[np.float32]:
        """Interpolate part of a map, already cut to the cell, to pixels, ``(height, width)``."""
        x, y, width, height = cell.box
        tall = _stretch_rows(coarse, self._step, y % self._step, height)
        return np.ascontiguousarray(_stretch_rows(tall.T, self._step, x % self._step, width).T)

    def _tissue(self, box: tuple[int, int, int, int]) -> NDArray[np.uint8]:
        """Compose textures by the map, with soft irregular borders, and vary the thickness."""
        cell = self._cell(box)
        patches = self._patch[np.ix_(cell.rows, cell.cols)]
        present = np.unique(patches)
        if len(present) == 1:
            rgb = self._texture(int(present[0]), box)
        else:
            rgb = self._blend(present, patches, cell)
        return self._vary_thickness(rgb, box)

    def _texture(self, patch: int, box: tuple[int, int, int, int]) -> NDArray[np.uint8]:
        variant, turn, x, y = self._stretch[patch].tolist()
        return self._bank.cut(patch % 8, (variant, turn, x, y), box)

    def _blend(
        self, present: NDArray[np.int32], patches: NDArray[np.int32], cell: _Cell
    ) -> NDArray[np.uint8]:
        total: NDArray[np.float32] | None = None
        mixed: NDArray[np.float32] | None = None
        for patch in present.tolist():
            weight = self._weights((patches == patch).astype(np.float32), cell)
            weight = np.maximum(weight + self._edge(patch, cell.box), 0.01)
            weight *= weight
            weight *= weight
            weight *= weight
            part = self._texture(patch, cell.box) * weight[..., None]
            mixed = part if mixed is None else mixed + part
            total = weight if total is None else total + weight
        assert mixed is not None and total is not None, "a rectangle has at least one patch"  # noqa: S101
        return (mixed / total[..., None]).astype(np.uint8)

    def _edge(self, patch: int, box: tuple[int, int, int, int]) -> NDArray[np.float32]:
        x, y = (box[0] + patch * 389) % 640, (box[1] + patch * 211) % 640
        return self._edge_noise[y : y + box[3], x : x + box[2]]

    def _vary_thickness(
        self, rgb: NDArray[np.uint8], box: tuple[int, int, int, int]
    ) -> NDArray[np.uint8]:
        gain = self._gain(box)
        change = _LOG_SLOPE[rgb]
        change *= gain[..., None]
        change >>= 7
        return (rgb - change).astype(np.uint8)

    def _gain(self, box: tuple[int, int, int, int]) -> NDArray[np.int16]:
        """Return (thickness - 1) * 128 between the corners of tiles, smooth across tiles."""
        x, y, width, height = box
        rows, cols = self._layout.labels.shape
        grid_x = np.arange(x // TILE_PX, (x + width) // TILE_PX + 2)
        grid_y = np.arange(y // TILE_PX, (y + height) // TILE_PX + 2)
        col = np.clip(grid_x * TILE_PX // self._step, 0, cols - 1)
        row = np.clip(grid_y * TILE_PX // self._step, 0, rows - 1)
        corner = (self._layout.thickness[np.ix_(row, col)] - 1) * 128
        along_y = np.arange(y, y + height) / TILE_PX - grid_y[0]
        along_x = np.arange(x, x + width) / TILE_PX - grid_x[0]
        low_y, low_x = along_y.astype(np.int64), along_x.astype(np.int64)
        part_y = (along_y - low_y).astype(np.float32)[:, None]
        part_x = (along_x - low_x).astype(np.float32)[None, :]
        left = corner[:, low_x] * (1 - part_x) + corner[:, low_x + 1] * part_x
        return np.rint(left[low_y] * (1 - part_y) + left[low_y + 1] * part_y).astype(np.int16)

    def _fold(self, rgb: NDArray[np.uint8], cell: _Cell) -> NDArray[np.uint8]:
        x, y, width, height = cell.box
        weight = self._weights(self._artefacts.fold[np.ix_(cell.rows, cell.cols)], cell)[..., None]
        second = self._tissue((x + 3 * TILE_PX // 8, y + TILE_PX // 4, width, height))
        light = 1 - weight * (1 - second * np.float32(1 / 245))
        return np.clip(rgb * light, 0, 255).astype(np.uint8)

    def _blur(self, rgb: NDArray[np.uint8], cell: _Cell) -> NDArray[np.uint8]:
        x, y, width, height = cell.box
        weight = self._weights(self._artefacts.blur[np.ix_(cell.rows, cell.cols)], cell)[..., None]
        halo = _HALO_PX
        wide = self._tissue((x - halo, y - halo, width + 2 * halo, height + 2 * halo))
        sigma = min(2.2 / self._mpp, halo / 3)
        soft = ndimage.gaussian_filter(wide.astype(np.float32), (sigma, sigma, 0), truncate=3.0)
        soft = soft[halo:-halo, halo:-halo]
        return (rgb + weight * (soft - rgb)).astype(np.uint8)

    def _ink(self, rgb: NDArray[np.uint8], cell: _Cell) -> NDArray[np.uint8]:
        weight = self._weights(self._artefacts.pen[np.ix_(cell.rows, cell.cols)], cell)
        streaks = np.clip(0.85 + 0.4 * self._edge(5, cell.box), 0.3, 1)
        weight = (weight * streaks)[..., None]
        ink = np.array(self._artefacts.ink, dtype=np.float32)
        return (rgb * (1 - weight * (1 - ink))).astype(np.uint8)

    def _sprinkle(self, rgb: NDArray[np.uint8], x_px0: int, y_px0: int) -> NDArray[np.uint8]:
        row, col = np.ogrid[0:TILE_PX, 0:TILE_PX]
        for speck in self._artefacts.dust:
            dx, dy = speck.x_px0 - x_px0, speck.y_px0 - y_px0
            reach = speck.radius_px0 + 2
            if not (-reach < dx < TILE_PX + reach and -reach < dy < TILE_PX + reach):
                continue
            depth = np.clip((speck.radius_px0 - np.hypot(row - dy, col - dx)) / 3 + 0.5, 0, 1)
            rgb = (rgb * (1 - (1 - speck.light) * depth.astype(np.float32)[..., None])).astype(
                np.uint8
            )
        return rgb


def _tiles_of(centre_px0: float, radius_px0: float) -> range:
    reach = radius_px0 + 2
    return range(int((centre_px0 - reach) // TILE_PX), int((centre_px0 + reach) // TILE_PX) + 1)


def _stretch_rows(
    coarse: NDArray[np.float32], step: int, start: int, length: int
) -> NDArray[np.float32]:
    """Interpolate rows linearly between the centres of map pixels.

    Args:
        coarse: Rows with one more before and after the wanted stretch, ``(R, C)``.
        step: Pixels per map pixel.
        start: Where the stretch begins inside the second row, in pixels.
        length: Length of the stretch in pixels.
    """
    part = ((2 * np.arange(step) + 1) / (2 * step)).astype(np.float32)[None, :, None]
    fine = coarse[:-1, None, :] * (1 - part) + coarse[1:, None, :] * part
    fine = fine.reshape(-1, coarse.shape[1])
    begin = step // 2 + start
    return fine[begin : begin + length]
