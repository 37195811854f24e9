from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medvlp.errors import VolumeError
from medvlp.volumes.geometry import VolumeGeometry
from medvlp.volumes.hounsfield import check_hounsfield, require_hounsfield, sampled_volume
from medvlp.volumes.reader import open_volume, read_volume
from medvlp.volumes.volume import Volume
from tests.volumes.scans import write_nifti

REAL = (
    "chest_imaging_platform/ct-64.nrrd",
    "totalsegmentator/abdomen_3mm/ct.nii.gz",
    "totalsegmentator/aorta_1.5mm/ct.nii.gz",
    "totalsegmentator/torso_3mm/ct.nii.gz",
    "totalsegmentator/abdomen_dicom_jpeg2000/dicom",
)


def volume(values: np.ndarray, modality: str = "CT") -> Volume:
    geometry = VolumeGeometry(values.shape, (2.0, 1.0, 1.0), np.eye(3), (0.0, 0.0, 0.0))
    return Volume(values, geometry, modality)


def body(seed: int = 0) -> np.ndarray:
    """Air around a ball of tissue with some bone, with noise."""
    rng = np.random.default_rng(seed)
    z, y, x = np.mgrid[-1:1:24j, -1:1:40j, -1:1:40j]
    radius = np.sqrt(z**2 + y**2 + x**2)
    values = np.where(radius < 0.9, 40.0, -1000.0)
    values[radius < 0.2] = 700
    return (values + rng.normal(0, 15, values.shape)).astype(np.int16)


def code(values: np.ndarray, modality: str = "CT") -> str:
    found = check_hounsfield(volume(values, modality))
    return "" if found is None else found.code


def test_check_hounsfield__accepts_a_body() -> None:
    assert code(body()) == ""
    padded = body()
    padded[:, :8] = -3024
    assert code(padded) == ""
    assert code(np.maximum(body(), -1024)) == ""


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (body() - 1024, "MV2237"),
        (body() + 1024, "MV2236"),
        (np.clip((body() + 200) / 2, 0, 255).astype(np.int16), "MV2236"),
        ((body() > 0).astype(np.int16), "MV2236"),
        (np.full((3, 4, 5), -2000, np.int16), "MV2236"),
    ],
)
def test_check_hounsfield__finds_values_of_another_scale(values: np.ndarray, expected: str) -> None:
    assert code(values) == expected
    with pytest.raises(VolumeError, match=expected):
        require_hounsfield("scan", volume(values))


def test_check_hounsfield__does_not_judge_other_modalities() -> None:
    assert code(body() + 1024, "MR") == ""


@pytest.mark.parametrize("name", REAL)
def test_check_hounsfield__tells_real_scans_from_rescaled_ones(real_data: Path, name: str) -> None:
    real = read_volume(real_data / "ct" / name).hu
    assert code(real) == ""
    assert code(real - np.int16(1024)) == "MV2237"
    assert code(real + np.int16(1024)) == "MV2236"


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_sampled_volume__holds_planes_of_the_whole_scan(tmp_path: Path, name: str) -> None:
    values = np.arange(50, dtype=np.int16)[:, None, None] * np.ones((1, 4, 6), np.int16)
    with open_volume(write_nifti(tmp_path / name, values)) as source:
        sample = sampled_volume(source)
    assert sample.hu.shape == (32, 4, 6)
    planes = sample.hu[:, 0, 0].tolist()
    assert (planes[0], planes[-1], planes == sorted(set(planes))) == (0, 49, True)
    assert sampled_volume(sample, planes=99).hu.shape == (32, 4, 6)
