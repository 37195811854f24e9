"""Boxes are cut in order, with their places and padding; windows of air are left out."""

from pathlib import Path

import numpy as np
import pytest

from medvlp.volumes.crops import crop_volume
from medvlp.volumes.cutting import cut_units, is_air
from medvlp.volumes.grid_source import GridSource
from medvlp.volumes.survey import ScanRules, survey_scan
from medvlp.volumes.units import crop_spec, plan_windows
from tests.volumes.bodies import KIDNEYS, WINDOWS, make_body, save_scan, write_body

REGION, PLANES = GridSource.read_region, GridSource.planes_from


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
        samples = np.argwhere(np.ones(crop.values.shape, bool))
        middle = crop.geometry.index_to_lps(samples).mean(axis=0)
        np.testing.assert_allclose(batch.coords_mm[row], middle[::-1], rtol=0, atol=1e-6)
    # A box is centred on its organ to within a sample.
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


@pytest.mark.parametrize("codes", ["SLP", "IRA", "PIR"])
def test_cut_units__goes_through_a_compressed_file_once_in_any_order_of_axes(
    tmp_path: Path, codes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume, _ = make_body()
    turned = volume.oriented(codes)
    case = write_body(tmp_path, mask=None)
    save_scan(case.path, turned)
    units = plan_windows(turned.geometry, WINDOWS)
    begun: list[int] = []

    def planes_from(source: GridSource, start: int):
        begun.append(start)
        return PLANES(source, start)

    monkeypatch.setattr(GridSource, "planes_from", planes_from)
    batches = list(cut_units(case, units, WINDOWS, "refuse", 4))
    monkeypatch.undo()
    assert begun == [0]
    for batch in batches:
        for number, hu in zip(batch.index, batch.hu, strict=True):
            crop = crop_volume(turned, units[number].centre_lps_mm, crop_spec(WINDOWS))
            np.testing.assert_array_equal(hu, crop.values)
    kept = sorted(np.concatenate([batch.index for batch in batches]))
    values = [crop_volume(turned, u.centre_lps_mm, crop_spec(WINDOWS)).values for u in units]
    assert kept == [number for number, hu in enumerate(values) if not is_air(hu)]


def test_cut_units__reads_both_kidneys_of_a_compressed_file_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = write_body(tmp_path)
    units = survey_scan(case, KIDNEYS, ScanRules()).units
    read: list[int] = []

    def read_region(source: GridSource, start, stop):
        read.append(stop[2] - start[2])
        return REGION(source, start, stop)

    monkeypatch.setattr(GridSource, "read_region", read_region)
    (batch,) = cut_units(case, units, KIDNEYS, "refuse", 4)
    assert len(batch.index) == 2
    assert len(read) == 1
    assert read[0] < 56


def test_is_air__tells_air_from_lung_with_its_vessels() -> None:
    air = np.full((10, 10, 10), -1000, np.float32)
    lung = np.full((10, 10, 10), -850, np.float32)
    lung[5, 5, :4] = 30
    assert is_air(air)
    assert not is_air(lung)
