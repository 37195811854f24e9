"""Radiomics: what is handed to the library, and what comes back; with the library where it is."""

import sys
import types

import nibabel as nib
import numpy as np
import pytest

from medvlp.errors import UsageError, VolumeError
from medvlp.io import read_csv
from medvlp.phantoms.abdomen.nifti import write_phantom_mask, write_phantom_nifti
from medvlp.phantoms.abdomen.scan import PhantomScanSpec, make_phantom_scan
from medvlp.probing.radiomics_maker import (
    RadiomicsCase,
    RadiomicsSettings,
    measure_radiomics,
    write_radiomics_table,
)


class FakeRow:
    """Stands for the one row of a table of the library."""

    def __init__(self, cells):
        self.iloc = [self]
        self.cells = cells

    def to_dict(self):
        return self.cells


@pytest.fixture
def calls(monkeypatch):
    """Put a stand-in in the place of MIRP that tells what it was given."""
    seen = []

    def extract_features(*, image, mask, **settings):
        values, there = nib.load(image), nib.load(mask)
        inside = np.asarray(there.dataobj) > 0
        voxel_mm3 = float(np.prod(values.header.get_zooms()))
        seen.append({"values": values, "inside": inside, **settings})
        return [
            FakeRow(
                {
                    "sample_name": "x",
                    "image_file_name": image,
                    "morph_volume": inside.sum() * voxel_mm3,
                    "stat_mean": np.asarray(values.dataobj)[inside].mean(),
                    "cm_energy": 0.5,
                }
            )
        ]

    module = types.ModuleType("mirp")
    module.extract_features = extract_features
    monkeypatch.setitem(sys.modules, "mirp", module)
    return seen


def ball(radius_mm=18.0, spacing=(3.0, 1.5, 1.0), shape=(40, 60, 90)):
    grid = np.ogrid[tuple(slice(n) for n in shape)]
    away = sum(
        ((axis - n / 2) * step) ** 2 for axis, n, step in zip(grid, shape, spacing, strict=True)
    )
    return away <= radius_mm**2, spacing


def test_measure_radiomics__hands_over_a_crop_with_its_spacing(calls):
    mask, spacing = ball()
    hu = np.where(mask, 60, -80).astype(np.int16)
    found = measure_radiomics(hu, mask, spacing)
    assert list(found) == ["morph_volume", "stat_mean", "cm_energy"]
    assert found["morph_volume"] == pytest.approx(4 / 3 * np.pi * 18**3, rel=0.05)
    assert found["stat_mean"] == 60
    (call,) = calls
    assert call["values"].header.get_zooms() == (1.0, 1.5, 3.0)
    # The ball is 13 slices of 3 mm thick; 10 mm on each side are 4 slices.
    assert call["values"].shape[2] == 13 + 2 * 4
    assert call["inside"].sum() == mask.sum()
    assert call["base_discretisation_bin_width"] == 25
    assert call["resegmentation_intensity_range"] == [-200, 300]


def test_measure_radiomics__keeps_the_families_asked_for(calls):
    mask, spacing = ball()
    settings = RadiomicsSettings(families=("statistics",))
    assert list(measure_radiomics(mask * 1.0, mask, spacing, settings=settings)) == ["stat_mean"]
    assert calls[0]["base_feature_families"] == ["statistics"]


def test_write_radiomics_table__measures_scans_with_their_masks(calls, tmp_path):
    scan = make_phantom_scan(PhantomScanSpec(seed=3, shape_zyx=(24, 64, 80), spacing_mm=(9, 6, 5)))
    write_phantom_nifti(tmp_path / "scan.nii.gz", scan)
    write_phantom_mask(tmp_path / "mask.nii.gz", scan)
    sides = ("kidney_left", "kidney_right")
    cases = [
        RadiomicsCase(
            case_id="c1",
            scan=tmp_path / "scan.nii.gz",
            mask=tmp_path / "mask.nii.gz",
            label=side,
            unit=side,
        )
        for side in sides
    ]
    assert write_radiomics_table(tmp_path / "radiomics.csv", cases) == 3
    rows = read_csv(tmp_path / "radiomics.csv")
    number_of = {name: number for number, name in scan.label_names.items()}
    for row, side in zip(rows, sides, strict=True):
        assert (row["case_id"], row["unit"]) == ("c1", side)
        volume = (scan.labels == number_of[side]).sum() * 9 * 6 * 5
        assert float(row["morph_volume"]) == pytest.approx(volume)
    assert not any("file" in name for name in rows[0])


def test_measure_radiomics__refuses_an_empty_mask():
    with pytest.raises(VolumeError, match="MV2241"):
        measure_radiomics(np.zeros((2, 2, 2)), np.zeros((2, 2, 2), bool), (1, 1, 1))


def test_measure_radiomics__says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mirp", None)
    with pytest.raises(UsageError, match=r"MV1778.*pip install 'medvlp\[radiomics\]'"):
        measure_radiomics(np.zeros((2, 2, 2)), np.ones((2, 2, 2), bool), (1, 1, 1))


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_measure_radiomics__of_a_ball_has_its_volume_and_roundness():
    pytest.importorskip("mirp", reason="the extra radiomics is not installed")
    mask, spacing = ball(spacing=(3.0, 1.5, 1.5), shape=(40, 60, 60))
    hu = np.where(mask, 60, -80) + np.random.default_rng(0).normal(0, 20, mask.shape)
    found = measure_radiomics(hu, mask, spacing)
    assert found["morph_volume"] == pytest.approx(4 / 3 * np.pi * 18**3, rel=0.03)
    assert found["morph_sphericity"] > 0.85
    assert found["stat_mean"] == pytest.approx(60, abs=4)
