"""A survey plans boxes and refuses values, sides and masks that cannot be right."""

from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest

from medvlp.errors import VolumeError
from medvlp.volumes.geometry import affine_ras_to_lps
from medvlp.volumes.survey import ScanRules, survey_scan
from tests.volumes.bodies import GEOMETRY, KIDNEYS, WINDOWS, make_body, save_scan, write_body

RULES = ScanRules()


def test_survey_scan__finds_both_kidneys(tmp_path: Path) -> None:
    case = write_body(tmp_path)
    found = survey_scan(case, KIDNEYS, RULES)
    assert [unit.name for unit in found.units] == ["kidney_right", "kidney_left"]
    assert (found.scan_format, found.findings) == ("nifti-gzip", ())
    assert found.geometry.difference(GEOMETRY) == ""
    assert len(found.mask_sha256) == 64


def test_survey_scan__needs_no_mask_for_windows(tmp_path: Path) -> None:
    case = write_body(tmp_path, mask=None)
    found = survey_scan(case, WINDOWS, RULES)
    assert (len(found.units), found.mask_sha256) == (3 * 6 * 6, "")


def test_survey_scan__refuses_a_mirrored_body(tmp_path: Path) -> None:
    case = write_body(tmp_path, mirrored=True)
    with pytest.raises(VolumeError, match=r"MV2245: ct.nii.gz is mirrored"):
        survey_scan(case, KIDNEYS, RULES)


@pytest.mark.parametrize(("shift", "code"), [(-1024, "MV2237"), (1024, "MV2236")])
def test_survey_scan__refuses_values_rescaled_twice_or_not_at_all(
    tmp_path: Path, shift: int, code: str
) -> None:
    case = write_body(tmp_path)
    volume, _ = make_body()
    save_scan(case.path, replace(volume, hu=volume.hu + np.int16(shift)))
    with pytest.raises(VolumeError, match=code):
        survey_scan(case, KIDNEYS, RULES)
    found = survey_scan(case, KIDNEYS, ScanRules(allow_values=True))
    assert [finding.code for finding in found.findings] == [code]


def test_survey_scan__says_which_mask_lacks_the_organ(tmp_path: Path) -> None:
    case = write_body(tmp_path)
    with pytest.raises(VolumeError, match=r"MV2243: seg.nii.gz: no label is named 'pancreas'"):
        survey_scan(case, replace(KIDNEYS, region="pancreas"), RULES)
    _, mask = make_body()
    affine = affine_ras_to_lps(GEOMETRY.affine_lps)
    nibabel.save(nibabel.Nifti1Image(mask.labels.T, affine), tmp_path / "plain.nii.gz")
    case = replace(case, mask=tmp_path / "plain.nii.gz")
    with pytest.raises(VolumeError, match="--mask-names totalsegmentator"):
        survey_scan(case, KIDNEYS, RULES)
    named = survey_scan(case, KIDNEYS, ScanRules(mask_names="totalsegmentator"))
    assert len(named.units) == 2


def test_survey_scan__refuses_a_mask_of_another_grid(tmp_path: Path) -> None:
    case = write_body(tmp_path)
    other = replace(GEOMETRY, origin_lps_mm=(0.0, 0.0, 0.0))
    volume, _ = make_body()
    save_scan(case.path, replace(volume, geometry=other))
    with pytest.raises(VolumeError, match="MV2240"):
        survey_scan(case, KIDNEYS, RULES)


def test_survey_scan__flags_an_organ_cut_by_the_field_of_view(tmp_path: Path) -> None:
    case = write_body(tmp_path)
    volume, mask = make_body()
    cut = replace(GEOMETRY, shape_zyx=(22, 56, 56))
    save_scan(case.path, replace(volume, hu=volume.hu[:22], geometry=cut))
    affine = affine_ras_to_lps(GEOMETRY.affine_lps)
    nibabel.save(nibabel.Nifti1Image(mask.labels[:22].T, affine), case.mask)
    rules = ScanRules(mask_names="totalsegmentator")
    right, left = survey_scan(case, KIDNEYS, rules).units
    assert left.cut_sides == ("S",)
    assert right.cut_sides == ("S",) or not right.cut_sides
