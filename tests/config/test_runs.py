import json
from pathlib import Path

import pytest

from medvlp.config.runs import (
    CaseRow,
    ModelRecord,
    PredictionRow,
    RunFolder,
    RunRecord,
    TaskRecord,
    without_local_names,
    write_run_record,
)


def row(**changes) -> PredictionRow:
    values = {
        "case_id": "a/b.svs",
        "model": "tiny",
        "task": "rcc",
        "modality": "slide",
        "status": "diagnosed",
        "prediction": "CCRCC",
        "confidence": 0.75,
        "n_units": 10,
        "n_used": 8,
        "n_failed": 2,
        "probabilities": {"CCRCC": 0.75, "PRCC": 0.25},
    }
    return PredictionRow(**(values | changes))


def test_prediction_row__takes_the_rounding_of_32_bit_sums() -> None:
    assert row(confidence=1.0000001, probabilities={"A": -1e-9}).confidence > 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"status": "maybe"}, "status must be one of"),
        ({"confidence": 1.1}, "confidence must lie in 0 to 1, got 1.1"),
        ({"confidence": float("nan")}, "confidence must lie in 0 to 1, got nan"),
        ({"probabilities": {"CCRCC": float("nan")}}, "prob_CCRCC must lie in 0 to 1"),
        ({"scores": {"top-10": float("inf")}}, "top-10 must be finite"),
        ({"node_confidence": -0.1}, "node_confidence must lie in 0 to 1, got -0.1"),
        ({"interval_low": float("nan")}, "low must be finite"),
        ({"findings": ("stone",)}, "findings .'stone'. have no probability"),
        ({"n_used": 9}, "n_used 9 and n_failed 2 do not fit into n_units 10"),
        ({"n_failed": -1}, "n_failed -1"),
    ],
)
def test_prediction_row__refuses_what_no_correct_run_gives(changes, message) -> None:
    with pytest.raises(ValueError, match=message):
        row(**changes)


def test_run_folder__names_its_files(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    names = {
        run.predictions_csv.name,
        run.predictions_parquet.name,
        run.failures_csv.name,
        run.cases_csv.name,
        run.run_json.name,
        run.report_html.name,
    }
    assert names == {
        *("predictions.csv", "predictions.parquet", "failures.csv", "cases.csv"),
        *("run.json", "report.html"),
    }
    assert run.case_folder("slide_001") == tmp_path / "cases" / "slide_001"


@pytest.mark.parametrize("key", ["..", "a/b", "/etc", "", ".hidden", "a\\b", "nul"])
def test_run_folder__refuses_keys_that_could_leave_it(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="is not safe"):
        RunFolder(tmp_path).case_folder(key)


def test_write_run_record__states_the_intended_use(tmp_path: Path) -> None:
    record = RunRecord(
        medvlp_version="0.1.0",
        started_at="",
        models=(ModelRecord(name="tiny", modality="slide", weights_sha256="ab"),),
        tasks=(
            TaskRecord(
                name="rcc",
                modality="slide",
                heads=("mean",),
                settings_sha256="cd",
                scale={"mpp": 0.5},
                prompts={"CCRCC": ("clear cell", "\u00e9")},
            ),
        ),
        timings_s={"embed": 1.5},
    )
    first = write_run_record(tmp_path, record).read_bytes()
    assert write_run_record(tmp_path, record).read_bytes() == first
    document = json.loads(first)
    assert document["intended_use"] == "research only"
    assert document["tasks"][0]["prompts"] == {"CCRCC": ["clear cell", "\u00e9"]}
    assert document["models"][0]["weights_sha256"] == "ab"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/data/Smith.svs: no mpp", "p1: no mpp"),
        ("Smith.svs has no mpp; see Smith.svs", "p1 has no mpp; see p1"),
        ("tile 3 did not decode", "tile 3 did not decode"),
    ],
)
def test_without_local_names__puts_the_case_id_there(text: str, expected: str) -> None:
    case = CaseRow(case_id="p1", case_key="p1", path="/data/Smith.svs")
    assert without_local_names(text, case) == expected


def test_without_local_names__repeats_no_folder_of_the_case_id() -> None:
    case = CaseRow(case_id="sub/a.svs", case_key="sub_a", path="/data/sub/a.svs")
    assert without_local_names("/data/sub/a.svs is cut", case) == "sub/a.svs is cut"
    assert without_local_names("sub/a.svs has no mask", case) == "sub/a.svs has no mask"
    short = CaseRow(case_id="S", case_key="S", path="/data/Smith.svs")
    assert without_local_names("Smith.svs and S", short) == "S and S"
    empty = CaseRow(case_id="x", case_key="x", path="")
    assert without_local_names("plain", empty) == "plain"
