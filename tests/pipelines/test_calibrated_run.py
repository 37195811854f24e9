"""From labels to confidences: a run, its calibration, and a run that uses it, on phantom slides."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from medvlp.cli.main import main
from medvlp.config.run_tables import read_predictions
from medvlp.knowledge.build import build_graph
from medvlp.knowledge.store import write_graph
from medvlp.phantoms.cohort import cohort_task
from medvlp.phantoms.ontology import write_ontology


def zero_shot(source: Path, model: Path, task: Path, out: Path, *more: str) -> int:
    words = ["zero-shot", str(source), "--model", str(model), "--task", str(task)]
    return main([*words, "--out", str(out), *more])


def codes(out: Path) -> dict[str, str]:
    lines = (out / "failures.csv").read_text(encoding="utf-8").splitlines()[1:]
    return {line.split(",")[0]: line.split(",")[2] for line in lines}


@pytest.fixture(scope="module")
def first_run(
    phantom_slides: Path,
    bundle_folder: Path,
    task_file: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    out = tmp_path_factory.mktemp("runs") / "first"
    assert zero_shot(phantom_slides, bundle_folder, task_file, out) == 0
    return out


@pytest.fixture(scope="module")
def calibration(first_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A calibration on all four slides; the last one is labelled as what it was not called."""
    folder = tmp_path_factory.mktemp("calibration")
    rows = read_predictions(first_run)
    labels = [str(row.prediction) for row in rows]
    labels[-1] = next(name for name in rows[-1].probabilities if name != labels[-1])
    lines = [f"{row.case_id},{label}" for row, label in zip(rows, labels, strict=True)]
    (folder / "labels.csv").write_text("\n".join(["case_id,label", *lines]) + "\n")
    out = folder / "c.json"
    words = [str(first_run), str(folder / "labels.csv"), "--out", str(out), "--alpha", "0.4"]
    assert main(["calibrate", *words]) == 0
    return out


def test_zero_shot__fills_confidence_node_and_set(
    phantom_slides: Path,
    bundle_folder: Path,
    task_file: Path,
    first_run: Path,
    calibration: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_ontology(tmp_path / "phantom.jsonl")
    graph, _ = build_graph([tmp_path / "phantom.jsonl"])
    write_graph(graph, tmp_path / "graph.parquet")
    given = ("--features", str(first_run), "--calibration", str(calibration))
    nodes = ("--graph", str(tmp_path / "graph.parquet"), "--confidence", "0.7")
    out = tmp_path / "run"
    assert zero_shot(phantom_slides, bundle_folder, task_file, out, *given, *nodes) == 0
    assert "reported as" in capsys.readouterr().out
    record = json.loads((out / "run.json").read_text())
    (used,) = record["calibrations"]
    assert used["temperature"] == json.loads(calibration.read_text())["temperature"]["value"]
    assert record["hashes"]["graph"] == graph.content_sha256
    before = {row.case_id: row for row in read_predictions(first_run)}
    for row in read_predictions(out):
        assert row.prediction == before[row.case_id].prediction
        assert row.scores == before[row.case_id].scores
        assert sum(row.probabilities.values()) == pytest.approx(1)
        assert row.confidence == row.probabilities[str(row.prediction)]
        assert row.node_confidence >= 0.7
        assert row.node_path is not None
        assert row.node is None or row.node in graph
        assert row.prediction in row.prediction_set
    report = (out / "report.html").read_text()
    for words in ("Confidence is calibrated on 4 labelled cases", "is in the calibration set"):
        assert words in report
    labels = calibration.with_name("labels.csv")
    again = ["calibrate", str(out), str(labels), "--out", str(tmp_path / "c.json")]
    assert main(again) == 2
    assert "MV1522" in capsys.readouterr().err


def test_zero_shot__refuses_a_calibration_of_another_task(
    phantom_slides: Path,
    bundle_folder: Path,
    calibration: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    task = tmp_path / "task.yaml"
    task.write_text(yaml.safe_dump(cohort_task() | {"templates": ["only {}."]}, sort_keys=False))
    out = tmp_path / "run"
    assert (
        zero_shot(phantom_slides, bundle_folder, task, out, "--calibration", str(calibration)) == 2
    )
    assert "MV1521: c.json was fitted for model tiny" in capsys.readouterr().err
    assert not (out / "cases").exists()


@pytest.mark.slow
def test_zero_shot__judges_no_slide_by_a_threshold_from_its_own_mask(
    phantom_slides: Path,
    bundle_folder: Path,
    first_run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    document = cohort_task() | {"head": "segmentation", "positive": "clear-cell"}
    task = tmp_path / "task.yaml"
    task.write_text(yaml.safe_dump(document, sort_keys=False))
    features = ("--features", str(first_run))
    words = (*features, "--confidence", "0.6")
    assert zero_shot(phantom_slides, bundle_folder, task, tmp_path / "a", *words) == 0
    assert "the probabilities of nodes are not calibrated" in capsys.readouterr().err
    mask = np.zeros((24, 24), np.uint8)
    mask[:12] = 1
    Image.fromarray(mask).save(tmp_path / "half.png")
    Image.fromarray(1 - mask).save(tmp_path / "other.png")
    found = []
    for name in ("half.png", "other.png"):
        (tmp_path / "masks.csv").write_text(f"case_id,mask\nphantom_000.tif,{name}\n")
        places = [str(tmp_path / "a"), str(tmp_path / "masks.csv"), "--fit", "threshold"]
        found.append(main(["calibrate", *places, "--out", str(tmp_path / "t.json")]))
        if found[-1] == 0:
            break
    assert 0 in found, "the random model parts neither half from the other"
    task.write_text(yaml.safe_dump(document | {"threshold": {"from": "t.json"}}, sort_keys=False))
    out = tmp_path / "b"
    assert zero_shot(phantom_slides, bundle_folder, task, out, *features) == 1
    assert codes(out) == {"phantom_000.tif": "MV1523"}
    assert len(read_predictions(out)) == 3
    threshold = json.loads((out / "run.json").read_text())["tasks"][0]["threshold"]
    assert threshold["value"] == json.loads((tmp_path / "t.json").read_text())["threshold"]
    assert threshold["from"] == "t.json"
    assert threshold["set"]["number"] == 1
