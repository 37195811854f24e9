"""Confidence, node and prediction set of a verdict, and calibrations that do not belong to it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special

from medvlp.config.calibrations import ConfidenceCalibration
from medvlp.config.runs import PredictionRow
from medvlp.config.task import Task, parse_task, task_settings
from medvlp.errors import ConfigError
from medvlp.io import json_sha256, write_json
from medvlp.pipelines.confidence import (
    DEFAULT_CONFIDENCE,
    Identity,
    LoadedCalibration,
    check_threshold,
    load_calibrations,
    make_node_rule,
    match_calibration,
    report_confidence,
    unused_calibration,
)
from medvlp.zeroshot.classifier import build_classifier
from medvlp.zeroshot.heads import SlideVerdict
from medvlp.zeroshot.units import CaseVerdict, judge_units
from tests.config import calibration_samples
from tests.pipelines.run_samples import CLASSIFIER, WEIGHTS, graph, task_document
from tests.zeroshot.slide_cases import embed_words
from tests.zeroshot.unit_cases import mass_task, scan_task

SHARES = {"CC": 0.6, "PAP": 0.3, "Normal": 0.1}


def make_task(**changes: Any) -> Task:
    classes = {
        "CC": {"names": ["a"], "concept": "K:2"},
        "PAP": {"names": ["b"], "concept": "K:3"},
        "Normal": {"names": ["c"]},
    }
    return parse_task(task_document(**({"classes": classes} | changes)), source="test")


def identity(task: Task, **changes: Any) -> Identity:
    values = {"model": "tiny", "weights_sha256": WEIGHTS, "classifier_sha256": CLASSIFIER}
    return Identity(task=task, **(values | changes))


def calibration(task: Task, **changes: Any) -> LoadedCalibration:
    content: ConfidenceCalibration = calibration_samples.confidence_calibration(
        model={"name": "tiny", "weights_sha256": WEIGHTS},
        task={
            "name": task.name,
            "settings_sha256": json_sha256(task_settings(task)),
            "classifier_sha256": CLASSIFIER,
            "head": task.heads[0],
            "classes": list(task.class_names),
        },
        **changes,
    )
    return LoadedCalibration("c.json", "ca" * 32, content)


def verdict(probabilities: dict[str, float] = SHARES, n_used: int = 10) -> SlideVerdict:
    best = max(probabilities, key=lambda name: probabilities[name])
    empty = np.zeros((0, 3), np.float32)
    return SlideVerdict(best, probabilities[best], probabilities, {}, empty, "rule", n_used)


def row(found: SlideVerdict | CaseVerdict) -> PredictionRow:
    return PredictionRow(
        case_id="a",
        model="tiny",
        task="rcc",
        modality="slide",
        status="diagnosed",
        prediction=found.prediction,
        confidence=found.confidence,
        n_units=10,
        n_used=10,
        probabilities=dict(found.probabilities),
        node="K:2",
    )


def report(task: Task, found: SlideVerdict, **options: Any):
    given = {"calibration": None, "nodes": None, "content_sha256": "00"} | options
    return report_confidence(row(found), found, task, **given)


def test_report_confidence__leaves_a_row_alone_without_calibration_and_graph() -> None:
    assert report(make_task(), verdict()) == (row(verdict()), ())


def test_report_confidence__divides_log_probabilities_by_the_temperature() -> None:
    task = make_task()
    found, notes = report(task, verdict(), calibration=calibration(task))
    expected = special.softmax(np.log([0.6, 0.3, 0.1]) / 0.5)
    assert list(found.probabilities.values()) == pytest.approx(expected)
    assert found.confidence == pytest.approx(expected[0])
    assert found.prediction == "CC"
    assert notes == ()


def test_report_confidence__divides_the_logits_of_a_scan_by_the_temperature() -> None:
    task = mass_task(logit_scale=8)
    features = np.random.default_rng(5).normal(size=(2, 6))
    classifier = build_classifier(embed_words, task, None)
    found = judge_units(features, ["left", "right"], classifier, task, normalize=True)
    temperature = calibration(task).content.temperature.value
    given = {"calibration": calibration(task), "nodes": None, "content_sha256": "00"}
    reported, _ = report_confidence(row(found), found, task, **given)
    cosines = features / np.linalg.norm(features, axis=1, keepdims=True) @ classifier.weights
    expected = special.softmax(8 * cosines.mean(axis=0) / temperature)
    assert list(reported.probabilities.values()) == pytest.approx(expected)
    assert set(reported.prediction_set or ()) <= {"benign", "malignant"}


def test_report_confidence__makes_sets_of_the_scores_as_they_are() -> None:
    task = make_task()
    sets = calibration(task).content.sets.model_dump()
    chosen = {}
    for threshold in (0.3, 0.7, 0.9, None):
        loaded = calibration(task, sets=sets | {"threshold": threshold})
        chosen[threshold] = report(task, verdict(), calibration=loaded)[0].prediction_set
    assert chosen == {
        0.3: ("CC",),
        0.7: ("CC", "PAP"),
        0.9: ("CC", "PAP", "Normal"),
        None: ("CC", "PAP", "Normal"),
    }


def test_report_confidence__says_that_a_case_was_calibrated_on() -> None:
    task = make_task()
    _, notes = report(task, verdict(), calibration=calibration(task), content_sha256="34" * 32)
    assert "is in the calibration set" in notes[0]


def test_report_confidence__reports_the_deepest_certain_node() -> None:
    task = make_task()
    rule = make_node_rule(task, graph(), 0.85)
    found, notes = report(task, verdict(), nodes=rule)
    assert (found.node, found.node_path) == ("K:1", ("RCC",))
    assert found.node_confidence == pytest.approx(0.9)
    assert found.probabilities == SHARES
    assert "not calibrated" in notes[0]
    sure, notes = report(task, verdict(), nodes=rule, calibration=calibration(task))
    assert sure.node_confidence == pytest.approx((0.36 + 0.09) / (0.36 + 0.09 + 0.01))
    assert notes == ()


def test_report_confidence__falls_back_to_nothing_where_no_node_is_certain() -> None:
    task = make_task()
    found, _ = report(task, verdict(), nodes=make_node_rule(task, graph(), 0.95))
    assert (found.node, found.node_path, found.node_confidence) == (None, (), 1.0)


def test_report_confidence__rolls_up_shares_of_tiles_that_are_all_zero() -> None:
    task = make_task(head="subtype-ratio", undecided="first-class")
    zero = verdict({"CC": 0.0, "PAP": 0.0})
    found, _ = report(task, zero, nodes=make_node_rule(task, graph(), 0.9))
    assert found.node_path == ("RCC",)
    assert found.probabilities == {"CC": 0.0, "PAP": 0.0}


def test_make_node_rule__is_none_where_several_findings_can_be_there() -> None:
    assert make_node_rule(scan_task(), graph(), 0.9) is None
    assert make_node_rule(scan_task(), None, 0.9) is None


def test_make_node_rule__needs_a_graph_or_a_confidence() -> None:
    assert make_node_rule(make_task(), None, None) is None
    rule = make_node_rule(make_task(), graph(), None)
    assert rule is not None
    assert rule.confidence == DEFAULT_CONFIDENCE
    flat = make_node_rule(make_task(), None, 0.7)
    assert flat is not None
    assert flat.hierarchy.ids == (None, "K:2", "K:3", None)


@pytest.mark.parametrize(
    ("changes", "phrase"),
    [
        ({"weights_sha256": "bb" * 32}, "the weights have hash aaaaaaaaaaaa there and bbbbbbbbbb"),
        ({"classifier_sha256": "bb" * 32}, "the prompts or logit scale have hash c1c1"),
    ],
)
def test_match_calibration__refuses_another_model(changes, phrase: str) -> None:
    task = make_task()
    loaded = calibration(task)
    assert match_calibration([loaded], identity(task)) is loaded
    other = identity(task, **changes)
    assert match_calibration([loaded], other) is None
    error = unused_calibration(loaded, [other])
    assert error.code == "MV1521"
    assert phrase in error.what


def test_match_calibration__refuses_another_task() -> None:
    loaded = calibration(make_task())
    other = identity(make_task(logit_scale=3))
    assert match_calibration([loaded], other) is None
    assert "settings of the task" in unused_calibration(loaded, [other]).what
    another = identity(make_task(head="subtype-ratio"))
    assert "its classes are ['CC', 'PAP', 'Normal']" in unused_calibration(loaded, [another]).what


def test_match_calibration__takes_the_last_of_several() -> None:
    task = make_task()
    first, last = calibration(task), calibration(task)
    assert match_calibration([first, last], identity(task)) is last
    error = unused_calibration(first, [identity(task)])
    assert "another calibration that is given fits the same" in error.what


def test_check_threshold__refuses_other_scores_and_another_class() -> None:
    task = make_task(head="segmentation")
    model = {"name": "tiny", "weights_sha256": WEIGHTS}
    told = calibration_samples.task(classifier_sha256=CLASSIFIER)
    fitted = calibration_samples.tile_threshold(model=model, task=told, positive="CC")
    check_threshold(fitted, "t.json", identity(task))
    with pytest.raises(ConfigError, match=r"MV1521: .* from t\.json; the weights have hash"):
        check_threshold(fitted, "t.json", identity(task, weights_sha256="bb" * 32))
    other = calibration_samples.tile_threshold(model=model, task=told, positive="PAP")
    with pytest.raises(ConfigError, match="it is for class 'PAP', not 'CC'"):
        check_threshold(other, "t.json", identity(task))


def test_load_calibrations__records_what_was_fitted(tmp_path: Path) -> None:
    loaded = calibration(make_task())
    write_json(tmp_path / "c.json", loaded.content.model_dump(mode="json"))
    (found,) = load_calibrations([tmp_path / "c.json"])
    assert found.content == loaded.content
    record = found.record()
    assert (record.temperature, record.alpha, record.num_cases) == (0.5, 0.1, 20)
    assert record.source_sha256 == found.sha256
