from __future__ import annotations

from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from highdicom.seg import (
    SegmentAlgorithmTypeValues,
    Segmentation,
    SegmentationTypeValues,
    SegmentDescription,
)
from pydicom.sr.codedict import codes

from medvlp.errors import VolumeError
from medvlp.volumes.dicom_reader import open_series
from medvlp.volumes.dicom_segmentation import read_segmentation
from medvlp.volumes.dicom_slices import read_slice_headers
from medvlp.volumes.geometry import VolumeGeometry
from medvlp.volumes.limits import VolumeLimits
from medvlp.volumes.masks import read_mask
from tests.volumes.scans import slice_data_set, stored_values, write_series

LABELS = np.zeros((5, 12, 16), np.uint8)
LABELS[1:4, 2:6, 3:7] = 1
LABELS[2, 8:10, 9:15] = 2
pytestmark = pytest.mark.filterwarnings("ignore")  # highdicom advises on names of patients


def describe(number: int, label: str) -> SegmentDescription:
    return SegmentDescription(
        segment_number=number,
        segment_label=label,
        segmented_property_category=codes.SCT.Organ,
        segmented_property_type=codes.SCT.Kidney,
        algorithm_type=SegmentAlgorithmTypeValues.MANUAL,
    )


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    def complete(data: object, _z: int) -> None:
        data.PatientName, data.PatientID, data.PatientBirthDate, data.PatientSex = "A", "1", "", "O"
        data.StudyDate, data.StudyTime, data.AccessionNumber, data.StudyID = "", "", "", "1"
        data.ReferringPhysicianName, data.PatientPosition = "", "HFS"
        data.SliceThickness = 2

    return write_series(tmp_path / "scan", stored_values((5, 12, 16)), edit=complete)


def geometry_of(folder: Path) -> VolumeGeometry:
    headers = [header for path in folder.iterdir() for header in read_slice_headers(path)]
    return open_series("s", headers).geometry


def segmentation(
    scan: Path, path: Path, labels: np.ndarray = LABELS, kind: str = "BINARY", **more: object
) -> Path:
    files = sorted(
        (pydicom.dcmread(file) for file in scan.iterdir()),
        key=lambda data: float(data.ImagePositionPatient[2]),
    )
    made = Segmentation(
        source_images=files,
        pixel_array=labels,
        segmentation_type=SegmentationTypeValues[kind],
        segment_descriptions=[describe(1, "Left kidney"), describe(2, "Cyst")],
        series_instance_uid="1.2.77",
        series_number=7,
        sop_instance_uid="1.2.77.1",
        instance_number=1,
        manufacturer="m",
        manufacturer_model_name="m",
        software_versions="1",
        device_serial_number="1",
        **more,
    )
    made.save_as(path)
    return path


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
@pytest.mark.parametrize("omit", [True, False])
def test_read_segmentation__reads_what_highdicom_writes(
    scan: Path, tmp_path: Path, kind: str, omit: bool
) -> None:
    path = segmentation(scan, tmp_path / "seg.dcm", kind=kind, omit_empty_frames=omit)
    mask = read_mask(path, like=geometry_of(scan))
    assert np.array_equal(LABELS, mask.labels)
    assert mask.names[1] == "Left kidney"
    assert mask.select("cyst").sum() == 12
    assert mask.geometry.geometry_sha256 == geometry_of(scan).geometry_sha256


def test_read_segmentation__makes_a_grid_of_its_own(scan: Path, tmp_path: Path) -> None:
    mask = read_mask(segmentation(scan, tmp_path / "seg.dcm"))
    assert np.array_equal(LABELS[1:4], mask.labels)
    whole = geometry_of(scan)
    assert mask.geometry.origin_lps_mm == pytest.approx(whole.index_to_lps([[1, 0, 0]])[0])


def test_read_segmentation__fits_a_turned_scan(scan: Path, tmp_path: Path) -> None:
    like = geometry_of(scan)
    order = like.axis_order("SAR")
    mask = read_mask(segmentation(scan, tmp_path / "seg.dcm"), like=like.reordered(order))
    assert np.array_equal(order.apply(LABELS), mask.labels)


@pytest.mark.parametrize("shift", [(0, 0, 1.0), (0, 0, 40.0), (0.4, 0, 0)])
def test_read_segmentation__refuses_frames_off_the_grid(
    scan: Path, tmp_path: Path, shift: tuple[float, float, float]
) -> None:
    like = geometry_of(scan)
    origin = tuple(float(a + b) for a, b in zip(like.origin_lps_mm, shift, strict=True))
    moved = VolumeGeometry(like.shape_zyx, like.spacing_zyx_mm, like.direction, origin)
    with pytest.raises(VolumeError, match=r"MV2240.*no plane of the scan"):
        read_mask(segmentation(scan, tmp_path / "seg.dcm"), like=moved)


def test_read_segmentation__tells_of_overlaps(scan: Path, tmp_path: Path) -> None:
    both = np.stack([LABELS == 1, LABELS >= 1], axis=-1)
    mask = read_mask(segmentation(scan, tmp_path / "seg.dcm", both), like=geometry_of(scan))
    assert [finding.code for finding in mask.findings] == ["MV2244"]
    assert np.array_equal(mask.labels == 2, LABELS >= 1)


def test_read_segmentation__refuses_fractions(scan: Path, tmp_path: Path) -> None:
    shares = (LABELS == 1)[..., None].astype(np.float32) * 0.5
    shares = np.concatenate([shares, shares], axis=-1)
    path = segmentation(scan, tmp_path / "seg.dcm", shares, "FRACTIONAL")
    with pytest.raises(VolumeError, match=r"MV2244.*'FRACTIONAL'"):
        read_mask(path)


def test_read_segmentation__refuses_a_slice_of_the_scan(tmp_path: Path) -> None:
    data = slice_data_set(np.zeros((4, 4), np.int16), (0, 0, 0))
    data.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    with pytest.raises(VolumeError, match=r"MV2244.*no DICOM segmentation"):
        read_segmentation(tmp_path / "a.dcm", like=None, limits=VolumeLimits())


def test_read_segmentation__refuses_a_cut_file(scan: Path, tmp_path: Path) -> None:
    path = segmentation(scan, tmp_path / "seg.dcm")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(VolumeError, match=r"MV2202.*bytes of its frames"):
        read_mask(path, like=geometry_of(scan))


def test_highdicom__reads_the_same(real_data: Path) -> None:
    path = real_data / "ct/dcmqi/liver.dcm"
    volume = highdicom.seg.segread(path).get_volume(combine_segments=True)
    mask = read_mask(path)
    assert np.array_equal(
        np.sort(volume.array.sum(axis=(1, 2))), np.sort(mask.labels.sum(axis=(1, 2)))
    )
