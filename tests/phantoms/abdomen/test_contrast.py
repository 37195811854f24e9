"""Brightness of tissues."""

import pytest

from medvlp.phantoms.abdomen.contrast import PHASES, tissue_hu


def test_tissue_hu__of_water_air_and_fat_is_that_of_the_hounsfield_scale():
    for phase in PHASES:
        assert tissue_hu("air", phase) == -1000
        assert -5 <= tissue_hu("simple cyst", phase) <= 15
        assert -120 <= tissue_hu("fat", phase) <= -80


def test_tissue_hu__grows_with_the_dose_and_not_before_contrast():
    assert tissue_hu("aorta", "N", 1.2) == tissue_hu("aorta", "N")
    plain, usual = tissue_hu("aorta", "N"), tissue_hu("aorta", "A")
    assert tissue_hu("aorta", "A", 0.5) == pytest.approx((plain + usual) / 2)


def test_tissue_hu__tells_the_phases_of_a_kidney_apart():
    gap = {phase: tissue_hu("cortex", phase) - tissue_hu("medulla", phase) for phase in PHASES}
    assert gap["A"] > 80
    assert max(abs(gap["N"]), abs(gap["V"])) < 20
    assert tissue_hu("collecting system", "D") > 300 > tissue_hu("collecting system", "V")


def test_tissue_hu__refuses_an_unknown_tissue():
    with pytest.raises(KeyError, match="cheese"):
        tissue_hu("cheese", "N")
