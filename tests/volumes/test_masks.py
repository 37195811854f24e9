from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medvlp.errors import VolumeError
from medvlp.volumes.geometry import VolumeGeometry
from medvlp.volumes.limits import VolumeLimits
from medvlp.volumes.masks import MASK_LIMITS, LabelMap, read_mask
from medvlp.volumes.reader import open_found, read_volume
from medvlp.volumes.series import find_series
from tests.volumes.scans import write_nifti

LABELS = np.zeros((4, 6, 8), np.uint8)
LABELS[1:3, 2:4, 1:3] = 1
LABELS[1:3, 2:4, 5:7] = 2
LABELS[3, 0, 0] = 7
AFFINE = np.diag([0.7, 0.8, 2.0, 1.0])
LIKE = VolumeGeometry((4, 6, 8), (2.0, 0.8, 0.7), np.diag([-1.0, -1.0, 1.0]), (0.0, 0.0, 0.0))
NAMES = {1: "kidney_right", 2: "kidney_left", 7: "cyst"}


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_read_mask__reads_labels_of_any_type(tmp_path: Path, kind: type, suffix: str) -> None:
    mask = read_mask(write_nifti(tmp_path / f"m{suffix}", LABELS.astype(kind), AFFINE), like=LIKE)
    assert mask.labels.dtype == np.uint8
    assert np.array_equal(LABELS, mask.labels)
    assert mask.present() == [1, 2, 7]


def test_read_mask__keeps_large_labels(tmp_path: Path) -> None:
    mask = read_mask(write_nifti(tmp_path / "m.nii", LABELS.astype(np.int32) * 1000, AFFINE))
    assert mask.labels.dtype == np.uint16
    assert mask.present() == [1000, 2000, 7000]


def test_read_mask__brings_turned_axes_in_line(tmp_path: Path) -> None:
    affine = np.eye(4)
    affine[:3, :3] = [[0, 0, -0.7], [0, -0.8, 0], [-2.0, 0, 0]]
    affine[:3, 3] = (7 * 0.7, 5 * 0.8, 3 * 2.0)
    stored = LABELS.transpose(2, 1, 0)[::-1, ::-1, ::-1]
    mask = read_mask(write_nifti(tmp_path / "m.nii", stored, affine), like=LIKE)
    assert np.array_equal(LABELS, mask.labels)
    assert not LIKE.difference(mask.geometry)


@pytest.mark.parametrize(
    ("labels", "affine", "words"),
    [
        (LABELS[:3], AFFINE, "shape (3, 6, 8) instead of (4, 6, 8)"),
        (LABELS, AFFINE * [1, 1, 1.5, 1], "3.000 mm away"),
        (LABELS, AFFINE + np.outer([0, 0, 1, 0], [0, 0, 0, 5]), "5.000 mm away"),
        (LABELS, AFFINE * [-1, 1, 1, 1], "mm away"),
        (LABELS, AFFINE + np.outer([1, 0, 0, 0], [0, 0, 0, 0.3]), "0.300 mm away"),
    ],
)
def test_read_mask__refuses_another_grid(
    tmp_path: Path, labels: np.ndarray, affine: np.ndarray, words: str
) -> None:
    with pytest.raises(VolumeError) as caught:
        read_mask(write_nifti(tmp_path / "m.nii", labels, affine), like=LIKE)
    assert caught.value.code == "MV2240"
    assert words in caught.value.what


def test_read_mask__accepts_rounded_origins(tmp_path: Path) -> None:
    affine = AFFINE + np.outer([1, 0, 0, 0], [0, 0, 0, 0.05])
    assert read_mask(write_nifti(tmp_path / "m.nii", LABELS, affine), like=LIKE).labels.any()


def test_read_mask__refuses_an_empty_mask(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match=r"MV2241.*no voxel has a label"):
        read_mask(write_nifti(tmp_path / "m.nii.gz", LABELS * 0, AFFINE))


@pytest.mark.parametrize("value", [0.5, -1.0, 70000.0, np.nan, np.inf])
def test_read_mask__refuses_what_is_no_label(tmp_path: Path, value: float) -> None:
    values = LABELS.astype(np.float32)
    values[2, 0, 0] = value
    with pytest.raises(VolumeError, match=r"MV2242.*slice 2"):
        read_mask(write_nifti(tmp_path / "m.nii", values, AFFINE))


def test_read_mask__refuses_a_scan(real_data: Path) -> None:
    with pytest.raises(VolumeError, match=r"MV2242.*looks like a scan"):
        read_mask(real_data / "ct/totalsegmentator/abdomen_3mm/ct.nii.gz")


def test_read_mask__refuses_text(tmp_path: Path) -> None:
    (tmp_path / "m.nii").write_text("labels")
    with pytest.raises(VolumeError, match="MV2201"):
        read_mask(tmp_path / "m.nii")


def test_empty_planes__are_no_bomb(tmp_path: Path) -> None:
    labels = np.zeros((60, 256, 512), np.uint8)
    labels[30, 9, 9] = 1
    path = write_nifti(tmp_path / "m.nii.gz", labels, AFFINE)
    strict = VolumeLimits(inflate_floor_bytes=1 << 20)
    with pytest.raises(VolumeError, match="MV2203"):
        read_mask(path, limits=strict)
    assert read_mask(path, limits=replace(MASK_LIMITS, inflate_floor_bytes=1 << 20)).present() == [
        1
    ]


def test_numbers_of__finds_names_and_pairs() -> None:
    mask = LabelMap(LABELS, LIKE, NAMES)
    assert mask.numbers_of("kidney_left") == [2]
    assert mask.numbers_of("Kidney") == [1, 2]
    assert mask.numbers_of(7) == [7]
    with pytest.raises(VolumeError, match=r"MV2243.*did you mean 'cyst'"):
        mask.numbers_of("cist")
    assert mask.select("kidney").sum() == 16
    with pytest.raises(VolumeError, match=r"MV2241.*holds \[1, 2, 7\]"):
        mask.select(5)


@pytest.mark.parametrize(
    ("scan", "mask"),
    [
        ("abdomen_3mm/ct.nii.gz", "abdomen_3mm/seg_total.nii.gz"),
        ("abdomen_dicom_jpeg2000/dicom", "abdomen_dicom_jpeg2000/seg_total.nii.gz"),
        ("torso_3mm/ct.nii.gz", "torso_3mm/seg_vertebrae.nii.gz"),
        ("aorta_1.5mm/ct.nii.gz", "aorta_1.5mm/seg_aorta.nii.gz"),
    ],
)
def test_real_masks__fit_their_scans_and_no_other(real_data: Path, scan: str, mask: str) -> None:
    folder = real_data / "ct/totalsegmentator"
    volume = read_volume(folder / scan)
    found = read_mask(folder / mask, like=volume.geometry, names="totalsegmentator")
    assert found.labels.shape == volume.hu.shape
    other = folder / ("torso_3mm" if "torso" not in mask else "abdomen_3mm") / "ct.nii.gz"
    with pytest.raises(VolumeError, match="MV2240"):
        read_mask(folder / mask, like=read_volume(other).geometry)


def test_real_organs__have_the_values_of_their_tissue(real_data: Path) -> None:
    """A wrong flip or order of axes would put air and bone into the liver."""
    folder = real_data / "ct/totalsegmentator/abdomen_dicom_jpeg2000"
    volume = read_volume(folder / "dicom")
    mask = read_mask(folder / "seg_total.nii.gz", like=volume.geometry)
    liver = volume.hu[mask.select("liver")]
    assert 30 < np.median(liver) < 140
    assert np.mean((liver > -50) & (liver < 250)) > 0.99
    assert volume.hu[mask.select("vertebrae_T12")].mean() > np.median(liver)


def test_real_segmentation__equals_its_nrrd(real_data: Path) -> None:
    folder = real_data / "ct/dcmqi"
    (scan,) = [series for series in find_series(folder).series if series.name == "dcmqi"]
    like = open_found(scan).geometry
    seg = read_mask(folder / "liver.dcm", like=like)
    assert dict(seg.names) == {1: "Liver"}
    assert np.array_equal(seg.labels, read_mask(folder / "liver_seg.nrrd", like=like).labels)
    assert seg.select("liver").sum() == 107098


@pytest.mark.parametrize("number", ["00004", "00041", "00108"])
def test_kits_masks__are_read(real_data: Path, number: str) -> None:
    mask = read_mask(real_data / f"ct/kits_nc/case_{number}_segmentation.nii.gz", names="kits")
    assert mask.present() == [1, 2]
    assert mask.select("tumor").any()
