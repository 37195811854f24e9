"""Slides and scans of one input in one run: each judged by the models and tasks of its kind."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from medvlp.config.run_schema import load_run_schema
from medvlp.config.run_tables import read_predictions
from medvlp.config.task import load_task, parse_task
from medvlp.errors import UsageError
from medvlp.jobs.progress import NullProgress
from medvlp.jobs.runner import JobReport, LeaseSettings
from medvlp.models.any_bundle import load_any_bundle
from medvlp.pipelines.calibrate import fit_confidence
from medvlp.pipelines.diagnose import diagnose_cases
from medvlp.pipelines.discover import Discovery
from medvlp.pipelines.judge import DiagnoseSettings
from medvlp.pipelines.judged_run import read_judged_run
from medvlp.types import Case
from tests.pipelines import scan_samples


def _run(
    cases: Sequence[Case],
    models: Sequence[Path],
    tasks: Sequence[object],
    out: Path,
    **settings: object,
) -> JobReport:
    return diagnose_cases(
        Discovery(tuple(cases), ()),
        [load_any_bundle(model) for model in models],
        tasks,
        DiagnoseSettings(**settings),
        out,
        progress=NullProgress(),
        lease=LeaseSettings(),
    )


def _slides(folder: Path, count: int = 1) -> list[Case]:
    return [
        Case(case_id=path.name, case_key=path.stem, path=path, modality="slide")
        for path in sorted(folder.iterdir())[:count]
    ]


def _failures(out: Path) -> dict[str, dict[str, str]]:
    with (out / "failures.csv").open(newline="", encoding="utf-8") as stream:
        return {row["case_id"]: row for row in csv.DictReader(stream)}


@pytest.fixture(scope="module")
def cases(phantom_slides: Path, phantom_scans: Path) -> list[Case]:
    return [
        *(scan_samples.scan_case(phantom_scans, name) for name in ("one", "two")),
        *_slides(phantom_slides),
    ]


@pytest.fixture(scope="module")
def finished(
    cases: list[Case],
    bundle_folder: Path,
    ct_bundle_folder: Path,
    task_file: Path,
    ct_task_file: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    tasks = [
        load_task(task_file),
        load_task(ct_task_file),
        parse_task(scan_samples.findings(), source="test"),
    ]
    report = _run(cases, [bundle_folder, ct_bundle_folder], tasks, out)
    assert report.exit_code == 0
    return out


def test_diagnose_cases__judges_each_case_by_its_modality(finished: Path) -> None:
    rows = read_predictions(finished)
    told = [(row.case_id, row.modality, row.model, row.task) for row in rows]
    assert told == [
        ("one.nii.gz", "ct", "tiny-ct", "masses"),
        ("one.nii.gz", "ct", "tiny-ct", "findings"),
        ("two.nii.gz", "ct", "tiny-ct", "masses"),
        ("two.nii.gz", "ct", "tiny-ct", "findings"),
        ("phantom_000.tif", "slide", "tiny", "phantom-subtyping"),
    ]
    assert all(row.status == "diagnosed" for row in rows)
    assert [row.findings is None for row in rows] == [True, False, True, False, True]


def test_diagnose_cases__keeps_folders_apart_only_where_a_modality_has_several(
    finished: Path,
) -> None:
    slide = finished / "cases" / "phantom_000"
    assert (slide / "heatmap.png").exists()
    for task in ("masses", "findings"):
        place = finished / "cases" / "one" / f"{task}__tiny-ct"
        assert (place / "units.csv").exists()
        assert (place / "planes_kidney_left.png").exists()
    assert (finished / "features" / "tiny-ct" / "one.h5").exists()


def test_diagnose_cases__records_every_model_and_task(finished: Path) -> None:
    record = json.loads((finished / "run.json").read_text())
    assert [(m["name"], m["modality"]) for m in record["models"]] == [
        ("tiny", "slide"),
        ("tiny-ct", "ct"),
    ]
    assert {(t["name"], t["modality"]) for t in record["tasks"]} == {
        ("phantom-subtyping", "slide"),
        ("masses", "ct"),
        ("findings", "ct"),
    }
    judges = record["configuration"]["judges"]
    assert [judge["modality"] for judge in judges] == ["slide", "ct", "ct"]
    assert judges[1]["preprocessing"]["region"] == "kidney"
    assert judges[0]["tiling"]["mpp"] == 0.5
    assert set(record) == set(load_run_schema()["$defs"]["run"]["properties"])


def test_diagnose_cases__shows_scans_beside_slides_in_the_report(finished: Path) -> None:
    page = (finished / "report.html").read_text()
    assert "its highest score of masses; kidney_left:" in page
    assert page.count("<figure") == 2 * 2 + 3  # both kidneys once, though two tasks saw them
    assert "Units used" in page
    assert "phantom_000.tif" in page


def test_diagnose_cases__takes_finished_cases_as_they_are(
    finished: Path,
    cases: list[Case],
    bundle_folder: Path,
    ct_bundle_folder: Path,
    task_file: Path,
    ct_task_file: Path,
) -> None:
    before = (finished / "predictions.csv").read_bytes()
    tasks = [
        load_task(task_file),
        load_task(ct_task_file),
        parse_task(scan_samples.findings(), source="test"),
    ]
    report = _run(cases, [bundle_folder, ct_bundle_folder], tasks, finished)
    assert {outcome.status for outcome in report.outcomes} == {"reused"}
    assert (finished / "predictions.csv").read_bytes() == before


@pytest.mark.parametrize("changed", ["scan", "mask"])
def test_diagnose_cases__notices_that_a_scan_or_its_mask_changed(
    changed: str, ct_bundle_folder: Path, ct_task_file: Path, tmp_path: Path
) -> None:
    folder = scan_samples.write_scans(tmp_path / "in", ("one",))
    case = scan_samples.scan_case(folder)
    tasks = [load_task(ct_task_file)]
    assert _run([case], [ct_bundle_folder], tasks, tmp_path / "run").exit_code == 0
    path = case.path if changed == "scan" else case.mask
    assert path is not None
    path.write_bytes(path.read_bytes() + b"\0")
    assert _run([case], [ct_bundle_folder], tasks, tmp_path / "run").exit_code == 1
    (row,) = _failures(tmp_path / "run").values()
    assert row["code"] == "MV1305"
    assert f"the {changed} has changed since" in row["reason"]


def test_diagnose_cases__reuses_features_of_an_earlier_run(
    finished: Path, cases: list[Case], ct_bundle_folder: Path, ct_task_file: Path, tmp_path: Path
) -> None:
    tasks = [load_task(ct_task_file)]
    report = _run(cases[:2], [ct_bundle_folder], tasks, tmp_path, features=finished)
    assert report.exit_code == 0
    assert not (tmp_path / "features").exists()
    expected = [row for row in read_predictions(finished) if row.task == "masses"]
    assert read_predictions(tmp_path) == expected


def test_diagnose_cases__lists_cases_that_no_model_takes(
    cases: list[Case], bundle_folder: Path, task_file: Path, tmp_path: Path
) -> None:
    report = _run(cases, [bundle_folder], [load_task(task_file)], tmp_path)
    assert report.exit_code == 1
    assert {name: row["code"] for name, row in _failures(tmp_path).items()} == {
        "one.nii.gz": "MV1109",
        "two.nii.gz": "MV1109",
    }
    assert [row.case_id for row in read_predictions(tmp_path)] == ["phantom_000.tif"]


def test_diagnose_cases__refuses_a_model_without_a_task_before_anything_is_written(
    cases: list[Case], bundle_folder: Path, ct_bundle_folder: Path, task_file: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="MV1130: model tiny-ct takes ct cases"):
        _run(cases, [bundle_folder, ct_bundle_folder], [load_task(task_file)], tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_calibration__is_fitted_on_scans_with_named_classes_and_used(
    finished: Path, cases: list[Case], ct_bundle_folder: Path, ct_task_file: Path, tmp_path: Path
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("case_id,label\none.nii.gz,cyst\ntwo.nii.gz,tumour\n")
    judged = read_judged_run(finished, model=None, task="masses")
    found = fit_confidence(judged, labels, alpha=0.4, method="lac")
    path = tmp_path / "c.json"
    path.write_text(found.model_dump_json())
    tasks = [load_task(ct_task_file)]
    out = tmp_path / "run"
    assert _run(cases[:2], [ct_bundle_folder], tasks, out, calibrations=(path,)).exit_code == 0
    rows = read_predictions(out)
    assert all(row.prediction_set is not None for row in rows)
    page = (out / "report.html").read_text()
    assert "This case is in the calibration set" in page


def test_calibration__refuses_findings_that_can_be_there_at_once(
    finished: Path, tmp_path: Path
) -> None:
    judged = read_judged_run(finished, model="tiny-ct", task="findings")
    with pytest.raises(UsageError, match="MV1522: head 'present-absent'"):
        fit_confidence(judged, tmp_path / "labels.csv", alpha=0.4, method="lac")
