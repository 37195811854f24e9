"""A scan is looked at once, however many tasks a model has."""

from dataclasses import replace
from pathlib import Path

import pytest

from medvlp.errors import MedvlpError
from medvlp.models.volume.bundle import load_volume_bundle
from medvlp.pipelines import scan_desk
from medvlp.pipelines.judge import DiagnoseSettings
from medvlp.pipelines.judge_scans import make_desk
from medvlp.pipelines.scan_desk import ScanDesk
from tests.pipelines import scan_samples


@pytest.fixture
def desk(ct_bundle_folder: Path, tmp_path: Path) -> ScanDesk:
    return make_desk(load_volume_bundle(ct_bundle_folder), DiagnoseSettings(), tmp_path)


def test_survey__is_made_once_for_the_scan_at_hand(desk: ScanDesk, phantom_scans: Path) -> None:
    one, two = (scan_samples.scan_case(phantom_scans, name) for name in ("one", "two"))
    first = desk.survey(one)
    assert desk.survey(replace(one)) is first
    assert desk.survey(two).content_sha256 != first.content_sha256
    again = desk.survey(one)
    assert again is not first
    assert again.content_sha256 == first.content_sha256


def test_survey__forgets_the_scan_before_one_that_cannot_be_read(
    desk: ScanDesk, phantom_scans: Path
) -> None:
    one = scan_samples.scan_case(phantom_scans)
    first = desk.survey(one)
    with pytest.raises(MedvlpError, match="MV1120"):
        desk.survey(replace(one, mask=None))
    assert desk.survey(one) is not first


def test_views__are_cut_once(
    desk: ScanDesk, phantom_scans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = scan_samples.scan_case(phantom_scans)
    right, left = desk.survey(case).units
    (first,) = desk.views(case, [left])
    asked: list[list[str]] = []
    run = scan_desk.run_in_worker

    def counting(function, case, units, *more, **limits):
        asked.append([unit.name for unit in units])
        return run(function, case, units, *more, **limits)

    monkeypatch.setattr(scan_desk, "run_in_worker", counting)
    both = desk.views(case, [right, left])
    assert [view.name for view in both] == ["kidney_right", "kidney_left"]
    assert both[1] is first
    assert desk.views(case, [left, right])[1] is both[0]
    assert asked == [["kidney_right"]]
