"""What a judged scan leaves in its folder, and what the report says of its boxes."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medvlp.config.task import parse_task
from medvlp.models.volume.bundle import load_volume_bundle
from medvlp.pipelines.judge import DiagnoseSettings
from medvlp.pipelines.judge_scans import ScanJudge
from medvlp.pipelines.scan_folder import ScanFinding, scan_notes, units_to_show
from medvlp.volumes.volume import Finding
from medvlp.zeroshot.units import CaseVerdict
from tests.pipelines import scan_samples


@pytest.fixture(scope="module")
def finding(
    ct_bundle_folder: Path, phantom_scans: Path, tmp_path_factory: pytest.TempPathFactory
) -> ScanFinding:
    judge = ScanJudge(
        load_volume_bundle(ct_bundle_folder),
        parse_task(scan_samples.masses(), source="test"),
        DiagnoseSettings(),
        tmp_path_factory.mktemp("features"),
    )
    return judge.judge(scan_samples.scan_case(phantom_scans), "", lambda _: None)


def test_draw__shows_every_box_and_lists_its_scores(finding: ScanFinding, tmp_path: Path) -> None:
    figures = finding.draw(tmp_path)
    assert [figure.path.name for figure in figures] == [
        "planes_kidney_right.png",
        "planes_kidney_left.png",
    ]
    with Image.open(figures[0].path) as picture:
        assert picture.width > 800
    assert finding.verdict is not None
    with (tmp_path / "units.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["unit"] for row in rows] == ["kidney_right", "kidney_left"]
    # the right kidney lies towards negative x in LPS
    assert float(rows[0]["x_mm"]) < float(rows[1]["x_mm"])
    found = [[float(row[f"prob_{name}"]) for name in finding.verdict.class_names] for row in rows]
    np.testing.assert_allclose(found, finding.verdict.unit_probabilities, rtol=0, atol=1e-6)
    best = finding.verdict.unit_probabilities[0].max()
    assert f"{best:.3f} is its highest score of masses" in figures[0].title
    assert (tmp_path / "units.parquet").exists()


def test_draw__leaves_nothing_where_there_was_nothing_to_judge(
    finding: ScanFinding, tmp_path: Path
) -> None:
    assert replace(finding, verdict=None).draw(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_scan_finding__names_the_mask_only_where_the_user_gave_it(finding: ScanFinding) -> None:
    assert finding.mask_sha256 == finding.survey.mask_sha256 != ""
    found = replace(finding.features.meta, mask_source="totalsegmentator")
    other = replace(finding, features=replace(finding.features, meta=found))
    assert other.mask_sha256 == ""


def _verdict(units: int) -> CaseVerdict:
    names = tuple(f"window 0 0 {n}" for n in range(units))
    return CaseVerdict(
        prediction="a",
        findings=None,
        confidence=0.5,
        probabilities={"a": 0.25, "b": 0.5, "c": 0.25},
        scores={},
        unit_probabilities=np.full((units, 3), 1 / 3, np.float32),
        unit_names=names,
        class_names=("a", "b", "c"),
        strongest_units={"a": names[-1], "b": names[1], "c": names[-1]},
        rule="",
        n_used=units,
    )


def test_units_to_show__takes_all_of_few_and_the_strongest_of_many() -> None:
    assert units_to_show(_verdict(4)) == [f"window 0 0 {n}" for n in range(4)]
    assert units_to_show(_verdict(9)) == ["window 0 0 1", "window 0 0 8"]


def _features(finding: ScanFinding, count: int, **meta):
    return replace(
        finding.features,
        features=np.zeros((count, 2), np.float32),
        coords_mm=np.zeros((count, 3)),
        units=tuple(f"u{n}" for n in range(count)),
        padded_share=np.full(count, 0.25, np.float32),
        padded_sides=("IL",) * count,
        cut_sides=("", *("S",) * (count - 1)),
        meta=replace(finding.features.meta, findings=(), num_air=0, **meta),
    )


def test_scan_notes__tell_of_padding_cut_organs_and_what_was_noticed(finding: ScanFinding) -> None:
    features = _features(finding, 2)
    told = Finding("MV2245", "too few organs")
    features = replace(features, meta=replace(features.meta, findings=(told,), num_air=3))
    assert scan_notes(features) == (
        "u0: 25% of the box lies outside of the scan (I, L) and was filled with air.",
        "u1: 25% of the box lies outside of the scan (I, L) and was filled with air.",
        "u1 touches the edge of the scan (S): the field of view has probably cut it.",
        "3 boxes hold nothing but air and were left out.",
        "MV2245: too few organs.",
    )


def test_scan_notes__say_that_a_tool_labelled_the_organs(finding: ScanFinding) -> None:
    notes = scan_notes(_features(finding, 1, mask_source="totalsegmentator"))
    assert notes[-1] == "The organs were labelled by totalsegmentator, and nobody has checked them."


def test_scan_notes__sum_up_what_is_true_of_many_boxes(finding: ScanFinding) -> None:
    notes = scan_notes(_features(finding, 6))
    assert notes == (
        "6 boxes lie partly outside of the scan and were filled with air there; the table of the "
        "boxes tells which.",
        "5 organs touch the edge of the scan; the table of the boxes tells which.",
    )
