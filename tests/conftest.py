"""Fixtures shared by all tests: real data and reference numbers where they are at hand."""

import os
from pathlib import Path

import numpy as np
import pytest

from medvlp.slides.features import FeatureMeta, SlideFeatures

# Before torch is loaded: threads that wait without spinning keep the suite quick on shared cores.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def _test_data_folder(name: str) -> Path:
    root = os.environ.get("MEDVLP_TEST_DATA")
    if not root:
        pytest.skip(
            "MEDVLP_TEST_DATA is not set: it names the folder that holds data/ and vectors/"
        )
    folder = Path(root) / name
    if not folder.is_dir():
        pytest.skip(f"MEDVLP_TEST_DATA={root} has no folder {name}/")
    return folder


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real slides, tiles, scans and broken files."""
    return _test_data_folder("data")


@pytest.fixture(scope="session")
def vectors() -> Path:
    """Folder of reference numbers."""
    return _test_data_folder("vectors")


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
