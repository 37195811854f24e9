"""Small slides made on the spot: tiled pyramids with known pixels, whole or damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from medvlp.slides.features import FeatureMeta, SlideFeatures

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


@pytest.fixture
def feature_meta() -> FeatureMeta:
    """A description whose every field has a value of its own."""
    return FeatureMeta(
        case_key="slide_001",
        encoder="open_clip:ViT-B-32",
        weights_sha256="a1" * 32,
        is_projected=True,
        is_normalized=False,
        precision="bf16",
        level0_size_px0=(9216, 7936),
        level0_mpp_xy=(0.31, 0.32),
        mpp_source="metadata",
        target_mpp=0.5,
        true_mpp_xy=(0.5001, 0.4999),
        tile_px=256,
        tile_px0=(413, 400),
        step_px0=(310, 300),
        overlap=0.25,
        read_level=1,
        resampler="PIL bicubic",
        reader="openslide 4.0.1",
        slide_sha256="b2" * 32,
        params_sha256="c3" * 32,
        tissue={"mpp": 8.0, "gap_directions": 7, "tissue_under_ink": True},
        medvlp_version="0.1.0",
    )


@pytest.fixture
def slide_features(feature_meta: FeatureMeta) -> SlideFeatures:
    """Features of 700 good and 3 failed tiles."""
    rng = np.random.default_rng(2)
    return SlideFeatures(
        features=rng.standard_normal((700, 96), dtype=np.float32),
        coords=rng.integers(0, 9000, (700, 2)),
        failed_coords=rng.integers(0, 9000, (3, 2)),
        failed_status=np.ones(3, np.uint8),
        meta=feature_meta,
    )
