from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from scipy import ndimage

from medvlp.volumes.dicom_slices import read_slice_headers
from medvlp.volumes.limits import VolumeLimits
from medvlp.volumes.regular_grid import AIR_HU, resample_stack
from medvlp.volumes.slice_stack import SliceStack, stack_slices
from tests.volumes.scans import stored_values, write_series


def stack(folder: Path) -> SliceStack:
    headers = [header for path in folder.iterdir() for header in read_slice_headers(path)]
    return stack_slices("s", headers)


@pytest.mark.parametrize("offset_mm", [(1.4, 0.0), (-0.5, 0.9), (30.0, 0.0)])
def test_resample_stack__shifts_leaning_slices_back(
    tmp_path: Path, offset_mm: tuple[float, float]
) -> None:
    stored = stored_values((3, 12, 16))

    def move(data: Dataset, z: int) -> None:
        x_mm, y_mm = np.multiply(offset_mm, z)
        data.ImagePositionPatient = [x_mm, y_mm, 2.0 * z]

    made = stack(write_series(tmp_path / "s", stored, edit=move))
    found = resample_stack(made, VolumeLimits())
    for z in range(3):
        moved = (offset_mm[1] * z / 0.8, offset_mm[0] * z / 0.7)
        padded = np.pad(stored[z] - 1024.0, 1, constant_values=AIR_HU)
        expected = ndimage.shift(padded, moved, order=1, cval=AIR_HU, mode="constant")[1:-1, 1:-1]
        inside = ndimage.shift(np.ones_like(padded), moved, order=1)[1:-1, 1:-1] > 0.999
        assert np.allclose(expected[inside], found[z][inside], rtol=0, atol=0.01)


def test_resample_stack__interpolates_between_neighbours(tmp_path: Path) -> None:
    stored = stored_values((5, 4, 4))
    made = stack(write_series(tmp_path / "s", stored, keep=[0, 1, 4]))
    found = resample_stack(made, VolumeLimits())
    hu = stored - 1024.0
    expected = [hu[0], hu[1], hu[1] * 2 / 3 + hu[4] / 3, hu[1] / 3 + hu[4] * 2 / 3, hu[4]]
    assert np.allclose(expected, found, rtol=0, atol=1e-3)
