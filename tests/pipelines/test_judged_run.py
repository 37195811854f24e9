"""A run folder as a calibration reads it, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from medvlp.errors import UsageError
from medvlp.pipelines.judged_run import read_judged_run
from tests.pipelines.run_samples import CLASSIFIER, WEIGHTS, slide_sha256, write_run

SHARES = np.asarray([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1]])


def read(folder: Path, **names: str | None):
    return read_judged_run(folder, **({"model": None, "task": None} | names))


def test_read_judged_run__tells_model_task_and_cases(tmp_path: Path) -> None:
    task = write_run(tmp_path / "run", SHARES)
    run = read(tmp_path / "run")
    assert (run.name, run.model.name, run.model.weights_sha256) == ("run", "tiny", WEIGHTS)
    assert run.task.classifier_sha256 == CLASSIFIER
    assert (run.task.head, run.task.classes) == ("mean", ("CC", "PAP", "Normal"))
    assert run.rules == task
    assert set(run.cases) == {"s0.svs", "s1.svs"}
    second = run.cases["s1.svs"]
    assert second.content_sha256 == slide_sha256(1)
    assert second.row.probabilities["PAP"] == 0.8
    assert second.folder == tmp_path / "run" / "cases" / "s1"


def test_read_judged_run__knows_the_classes_that_the_rule_can_choose(tmp_path: Path) -> None:
    write_run(tmp_path / "a", SHARES, head="subtype-ratio")
    assert read(tmp_path / "a").task.classes == ("CC", "PAP")
    write_run(tmp_path / "b", SHARES, head="detection-ratio")
    assert read(tmp_path / "b").task.classes == ("CC", "Normal")


@pytest.mark.parametrize("names", [{"model": "other"}, {"task": "other"}])
def test_read_judged_run__refuses_names_that_are_not_in_the_run(tmp_path: Path, names) -> None:
    write_run(tmp_path / "run", SHARES)
    assert read(tmp_path / "run", model="tiny", task="rcc").task.name == "rcc"
    with pytest.raises(UsageError, match="MV1522: the run holds tiny with rcc; 0 of them fit"):
        read(tmp_path / "run", **names)


def test_read_judged_run__refuses_a_run_that_is_calibrated(tmp_path: Path) -> None:
    write_run(tmp_path / "run", SHARES, judge={"calibration_sha256": "ab"})
    with pytest.raises(UsageError, match="MV1522: the confidences of run are calibrated already"):
        read(tmp_path / "run")


def test_read_judged_run__refuses_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"MV1522: .* holds no readable run\.json"):
        read(tmp_path)
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(UsageError, match=r"MV1522: .*is no record of a run"):
        read(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(UsageError, match=r"MV1522: .*lacks what a calibration needs"):
        read(tmp_path)


def test_read_judged_run__refuses_a_run_of_a_version_without_settings(tmp_path: Path) -> None:
    write_run(tmp_path, SHARES)
    record = json.loads((tmp_path / "run.json").read_text())
    del record["tasks"][0]["settings"]
    (tmp_path / "run.json").write_text(json.dumps(record))
    with pytest.raises(UsageError, match=r"MV1522: .*lacks what a calibration needs"):
        read(tmp_path)
