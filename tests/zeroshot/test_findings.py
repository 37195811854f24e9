"""What each head finds, on slides whose cosines are written down."""

from pathlib import Path

import numpy as np
import pytest

from medvlp.config.task import FittedThreshold
from medvlp.zeroshot.findings import TileScores, apply_heads, deciding_classes
from medvlp.zeroshot.tiles import softmax
from tests.config.calibration_samples import tile_threshold
from tests.zeroshot.slide_cases import NAMES, slide_task
from tests.zeroshot.unit_cases import mass_task, scan_task

COSINES = np.asarray([[0.5, 0.1, 0.0], [0.1, 0.4, 0.0], [0.0, 0.6, 0.1], [0.0, 0.1, 0.7]])


def tiles(cosines: np.ndarray = COSINES, *, scale: float = 10.0) -> TileScores:
    return TileScores(cosines, softmax(scale * cosines), scale, NAMES)


def detection(**changes):
    return slide_task(head="detection-ratio", positive="PRCC", **changes)


def test_subtype_ratio__gives_shares_among_subtypes_and_fractions_of_all_tiles() -> None:
    finding, scores = apply_heads(tiles(), slide_task())
    assert finding.prediction == "PRCC"
    assert finding.probabilities == pytest.approx({"CCRCC": 1 / 3, "PRCC": 2 / 3})
    assert scores == {
        "subtype-ratio_CCRCC": 0.25,
        "subtype-ratio_PRCC": 0.5,
        "subtype-ratio_Normal": 0.25,
    }


def test_subtype_ratio__names_the_rule_for_a_slide_of_normal_tiles() -> None:
    finding, scores = apply_heads(tiles(np.asarray([[0.1, 0.2, 0.9]] * 3)), slide_task())
    assert finding.prediction == "PRCC"
    assert finding.probabilities == {"CCRCC": 0.0, "PRCC": 1.0}
    assert finding.rule == "all tiles are normal: best subtype of every tile"
    assert scores["subtype-ratio_Normal"] == 1.0


def test_subtype_ratio__follows_the_rule_of_the_task_for_undecided_slides() -> None:
    normal = tiles(np.asarray([[0.1, 0.2, 0.9]] * 3))
    finding, _ = apply_heads(normal, slide_task(undecided="first-class"))
    assert finding.prediction == "CCRCC"
    assert finding.probabilities == {"CCRCC": 0.0, "PRCC": 0.0}


def test_detection_ratio__is_the_share_of_tiles_above_the_threshold() -> None:
    finding, scores = apply_heads(tiles(), detection())
    assert finding.prediction == "PRCC"
    assert finding.probabilities == {"PRCC": 0.5, "Normal": 0.5}
    assert scores == {"detection-ratio": 0.5}
    assert finding.rule == "PRCC if more than 0.05 of the tiles have a probability above 0.5"


def test_detection_ratio__compares_strictly_with_the_least_ratio() -> None:
    assert apply_heads(tiles(), detection(min_ratio=0.5))[0].prediction == "Normal"
    assert apply_heads(tiles(), detection(min_ratio=0.49))[0].prediction == "PRCC"


def test_detection_ratio__follows_the_threshold_of_the_task() -> None:
    finding, scores = apply_heads(tiles(), detection(threshold=0.995))
    assert finding.prediction == "Normal"
    assert scores == {"detection-ratio": 0.0}


def test_detection_ratio__takes_a_fitted_threshold() -> None:
    fitted = FittedThreshold(file=Path("t.json"), fitted=tile_threshold(threshold=0.995))
    task = detection().model_copy(update={"threshold": fitted})
    finding, scores = apply_heads(tiles(), task)
    assert scores == {"detection-ratio": 0.0}
    assert finding.rule.endswith("a probability above 0.995")


def test_detection_ratio__takes_the_other_of_two_classes_as_negative() -> None:
    task = slide_task(
        head="detection-ratio",
        positive="T",
        normal=...,
        classes={"N": {"names": ["n"]}, "T": {"names": ["t"]}},
    )
    cosines = np.asarray([[0.5, 0.1], [0.6, 0.1]])
    found = TileScores(cosines, softmax(10 * cosines), 10.0, ("N", "T"))
    finding, _ = apply_heads(found, task)
    assert finding.prediction == "N"
    assert finding.probabilities == {"T": 0.0, "N": 1.0}


def test_segmentation__scores_the_share_under_its_own_name() -> None:
    task = slide_task(head="segmentation", positive="PRCC")
    assert apply_heads(tiles(), task)[1] == {"segmentation": 0.5}


# Two best per class: (.5 + .1)/2, (.6 + .4)/2, (.7 + .1)/2.
def test_top_j__pools_cosines_and_lets_the_first_j_decide() -> None:
    finding, scores = apply_heads(tiles(), slide_task(head="top-j", top_j=[2, 1]))
    assert finding.prediction == "PRCC"
    assert scores == pytest.approx(
        {
            "top-2_CCRCC": 0.3,
            "top-2_PRCC": 0.5,
            "top-2_Normal": 0.4,
            "top-1_CCRCC": 0.5,
            "top-1_PRCC": 0.6,
            "top-1_Normal": 0.7,
        }
    )
    expected = softmax(10 * np.asarray([0.3, 0.5, 0.4]))
    assert list(finding.probabilities.values()) == pytest.approx(expected)
    first = apply_heads(tiles(), slide_task(head="top-j", top_j=[1, 2]))[0]
    assert first.prediction == "Normal"


def test_top_j__sums_in_the_scores_but_not_in_the_softmax() -> None:
    mean, _ = apply_heads(tiles(), slide_task(head="top-j", top_j=[2]))
    found, scores = apply_heads(tiles(), slide_task(head="top-j", top_j=[2], aggregate="sum"))
    assert scores["top-2_PRCC"] == pytest.approx(1.0)
    assert found.probabilities == mean.probabilities
    assert found.rule == "highest sum of the 2 best tiles"


def test_mean__pools_all_tiles() -> None:
    finding, scores = apply_heads(tiles(), slide_task(head="mean"))
    assert finding.prediction == "PRCC"
    assert scores == pytest.approx({"mean_CCRCC": 0.15, "mean_PRCC": 0.3, "mean_Normal": 0.2})
    assert finding.rule == "highest mean of all tiles"


def test_apply_heads__lets_the_first_head_decide_and_collects_all_scores() -> None:
    heads = ["mean", "subtype-ratio", "detection-ratio", "segmentation", "top-j"]
    task = slide_task(head=heads, positive="PRCC", top_j=[1])
    finding, scores = apply_heads(tiles(), task)
    assert finding.rule == "highest mean of all tiles"
    assert len(scores) == 3 + 3 + 1 + 1 + 3


def test_apply_heads__adds_top_j_scores_whenever_the_task_lists_them() -> None:
    scores = apply_heads(tiles(), slide_task(top_j=[1]))[1]
    assert set(scores) >= {"top-1_CCRCC", "subtype-ratio_CCRCC"}


@pytest.mark.parametrize("head", ["subtype-ratio", "detection-ratio", "top-j", "mean"])
def test_apply_heads__probabilities_sum_to_one(head: str) -> None:
    cosines = np.random.default_rng(1).uniform(-1, 1, size=(50, 3))
    task = slide_task(head=head, positive="PRCC", top_j=[5])
    finding, _ = apply_heads(tiles(cosines), task)
    assert sum(finding.probabilities.values()) == pytest.approx(1, abs=1e-12)
    assert finding.prediction in finding.probabilities


@pytest.mark.parametrize("head", ["subtype-ratio", "detection-ratio", "segmentation", "mean"])
def test_deciding_classes__are_those_of_the_probabilities_in_order(head: str) -> None:
    task = slide_task(head=head, positive="PRCC")
    assert deciding_classes(task) == tuple(apply_heads(tiles(), task)[0].probabilities)


def test_deciding_classes__are_the_findings_where_they_are_judged_one_by_one() -> None:
    assert deciding_classes(scan_task()) == ("cyst", "stone")
    classes = {"cyst": {"names": ["c"]}, "sound": {"names": ["s"]}, "stone": {"names": ["t"]}}
    labels = scan_task(head=["multi-label", "mean"], normal="sound", classes=classes)
    assert deciding_classes(labels) == ("cyst", "stone")
    assert deciding_classes(mass_task()) == ("benign", "malignant")


def pairs(shares: list[list[float]]) -> TileScores:
    given = np.asarray(shares)
    return TileScores(
        np.zeros((len(given), 2)),
        np.full((len(given), 2), 0.5),
        1.0,
        ("cyst", "stone"),
        "boxes",
        ("cyst", "stone"),
        np.log(given / (1 - given)),
        given,
    )


@pytest.mark.parametrize(
    ("changes", "probabilities", "found", "confidence"),
    [
        ({}, (0.9, 0.7), ("cyst", "stone"), 0.7),
        ({"unit_pooling": "mean"}, (0.5, 0.45), (), 0.5),
        ({"threshold": 0.8}, (0.9, 0.7), ("cyst",), 0.3),
        ({"threshold": 0.7}, (0.9, 0.7), ("cyst",), 0.3),
    ],
)
def test_pair_heads__find_what_is_above_the_threshold(
    changes, probabilities, found, confidence
) -> None:
    finding, scores = apply_heads(pairs([[0.1, 0.7], [0.9, 0.2]]), scan_task(**changes))
    assert tuple(finding.probabilities.values()) == pytest.approx(probabilities)
    assert finding.found == found
    assert finding.prediction == ("; ".join(found) or "none")
    assert finding.confidence == pytest.approx(confidence)
    assert list(scores) == ["present-absent_cyst", "present-absent_stone"]


def test_pair_heads__take_the_threshold_of_a_finding_before_that_of_the_task() -> None:
    classes = scan_task().model_dump(mode="json", exclude_none=True)["classes"]
    classes["cyst"]["threshold"] = 0.95
    task = scan_task(classes=classes, threshold=0.6)
    finding, _ = apply_heads(pairs([[0.1, 0.7], [0.9, 0.2]]), task)
    assert finding.found == ("stone",)
    assert finding.rule.endswith("is above its threshold")
