"""Boxes are cut in order, with their places and padding; windows of air are left out."""

from pathlib import Path

import numpy as np
import pytest

from medvlp.volumes.crops import crop_volume
from medvlp.volumes.cutting import cut_units, is_air
from medvlp.volumes.survey import ScanRules, survey_scan
from medvlp.volumes.units import crop_spec
from tests.volumes.bodies import KIDNEYS, WINDOWS, make_body, write_body


@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz"])
def test_cut_units__equals_cropping_by_hand(tmp_path: Path, name: str) -> None:
    case = write_body(tmp_path, name=name)
    units = survey_scan(case, KIDNEYS, ScanRules()).units
    (batch,) = cut_units(case, units, KIDNEYS, "refuse", 4)
    volume, _ = make_body()
    for row, unit in enumerate(units):
        crop = crop_volume(volume, unit.centre_lps_mm, crop_spec(KIDNEYS))
        np.testing.assert_array_equal(batch.hu[row], crop.values)
        assert batch.padded_share[row] == pytest.approx(crop.padded_share)
    # A box is centred on its organ to within half a sample.
    away = batch.coords_mm - np.array([unit.centre_lps_mm[::-1] for unit in units])
    assert (np.abs(away) <= np.array(KIDNEYS.spacing_mm) * 1.01).all()


def test_cut_units__leaves_out_windows_of_air(tmp_path: Path) -> None:
    case = write_body(tmp_path)
    units = survey_scan(case, WINDOWS, ScanRules()).units
    batches = list(cut_units(case, units, WINDOWS, "refuse", 4))
    assert [len(batch.index) for batch in batches][:-1] == [4] * (len(batches) - 1)
    kept = np.concatenate([batch.index for batch in batches])
    assert 0 < len(kept) < len(units)
    assert (np.diff(kept) > 0).all()
    volume, _ = make_body()
    for number, unit in enumerate(units):
        crop = crop_volume(volume, unit.centre_lps_mm, crop_spec(WINDOWS))
        assert (number in kept) != is_air(crop.values)


def test_is_air__tells_air_from_lung_with_its_vessels() -> None:
    air = np.full((10, 10, 10), -1000, np.float32)
    lung = np.full((10, 10, 10), -850, np.float32)
    lung[5, 5, :4] = 30
    assert is_air(air)
    assert not is_air(lung)
