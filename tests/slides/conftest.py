"""Small slides made on the spot: tiled pyramids with known pixels, whole or damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
WriteSlide = Callable[..., Path]


@pytest.fixture(scope="session")
def noise_rgb() -> Pixels:
    """A picture whose every pixel differs, 320 x 448 px."""
    rng = np.random.default_rng(5)
    return rng.integers(0, 256, (320, 448, 3), dtype=np.uint8)


@pytest.fixture
def write_slide(tmp_path: Path) -> WriteSlide:
    """Write ``write(name, rgb, downsamples=(1, 2), mpp_xy=(0.5, 0.5), tile_px=64)``, losslessly."""

    def write(
        name: str,
        rgb: Pixels,
        *,
        downsamples: tuple[int, ...] = (1,),
        mpp_xy: tuple[float, float] | None = (0.5, 0.5),
        tile_px: int = 64,
        compression: str | None = "zlib",
    ) -> Path:
        path = tmp_path / name
        resolution = {}
        if mpp_xy is not None:
            per_cm = (1e4 / mpp_xy[0], 1e4 / mpp_xy[1])
            resolution = {"resolution": per_cm, "resolutionunit": "CENTIMETER"}
        with tifffile.TiffWriter(path) as writer:
            for downsample in downsamples:
                height, width = (side // downsample for side in rgb.shape[:2])
                level = rgb[: height * downsample, : width * downsample].reshape(
                    height, downsample, width, downsample, 3
                )
                writer.write(
                    level.mean(axis=(1, 3)).round().astype(np.uint8),
                    tile=(tile_px, tile_px),
                    photometric="rgb",
                    compression=compression,
                    subfiletype=0 if downsample == 1 else 1,
                    **resolution,
                )
        return path

    return write


@pytest.fixture
def damage_tile() -> Callable[[Path, int, int], None]:
    """Overwrite the bytes of one tile: ``damage(path, level, index)``, tiles counted row by row."""

    def damage(path: Path, level: int, index: int) -> None:
        with tifffile.TiffFile(path) as slide:
            page = slide.pages[level]
            offset, count = page.dataoffsets[index], page.databytecounts[index]
        with path.open("r+b") as file:
            file.seek(offset)
            file.write(b"\x00" * count)

    return damage
