from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medvlp.errors import VolumeError
from medvlp.volumes.dicom_checks import check_kind, check_pixels, object_kind, rescale_findings
from medvlp.volumes.dicom_slices import SliceHeader, read_slice_headers
from medvlp.volumes.limits import VolumeLimits
from tests.volumes.scans import slice_data_set


@pytest.fixture
def header(tmp_path: Path) -> SliceHeader:
    data = slice_data_set(np.zeros((4, 4), np.int16), (0, 0, 0))
    data.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    return read_slice_headers(tmp_path / "a.dcm")[0]


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, "slice"),
        ({"image_type": ("ORIGINAL", "PRIMARY", "LOCALIZER", "CT_SOM5 TOP")}, "scout"),
        ({"image_type": ("DERIVED", "SECONDARY", "SCREEN SAVE")}, "capture"),
        ({"image_type": ("DERIVED", "SECONDARY", "AXIAL")}, "slice"),
        ({"sop_class": "1.2.840.10008.5.1.4.1.1.7.4"}, "capture"),
        ({"sop_class": "1.2.840.10008.5.1.4.1.1.66.4"}, "segmentation"),
        ({"sop_class": "1.2.840.10008.1.3.10"}, "directory"),
        ({"is_converted": True}, "capture"),
    ],
)
def test_object_kind__tells_objects_apart(
    header: SliceHeader, changes: dict[str, object], kind: str
) -> None:
    assert object_kind(replace(header, **changes)) == kind


def test_check_kind__takes_the_modality_from_the_class_where_absent(header: SliceHeader) -> None:
    check_kind("s", replace(header, modality=""), ("CT",))
    with pytest.raises(VolumeError, match=r"MV2210.*'PT'; expected CT or MR"):
        check_kind("s", replace(header, modality="PT"), ("MR", "CT"))


def test_check_pixels__refuses_an_unknown_encoding(header: SliceHeader) -> None:
    other = replace(
        header, pixels=replace(header.pixels, transfer_syntax="1.2.840.10008.1.2.4.100")
    )
    with pytest.raises(VolumeError, match=r"MV2212.*MPEG2"):
        check_pixels("s", other, VolumeLimits())


def test_check_pixels__refuses_a_table(header: SliceHeader) -> None:
    with pytest.raises(VolumeError, match=r"MV2221.*table"):
        check_pixels("s", replace(header, has_lookup_table=True), VolumeLimits())


def test_rescale_findings__tell_of_loss(header: SliceHeader) -> None:
    lossy = replace(header, is_lossy=True)
    assert [finding.code for finding in rescale_findings("s", [header, lossy])] == ["MV2212"]
