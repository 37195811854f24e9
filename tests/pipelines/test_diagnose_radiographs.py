"""A folder of X-rays goes in, a run folder comes out; bad files fail alone; runs are resumed."""

from pathlib import Path

import pytest

from medvlp.config.run_tables import read_predictions
from medvlp.errors import UsageError
from medvlp.io import read_csv
from medvlp.jobs.progress import NullProgress
from medvlp.jobs.runner import LeaseSettings
from medvlp.models.any_bundle import load_any_bundle
from medvlp.pipelines.diagnose import diagnose_cases
from medvlp.pipelines.discover import discover_cases
from medvlp.pipelines.judge import DiagnoseSettings
from tests.pipelines.radiograph_samples import prompt_task, task_of, write_images, write_model


def run(source: Path, out: Path, model: Path, *tasks):
    return diagnose_cases(
        discover_cases(source),
        [load_any_bundle(model)],
        tasks,
        DiagnoseSettings(),
        out,
        progress=NullProgress(),
        lease=LeaseSettings(),
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("films")
    write_images(root / "in")
    (root / "in" / "cut.png").write_bytes((root / "in" / "a.png").read_bytes()[:400])
    (root / "in" / "notes.txt").write_text("no picture")
    write_model(root / "model")
    return root


def test_diagnose_cases__judges_png_and_dicom_by_findings(place, tmp_path) -> None:
    report = run(place / "in", tmp_path, place / "model", task_of())
    assert report.exit_code == 1
    rows = read_predictions(tmp_path)
    assert [(row.case_id, row.status) for row in rows] == [
        ("a.png", "diagnosed"),
        ("b.dcm", "diagnosed"),
    ]
    (failure,) = read_csv(tmp_path / "failures.csv")
    assert (failure["case_id"], failure["code"]) == ("cut.png", "MV2402")
    assert (tmp_path / "cases" / "a" / "findings.parquet").exists()
    assert "attention_01.png" in {p.name for p in (tmp_path / "cases" / "b").iterdir()}
    page = (tmp_path / "report.html").read_text()
    assert "unseen, described" in page or "seen in training" in page
    told = (tmp_path / "run.json").read_text()
    assert '"knowledge": "unseen, free text"' in told
    again = run(place / "in", tmp_path, place / "model", task_of())
    assert [outcome.status for outcome in again.outcomes] == ["reused", "reused", "failed"]


def test_diagnose_cases__judges_one_image_by_two_tasks(place, tmp_path) -> None:
    tasks = (task_of(), prompt_task(name="prompts"))
    run(place / "in" / "b.dcm", tmp_path, place / "model", *tasks)
    assert {row.task for row in read_predictions(tmp_path)} == {"chest-findings", "prompts"}
    assert len(list((tmp_path / "cases" / "b").rglob("findings.csv"))) == 2


def test_diagnose_cases__refuses_a_task_that_no_model_serves(place, tmp_path) -> None:
    with pytest.raises(UsageError) as caught:
        run(place / "in", tmp_path, place / "model")
    assert caught.value.code == "MV1130"
