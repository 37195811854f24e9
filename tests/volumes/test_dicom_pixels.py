from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from medvlp.errors import VolumeError
from medvlp.volumes.dicom_pixels import read_stored_frame, rescale_frame
from medvlp.volumes.dicom_slices import SliceHeader, read_slice_headers
from tests.volumes.scans import stored_values, write_enhanced, write_series


@pytest.fixture
def header(tmp_path: Path) -> SliceHeader:
    folder = write_series(tmp_path / "s", stored_values((1, 12, 16)))
    return read_slice_headers(next(folder.iterdir()))[0]


@pytest.mark.parametrize(
    "name",
    [
        "CT_small.dcm",
        "MR_small.dcm",
        "MR_small_implicit.dcm",
        "MR_small_jp2klossless.dcm",
        "693_J2KI.dcm",
        "J2K_pixelrep_mismatch.dcm",
        "MR_small_padded.dcm",
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom warns of what these files are for
def test_read_stored_frame__agrees_with_pydicom(name: str) -> None:
    path = Path(str(get_testdata_file(name, download=False)))
    (header,) = read_slice_headers(path)
    expected = pydicom.dcmread(path).pixel_array
    assert np.array_equal(expected, read_stored_frame(header))


def test_read_stored_frame__reads_rows_and_frames(tmp_path: Path, header: SliceHeader) -> None:
    stored = stored_values((1, 12, 16))
    assert np.array_equal(stored[0, 3:7], read_stored_frame(header, (3, 7)))
    several = stored_values()
    for frame in read_slice_headers(write_enhanced(tmp_path / "e.dcm", several)):
        assert np.array_equal(several[4 - frame.frame], read_stored_frame(frame))


def test_read_stored_frame__says_where_a_file_shrank(header: SliceHeader) -> None:
    header.path.write_bytes(header.path.read_bytes()[:-100])
    with pytest.raises(VolumeError, match=r"MV2202.*284 of 384 bytes"):
        read_stored_frame(header)


@pytest.mark.parametrize(
    ("slope", "intercept", "kind"),
    [
        (1.0, -1024.0, np.int16),
        (2.0, 0.0, np.int16),
        (40.0, 0.0, np.float32),
        (0.5, 0.25, np.float32),
        (None, None, np.int16),
    ],
)
def test_rescale_frame__is_exact(
    header: SliceHeader, slope: float | None, intercept: float | None, kind: type
) -> None:
    stored = stored_values((1, 12, 16))[0].astype(np.uint16)
    found = rescale_frame(stored, replace(header, slope=slope, intercept=intercept))
    expected = stored * (1 if slope is None else slope) + (intercept or 0)
    assert found.dtype == kind
    assert np.array_equal(expected, found)


@pytest.mark.parametrize(
    "name", ["MR_small_RLE.dcm", "MR_small_jpeg_ls_lossless.dcm", "MR_small_bigendian.dcm"]
)
def test_one_image__is_the_same_in_every_encoding(real_data: Path, name: str) -> None:
    (header,) = read_slice_headers(real_data / "broken/dicom" / f"pydicom_{name}")
    expected = pydicom.dcmread(header.path).pixel_array
    assert np.array_equal(expected, read_stored_frame(header))
