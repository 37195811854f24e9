"""Write a slide as a tiled JPEG TIFF pyramid while it is painted, in bounded memory."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import imagecodecs
import numpy as np
import tifffile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["PyramidSettings", "TilePainter", "write_pyramid"]

_TILE_PX = 256
_BLOCK_TILES = 4
_BLOCK_PX = _TILE_PX * _BLOCK_TILES


class TilePainter(Protocol):
    """What paints a slide; every method may be called from any thread."""

    def blank_key(self, x_px0: int, y_px0: int) -> tuple[int, int] | None:
        """Return a key shared by tiles with equal pixels, or None where a tile is one of a kind."""
        ...

    def paint_blank(self, key: tuple[int, int]) -> NDArray[np.uint8]:
        """Return the tile ``(256, 256, 3)`` that a key stands for."""
        ...

    def paint(self, x_px0: int, y_px0: int) -> NDArray[np.uint8]:
        """Return the tile ``(256, 256, 3)`` whose top left corner is given, in level-0 pixels."""
        ...


@dataclass(frozen=True, kw_only=True)
class PyramidSettings:
    """How a pyramid is written.

    Attributes:
        size_px: ``(width, height)`` of level 0.
        mpp: Micrometres per level-0 pixel, or None to write no scale.
        quality: JPEG quality, 1 to 100.
        threads: Threads that paint and encode.
        description: Text of the first page, for headers that readers know; may be empty.
    """

    size_px: tuple[int, int]
    mpp: float | None
    quality: int = 80
    threads: int = 2
    description: str = ""


@dataclass(frozen=True)
class _Block:
    """A square of 4 x 4 tiles, encoded, and the same square at a quarter and a sixteenth."""

    tiles: list[list[bytes]]
    quarter: bytes
    sixteenth: NDArray[np.uint8]


def _encode(rgb: NDArray[np.uint8], quality: int) -> bytes:
    return bytes(
        imagecodecs.jpeg8_encode(
            rgb, level=quality, colorspace="RGB", outcolorspace="YCBCR", subsampling="420"
        )
    )


def _reduce(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Average 4 x 4 pixels."""
    height, width, _ = rgb.shape
    rows = rgb.reshape(height // 4, 4, width * 3).sum(axis=1, dtype=np.uint16)
    cells = rows.reshape(height // 4, width // 4, 4, 3)
    total = cells[:, :, 0] + cells[:, :, 1] + cells[:, :, 2] + cells[:, :, 3]
    return np.asarray((total + np.uint16(8)) >> 4, dtype=np.uint8)


class _Encoder:
    """Paints and encodes blocks; bare glass is encoded once per look."""

    def __init__(self, painter: TilePainter, settings: PyramidSettings) -> None:
        self._painter, self._quality = painter, settings.quality
        self._size_px = settings.size_px
        self._blank: dict[tuple[int, int], tuple[bytes, NDArray[np.uint8]]] = {}

    def _tile(self, x_px0: int, y_px0: int) -> tuple[bytes, NDArray[np.uint8]]:
        key = self._painter.blank_key(x_px0, y_px0)
        if key is None:
            rgb = self._painter.paint(x_px0, y_px0)
            return _encode(rgb, self._quality), _reduce(rgb)
        known = self._blank.get(key)
        if known is None:
            rgb = self._painter.paint_blank(key)
            known = self._blank[key] = (_encode(rgb, self._quality), _reduce(rgb))
        return known

    def block(self, left_px0: int, top_px0: int) -> _Block:
        width = min(_BLOCK_PX, self._size_px[0] - left_px0)
        height = min(_BLOCK_PX, self._size_px[1] - top_px0)
        small = _TILE_PX // 4
        quarter = np.full((_TILE_PX, _TILE_PX, 3), 240, dtype=np.uint8)
        tiles: list[list[bytes]] = []
        for row in range(-(-height // _TILE_PX)):
            line = []
            for col in range(-(-width // _TILE_PX)):
                data, reduced = self._tile(left_px0 + col * _TILE_PX, top_px0 + row * _TILE_PX)
                line.append(data)
                quarter[row * small : (row + 1) * small, col * small : (col + 1) * small] = reduced
            tiles.append(line)
        return _Block(tiles, _encode(quarter, self._quality), _reduce(quarter))


def _rows_of_blocks(
    encoder: _Encoder, size_px: tuple[int, int], pool: ThreadPoolExecutor, ahead: int
) -> Iterator[list[_Block]]:
    """Yield rows of blocks in order, a few blocks ahead of the writer and no more."""
    columns = range(0, size_px[0], _BLOCK_PX)
    jobs = iter([(left, top) for top in range(0, size_px[1], _BLOCK_PX) for left in columns])
    waiting: deque[Future[_Block]] = deque()
    row: list[_Block] = []
    for left, top in jobs:
        waiting.append(pool.submit(encoder.block, left, top))
        if len(waiting) > ahead:
            row.append(waiting.popleft().result())
        if len(row) == len(columns):
            yield row
            row = []
    while waiting:
        row.append(waiting.popleft().result())
        if len(row) == len(columns):
            yield row
            row = []


def write_pyramid(path: Path, painter: TilePainter, settings: PyramidSettings) -> None:
    """Write levels 1, 1/4 and 1/16 as a tiled JPEG TIFF (YCbCr 4:2:0, tiles of 256 px).

    Level 0 streams to the file in rows of blocks; of the smaller levels only encoded tiles and the
    smallest level are held in memory. The bytes do not depend on the number of threads.

    Args:
        path: File to write.
        painter: What paints the tiles.
        settings: Size, scale and quality.
    """
    width, height = settings.size_px
    encoder = _Encoder(painter, settings)
    quarters: list[bytes] = []
    side = _TILE_PX // 4
    small = np.full(
        (-(-height // _BLOCK_PX) * side, -(-width // _BLOCK_PX) * side, 3), 240, np.uint8
    )

    def level_0(pool: ThreadPoolExecutor) -> Iterator[bytes]:
        rows = _rows_of_blocks(encoder, settings.size_px, pool, 4 * settings.threads)
        for index, row in enumerate(rows):
            for column, block in enumerate(row):
                quarters.append(block.quarter)
                small[index * side : (index + 1) * side, column * side : (column + 1) * side] = (
                    block.sixteenth
                )
            for line in range(len(row[0].tiles)):
                for block in row:
                    yield from block.tiles[line]

    options: dict[str, Any] = {
        "dtype": np.uint8,
        "tile": (_TILE_PX, _TILE_PX),
        "photometric": "ycbcr",
        "compression": "jpeg",
        "subsampling": (2, 2),
        "metadata": None,
        "software": "medvlp phantoms",
    }
    with (
        ThreadPoolExecutor(settings.threads) as pool,
        tifffile.TiffWriter(path, bigtiff=width * height > 4_000_000_000) as writer,
    ):
        writer.write(
            level_0(pool),
            shape=(height, width, 3),
            description=settings.description or None,
            **options,
            **_scale(settings.mpp, 1),
        )
        for factor, tiles in ((4, iter(quarters)), (16, _tiles_of(small, settings))):
            shape = (-(-height // factor), -(-width // factor), 3)
            writer.write(
                tiles, shape=shape, subfiletype=1, **options, **_scale(settings.mpp, factor)
            )


def _scale(mpp: float | None, factor: int) -> dict[str, Any]:
    if mpp is None:
        return {}
    per_cm = 10_000 / (mpp * factor)
    return {"resolution": (per_cm, per_cm), "resolutionunit": "CENTIMETER"}


def _tiles_of(small: NDArray[np.uint8], settings: PyramidSettings) -> Iterator[bytes]:
    height, width = (-(-side // 16) for side in reversed(settings.size_px))
    encode = partial(_encode, quality=settings.quality)
    for top in range(0, height, _TILE_PX):
        for left in range(0, width, _TILE_PX):
            tile = small[top : top + _TILE_PX, left : left + _TILE_PX]
            gap = ((0, _TILE_PX - tile.shape[0]), (0, _TILE_PX - tile.shape[1]), (0, 0))
            yield encode(np.pad(tile, gap, mode="edge"))
