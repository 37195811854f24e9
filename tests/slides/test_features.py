import hashlib
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from medvlp.errors import FeatureError
from medvlp.slides.features import (
    SlideFeatures,
    read_feature_meta,
    read_features,
    write_features,
)


def equal(one: SlideFeatures, other: SlideFeatures) -> bool:
    names = ("features", "coords", "failed_coords", "failed_status")
    return one.meta == other.meta and all(
        getattr(one, name).dtype == getattr(other, name).dtype
        and np.array_equal(getattr(one, name), getattr(other, name))
        for name in names
    )


@pytest.mark.parametrize("num_tiles", [0, 1, 2, 700])
def test_features__come_back_as_they_were(tmp_path: Path, slide_features, num_tiles: int) -> None:
    features = replace(
        slide_features,
        features=slide_features.features[:num_tiles],
        coords=slide_features.coords[:num_tiles],
    )
    path = tmp_path / "a.h5"
    write_features(path, features)
    assert equal(read_features(path), features)
    assert read_feature_meta(path) == features.meta


def test_write_features__gives_the_same_bytes_every_time(tmp_path: Path, slide_features) -> None:
    write_features(tmp_path / "a.h5", slide_features)
    np.savez(
        tmp_path / "arrays.npz",
        **{n: getattr(slide_features, n) for n in ("features", "coords", "failed_coords")},
    )
    code = f"""
import numpy as np, dataclasses
from medvlp.slides.features import *
arrays = np.load({str(tmp_path / "arrays.npz")!r})
meta = read_feature_meta(__import__("pathlib").Path({str(tmp_path / "a.h5")!r}))
features = SlideFeatures(arrays["features"], arrays["coords"], arrays["failed_coords"],
                         np.ones(3, np.uint8), meta)
write_features(__import__("pathlib").Path({str(tmp_path / "b.h5")!r}), features)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    one, other = ((tmp_path / name).read_bytes() for name in ("a.h5", "b.h5"))
    assert hashlib.sha256(one).digest() == hashlib.sha256(other).digest()


def test_feature_file__is_read_as_trident_and_patho_bench_read_it(
    tmp_path: Path, slide_features
) -> None:
    path = tmp_path / "slide_001.h5"
    write_features(path, slide_features)
    with h5py.File(path, "r") as file:
        # Patho-Bench: features, coords and the patch size at level 0
        features, coords = file["features"][:], file["coords"][:]
        patch_size_level0 = file["coords"].attrs["patch_size_level0"]
        # TRIDENT: every attribute of coords, as plain numbers and words
        attributes = dict(file["coords"].attrs)
        words = dict(file["features"].attrs)
    np.testing.assert_array_equal(features, slide_features.features)
    assert features.dtype == np.float32
    assert coords.dtype == np.int64
    assert coords.shape == (700, 2)
    assert patch_size_level0 == round((413 + 400) / 2)
    needed = {"patch_size", "level0_magnification", "target_magnification", "overlap"}
    needed |= {"name", "savetodir", "level0_width", "level0_height", "patch_size_level0"}
    assert needed <= set(attributes)
    assert attributes["name"] == "slide_001"
    assert words == {"name": "slide_001", "savetodir": ".", "encoder": "open_clip:ViT-B-32"}


def test_write_features__uses_large_chunks_with_checksums(tmp_path: Path, slide_features) -> None:
    write_features(tmp_path / "a.h5", slide_features)
    with h5py.File(tmp_path / "a.h5", "r") as file:
        assert file["features"].chunks == (700, 96)
        assert file["features"].fletcher32
        assert file["coords"].chunks == (700, 2)
    large = replace(
        slide_features,
        features=np.zeros((3000, 1024), np.float32),
        coords=np.zeros((3000, 2), np.int64),
    )
    write_features(tmp_path / "b.h5", large)
    with h5py.File(tmp_path / "b.h5", "r") as file:
        assert file["features"].chunks == (256, 1024)


def test_write_features__holds_no_local_path_and_no_time(tmp_path: Path, slide_features) -> None:
    write_features(tmp_path / "a.h5", slide_features)
    assert str(tmp_path).encode() not in (tmp_path / "a.h5").read_bytes()


def test_features__refuse_nan_on_both_ways(tmp_path: Path, slide_features) -> None:
    path = tmp_path / "a.h5"
    write_features(path, slide_features)
    for bad in (np.nan, np.inf):
        features = slide_features.features.copy()
        features[[3, 9], 5] = bad
        with pytest.raises(FeatureError, match="2 of 700 features are NaN") as caught:
            write_features(tmp_path / "b.h5", replace(slide_features, features=features))
        assert caught.value.code == "MV1313"
        with h5py.File(path, "r+") as file:
            file["features"][...] = features
        with pytest.raises(FeatureError, match="2 of 700 features are NaN") as caught:
            read_features(path)
        assert caught.value.code == "MV1313"
    assert not (tmp_path / "b.h5").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": np.zeros((700, 96))}, "features must have 2 axes of float32"),
        ({"features": np.zeros((3, 96), np.float32)}, "as many rows, got 3 and 700"),
        ({"coords": np.zeros((700, 3), np.int64)}, "two columns"),
        ({"failed_status": np.zeros(2, np.uint8)}, "as many rows, got 3 and 2"),
        ({"failed_status": np.zeros((3, 1), np.uint8)}, "failed_status must have 1 axes"),
    ],
)
def test_write_features__refuses_arrays_that_do_not_fit(
    tmp_path: Path, slide_features, change: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        write_features(tmp_path / "a.h5", replace(slide_features, **change))


@pytest.mark.parametrize(
    ("member", "values"),
    [
        ("features", None),
        ("coords", None),
        ("failed_coords", None),
        ("failed_status", None),
        ("features", np.zeros(700, np.float32)),
        ("features", np.zeros((700, 96), np.int32)),
        ("features", np.zeros((699, 96), np.float32)),
        ("coords", np.zeros((700, 3), np.int64)),
        ("coords", np.zeros((700, 2), np.float32)),
        ("failed_status", np.zeros(1, np.uint8)),
    ],
)
def test_read_features__names_parts_that_are_missing_or_do_not_fit(
    tmp_path: Path, slide_features, member: str, values: np.ndarray | None
) -> None:
    path = tmp_path / "a.h5"
    write_features(path, slide_features)
    with h5py.File(path, "r+") as file:
        del file[member]
        if values is not None:
            file[member] = values
    with pytest.raises(FeatureError, match=member) as caught:
        read_features(path)
    assert caught.value.code == "MV1314"


def test_read_features__widens_half_precision(tmp_path: Path, slide_features) -> None:
    path = tmp_path / "a.h5"
    write_features(path, slide_features)
    with h5py.File(path, "r+") as file:
        del file["features"]
        file["features"] = slide_features.features.astype(np.float16)
    found = read_features(path).features
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, slide_features.features, rtol=1e-3, atol=1e-4)


def test_write_features__survives_a_disk_that_fills_up(tmp_path: Path, slide_features) -> None:
    path = tmp_path / "a.h5"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_features(path, slide_features)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    write_features(path, slide_features)
    assert equal(read_features(path), slide_features)
