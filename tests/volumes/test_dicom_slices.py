from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medvlp.errors import VolumeError
from medvlp.volumes.dicom_slices import read_slice_headers
from tests.volumes.scans import slice_data_set, stored_values, write_enhanced, write_series


def test_read_slice_headers__keeps_pixels_and_place(tmp_path: Path) -> None:
    data = slice_data_set(np.zeros((6, 8), np.int16), (1, 2, 3), number=7)
    data.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    (header,) = read_slice_headers(tmp_path / "a.dcm")
    assert (header.pixels.rows, header.pixels.columns, header.pixels.bits_stored) == (6, 8, 12)
    assert header.position_mm == (1, 2, 3)
    assert header.pixel_spacing_mm == (0.8, 0.7)
    assert (header.slope, header.intercept, header.instance_number) == (1, -1024, 7)


def test_read_slice_headers__gives_one_entry_per_frame(tmp_path: Path) -> None:
    headers = read_slice_headers(write_enhanced(tmp_path / "e.dcm", stored_values()))
    assert [header.position_mm[2] for header in headers] == [108, 106, 104, 102, 100]
    assert headers[3].name == "e.dcm[3]"
    assert dict(headers[0].repeats)["acquisition"] == "1"


def test_read_slice_headers__does_not_list_the_tiles_of_a_slide(tmp_path: Path) -> None:
    data = slice_data_set(np.zeros((2, 2), np.int16), (0, 0, 0))
    data.Modality, data.NumberOfFrames = "SM", 90_000
    data.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    assert len(read_slice_headers(tmp_path / "a.dcm")) == 1


def test_read_slice_headers__takes_the_class_from_the_meta_information(tmp_path: Path) -> None:
    data = slice_data_set(np.zeros((2, 2), np.int16), (0, 0, 0))
    data.SOPClassUID = data.SeriesInstanceUID = ""
    data.save_as(tmp_path / "a.dcm", enforce_file_format=False)
    (header,) = read_slice_headers(tmp_path / "a.dcm")
    assert header.sop_class == "1.2.840.10008.5.1.4.1.1.2"
    assert header.series_uid == ""


@pytest.mark.parametrize(
    ("description", "phase"),
    [
        ("Abdomen native 3.0", "non-contrast"),
        ("THX w/o contrast", "non-contrast"),
        ("LIVER ARTERIAL", "arterial"),
        ("cortico-x CTA", "arterial"),
        ("portal venous 5mm", "venous"),
        ("nephrographic", "venous"),
        ("delayed 10 min", "delayed"),
        ("Carterial", ""),
        ("CT Body 3.0", ""),
    ],
)
def test_phase__is_read_from_whole_words(tmp_path: Path, description: str, phase: str) -> None:
    data = slice_data_set(np.zeros((2, 2), np.int16), (0, 0, 0))
    data.SeriesDescription = description
    data.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    assert read_slice_headers(tmp_path / "a.dcm")[0].phase == phase


def test_broken_numbers__are_a_damaged_header(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "s", stored_values())
    path = next(folder.iterdir())
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"-50.000000", b"-5x.000000"))
    with pytest.raises(VolumeError, match="MV2207"):
        read_slice_headers(path)
