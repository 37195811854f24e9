"""Features of scans come back as they were written; damaged and foreign files are refused."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from medvlp.errors import FeatureError
from medvlp.volumes.features import (
    read_volume_feature_meta,
    read_volume_features,
    write_volume_features,
)
from tests.volumes.feature_samples import make_features


def written(path: Path, **changes: object) -> Path:
    write_volume_features(path, replace(make_features(), **changes))
    return path


@pytest.mark.parametrize("num_units", [0, 1, 2, 300])
def test_features__come_back_as_written(tmp_path: Path, num_units: int) -> None:
    expected = make_features(num_units)
    write_volume_features(tmp_path / "a.h5", expected)
    actual = read_volume_features(tmp_path / "a.h5")
    for name in ("features", "coords_mm", "padded_share"):
        np.testing.assert_array_equal(getattr(actual, name), getattr(expected, name))
    for name in ("units", "padded_sides", "cut_sides"):
        assert getattr(actual, name) == getattr(expected, name)
    preprocessing = actual.meta.preprocessing
    assert preprocessing["spacing_mm"] == [4.0, 2.0, 2.0]
    assert replace(actual.meta, preprocessing={}) == replace(expected.meta, preprocessing={})


def test_write__gives_equal_bytes_for_equal_features(tmp_path: Path) -> None:
    one, other = written(tmp_path / "a.h5"), written(tmp_path / "b.h5")
    assert one.read_bytes() == other.read_bytes()


def test_features__are_plain_datasets_for_other_tools(tmp_path: Path) -> None:
    with h5py.File(written(tmp_path / "a.h5"), "r") as file:
        assert file["features"].shape == (2, 6)
        assert file["coords_mm"].shape == (2, 3)
        assert file["units"][:].tolist() == [b"kidney_0", b"kidney_1"]
        assert file.attrs["encoder"] == b"volume:resnet3d10"
        assert file.attrs["scan_spacing_mm"].tolist() == [3.0, 0.75, 0.75]


def test_write__refuses_what_does_not_fit_together(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="units must have 2 entries, got 1"):
        written(tmp_path / "a.h5", units=("kidney",))
    with pytest.raises(ValueError, match="coords_mm must be float64 of shape"):
        written(tmp_path / "a.h5", coords_mm=np.zeros((3, 3)))
    with pytest.raises(ValueError, match="coords_mm must be finite"):
        written(tmp_path / "a.h5", coords_mm=np.full((2, 3), np.nan))
    with pytest.raises(FeatureError, match=r"MV1313"):
        written(tmp_path / "a.h5", features=np.full((2, 6), np.nan, np.float32))


def test_read__refuses_tile_features_and_other_files(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "tiles.h5", "w") as file:
        file.attrs["format"] = np.bytes_(b"medvlp tile features")
    with pytest.raises(FeatureError, match=r"MV1320: .* holds no features of a scan"):
        read_volume_features(tmp_path / "tiles.h5")
    (tmp_path / "text.h5").write_text("hello")
    with pytest.raises(FeatureError, match=r"MV1310"):
        read_volume_feature_meta(tmp_path / "text.h5")
    with pytest.raises(FeatureError, match=r"MV1301"):
        read_volume_feature_meta(tmp_path / "none.h5")


def test_read__refuses_a_file_that_was_changed(tmp_path: Path) -> None:
    path = written(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        del file["units"]
        file["units"] = np.array([b"x"])
    with pytest.raises(FeatureError, match=r"MV1314: a.h5: units must have 2 entries"):
        read_volume_features(path)


def test_read__refuses_a_dataset_that_lies_elsewhere(tmp_path: Path) -> None:
    path = written(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        del file["coords_mm"]
        file["coords_mm"] = h5py.ExternalLink("/etc/passwd", "/x")
    with pytest.raises(FeatureError, match=r"MV1311"):
        read_volume_features(path)


@pytest.mark.parametrize("at", range(0, 6000, 397))
def test_read__refuses_or_reads_a_file_with_a_flipped_byte(tmp_path: Path, at: int) -> None:
    path = written(tmp_path / "a.h5")
    content = bytearray(path.read_bytes())
    content[at % len(content)] ^= 0xFF
    path.write_bytes(bytes(content))
    try:
        found = read_volume_features(path)
    except FeatureError:
        return
    assert np.isfinite(found.features).all()
    assert len(found.units) == len(found.features) == len(found.coords_mm)
