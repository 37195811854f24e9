"""Frames are found and cut-off files refused, in the words of the reader that asks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from medvlp.errors import VolumeError
from medvlp.io.dicom_frames import FramePlace, check_extent, read_frame
from medvlp.io.dicom_header import parse_header
from medvlp.io.pixel_layout import pixel_layout
from medvlp.volumes.limits import VolumeLimits
from tests.volumes.scans import stored_values, write_enhanced, write_series

RULES = VolumeLimits().rules


def place_of(path: Path, frame: int = 0) -> FramePlace:
    return FramePlace(path, frame, pixel_layout(parse_header(path, None, RULES)), path.name)


@pytest.fixture
def place(tmp_path: Path) -> FramePlace:
    return place_of(next(write_series(tmp_path / "s", stored_values((1, 12, 16))).iterdir()))


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small_jp2klossless.dcm", "MR_small_RLE.dcm"])
def test_read_frame__agrees_with_pydicom(name: str) -> None:
    path = Path(str(get_testdata_file(name, download=False)))
    np.testing.assert_array_equal(
        read_frame(place_of(path), RULES), pydicom.dcmread(path).pixel_array
    )


def test_read_frame__reads_rows_and_frames(tmp_path: Path, place: FramePlace) -> None:
    stored = stored_values((1, 12, 16))
    np.testing.assert_array_equal(read_frame(place, RULES, (3, 7)), stored[0, 3:7])
    several = write_enhanced(tmp_path / "e.dcm", stored_values())
    np.testing.assert_array_equal(read_frame(place_of(several, 3), RULES), stored_values()[1])


def test_check_extent__says_where_a_file_ends(place: FramePlace) -> None:
    check_extent(place, RULES)
    place.path.write_bytes(place.path.read_bytes()[:-100])
    with pytest.raises(VolumeError, match=r"MV2202: a series: .* cut off: 284 of 384 bytes"):
        check_extent(place, RULES, series="a series")
    with pytest.raises(VolumeError, match=r"MV2202.*284 of 384 bytes"):
        read_frame(place, RULES)
