"""The feature of an X-ray comes back as it was written; damaged and foreign files are refused."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from medvlp.errors import FeatureError
from medvlp.radiographs.features import (
    RadiographFeatureMeta,
    RadiographFeatures,
    described_image,
    read_radiograph_feature_meta,
    read_radiograph_features,
    write_radiograph_features,
)
from medvlp.radiographs.reader import read_radiograph
from tests.radiographs.films import stored_film, write_film

META = RadiographFeatureMeta(
    case_key="case_1",
    encoder="bundle",
    weights_sha256="a" * 64,
    is_projected=True,
    is_normalized=True,
    precision="fp32",
    preprocessing={"input_px": 224, "mean": 0.5, "std": 0.25, "channels": 1},
    image_sha256="b" * 64,
    image_shape=(300, 280),
    image_spacing_mm=(0.14, 0.15),
    view="PA",
    laterality=None,
    value_range="window",
    burned_in=False,
    frame=0,
    notes=("the first of 2 windows is used", "mirrored"),
    params_sha256="c" * 64,
    medvlp_version="0.1",
)


def make(**changes: object) -> RadiographFeatures:
    row = np.random.default_rng(0).normal(size=(1, 8)).astype(np.float32)
    return RadiographFeatures(row, replace(META, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"image_spacing_mm": None, "burned_in": None, "view": None, "notes": ()},
        {"laterality": "L", "burned_in": True, "value_range": "percentiles", "frame": 3},
    ],
)
def test_features__come_back_as_written(tmp_path: Path, changes: dict[str, object]) -> None:
    expected = make(**changes)
    write_radiograph_features(tmp_path / "a.h5", expected)
    actual = read_radiograph_features(tmp_path / "a.h5")
    np.testing.assert_array_equal(actual.features, expected.features)
    assert actual.features.dtype == np.float32
    assert actual.meta == expected.meta
    assert read_radiograph_feature_meta(tmp_path / "a.h5") == expected.meta


def test_features__are_plain_datasets_and_equal_bytes(tmp_path: Path) -> None:
    for name in ("a.h5", "b.h5"):
        write_radiograph_features(tmp_path / name, make())
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    with h5py.File(tmp_path / "a.h5", "r") as file:
        assert file["features"].shape == (1, 8)
        assert file.attrs["format"] == b"medvlp radiograph features"
        assert file["features"].attrs["name"] == b"case_1"
        assert list(file) == ["features"]


def test_described_image__fills_the_description_from_a_file(tmp_path: Path) -> None:
    path = write_film(
        tmp_path / "a.dcm",
        stored_film(),
        ViewPosition="AP",
        PixelSpacing=[0.2, 0.3],
        BurnedInAnnotation="YES",
    )
    described = described_image(read_radiograph(path))
    assert set(described) <= {field.name for field in fields(RadiographFeatureMeta)}
    write_radiograph_features(tmp_path / "a.h5", make(**described))
    found = read_radiograph_feature_meta(tmp_path / "a.h5")
    assert (found.view, found.image_spacing_mm, found.burned_in) == ("AP", (0.2, 0.3), True)
    assert found.image_shape == (48, 40)
    assert "percentiles" in found.notes[0]


def test_write__refuses_what_is_not_one_row(tmp_path: Path) -> None:
    for wrong in (np.zeros((2, 8), np.float32), np.zeros(8, np.float32), np.zeros((1, 8))):
        with pytest.raises(ValueError, match="one row of float32"):
            write_radiograph_features(tmp_path / "a.h5", RadiographFeatures(wrong, META))
    bad = RadiographFeatures(np.full((1, 8), np.nan, np.float32), META)
    with pytest.raises(FeatureError, match=r"MV1313.*embed the X-ray again"):
        write_radiograph_features(tmp_path / "a.h5", bad)
    assert not (tmp_path / "a.h5").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("burned_in", "3"),
        ("burned_in", "x"),
        ("image_spacing_mm", "[1]"),
        ("image_spacing_mm", "2"),
        ("image_shape", np.zeros(3, np.int64)),
        ("notes", "[1]"),
        ("notes", "3"),
        ("frame", 1.5),
        ("view", 1),
    ],
)
def test_read__names_an_attribute_of_the_wrong_kind(
    tmp_path: Path, name: str, value: object
) -> None:
    path = tmp_path / "a.h5"
    write_radiograph_features(path, make())
    with h5py.File(path, "r+") as file:
        del file.attrs[name]
        file.attrs[name] = np.bytes_(value.encode()) if isinstance(value, str) else value
    with pytest.raises(FeatureError, match=rf"MV1314: a.h5: the attribute '{name}'"):
        read_radiograph_features(path)


def test_read__refuses_other_files(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.attrs["format"] = np.bytes_(b"medvlp tile features")
    with pytest.raises(FeatureError, match=r"MV2420.*holds no features of an X-ray"):
        read_radiograph_features(path)
    path.write_text("hello")
    with pytest.raises(FeatureError, match="MV1310"):
        read_radiograph_feature_meta(path)
    write_radiograph_features(path, make())
    with h5py.File(path, "r+") as file:
        del file["features"]
        file["features"] = np.zeros((2, 8), np.float32)
    with pytest.raises(FeatureError, match=r"MV1314.*one row of float32"):
        read_radiograph_features(path)


@pytest.mark.parametrize("at", range(0, 4000, 397))
def test_read__refuses_or_reads_a_file_with_a_flipped_byte(tmp_path: Path, at: int) -> None:
    path = tmp_path / "a.h5"
    write_radiograph_features(path, make())
    content = bytearray(path.read_bytes())
    content[at % len(content)] ^= 0xFF
    path.write_bytes(bytes(content))
    try:
        found = read_radiograph_features(path)
    except FeatureError:
        return
    assert np.isfinite(found.features).all()
    assert found.features.shape[0] == 1
