from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medvlp.volumes.dicom_directory import directory_files
from tests.volumes.scans import slice_data_set, write_directory


@pytest.mark.filterwarnings("ignore:Invalid value for VR CS")
def test_directory_files__leaves_out_names_that_lead_out(tmp_path: Path) -> None:
    (tmp_path / "disc").mkdir()
    listed = [["A", "B"], ["..", "EVIL"], ["/etc", "passwd"], ["A", "."], ["C:", "X"], ["ONE"]]
    path = write_directory(tmp_path / "disc" / "DICOMDIR", listed)
    assert directory_files(path) == [tmp_path / "disc/A/B", tmp_path / "disc/ONE"]


def test_directory_files__is_none_for_an_image(tmp_path: Path) -> None:
    data = slice_data_set(np.zeros((2, 2), np.int16), (0, 0, 0))
    data.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    assert directory_files(tmp_path / "a.dcm") is None
