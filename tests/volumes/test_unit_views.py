"""The boxes shown are those that were encoded, and what was filled with air stays empty."""

from dataclasses import replace

import numpy as np
import pytest

from medvlp.phantoms.abdomen.nifti import write_phantom_mask, write_phantom_nifti
from medvlp.phantoms.abdomen.scan import PhantomScanSpec, make_phantom_scan
from medvlp.types import Case, VolumePreprocessing
from medvlp.volumes.cutting import cut_units
from medvlp.volumes.survey import ScanRules, survey_scan
from medvlp.volumes.unit_views import cut_unit_views

BOX = VolumePreprocessing(
    spacing_mm=(5.0, 2.0, 2.0),
    shape_zyx=(20, 48, 48),
    orientation="LPS",
    axes="zyx",
    window_hu=(-200.0, 300.0),
    region="kidney",
)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("ct")
    scan = make_phantom_scan(
        PhantomScanSpec(seed=1, shape_zyx=(24, 80, 96), spacing_mm=(5, 4, 4), orientation="RAS")
    )
    write_phantom_nifti(folder / "a.nii.gz", scan)
    write_phantom_mask(folder / "m.nii.gz", scan)
    return Case(
        case_id="a",
        case_key="a",
        path=folder / "a.nii.gz",
        modality="ct",
        mask=folder / "m.nii.gz",
    )


@pytest.mark.parametrize("orientation", ["LPS", "RAS"])
def test_cut_unit_views__shows_the_boxes_that_were_encoded(case: Case, orientation: str) -> None:
    box = replace(BOX, orientation=orientation)
    survey = survey_scan(case, box, ScanRules())
    encoded = np.concatenate(
        [batch.hu for batch in cut_units(case, survey.units, box, "refuse", 2)]
    )
    views = cut_unit_views(case, survey.units, box, ScanRules())
    assert [view.name for view in views] == ["kidney_right", "kidney_left"]
    for view, hu in zip(views, encoded, strict=True):
        turned = hu if orientation == "LPS" else hu[:, ::-1, ::-1]
        axial = view.seen[0]
        shown = np.where(np.isnan(axial.hu), box.air_hu, axial.hu)
        middle = [np.allclose(shown, plane, rtol=0, atol=0.51) for plane in turned]
        assert sum(middle) == 1
        assert middle.index(True) in {9, 10}
        assert axial.box_px == pytest.approx((0, 0, 48, 48), abs=1e-6)


def test_cut_unit_views__leaves_empty_what_the_scan_does_not_hold(case: Case) -> None:
    tall = replace(BOX, shape_zyx=(60, 48, 48))
    survey = survey_scan(case, tall, ScanRules())
    view = cut_unit_views(case, survey.units[:1], tall, ScanRules())[0]
    coronal = view.seen[1]
    outside = np.isnan(coronal.hu).all(axis=1)
    assert coronal.hu.shape == (60, 48)
    assert outside.sum() == 36  # 24 of 60 slices are in the scan
    organ = view.surroundings[0].organ
    assert organ is not None
    assert organ.any()


def test_cut_unit_views__draws_no_organ_for_windows(case: Case) -> None:
    windows = replace(BOX, region=None, overlap=None)
    survey = survey_scan(case, windows, ScanRules())
    (view,) = cut_unit_views(case, survey.units, windows, ScanRules())
    assert view.surroundings[0].organ is None
