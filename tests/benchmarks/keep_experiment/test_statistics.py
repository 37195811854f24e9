from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from benchmarks.keep_experiment.figures import Summary, Target, find_losses
from benchmarks.keep_experiment.statistics import (
    Estimate,
    Judged,
    estimate,
    group_weights,
    measure,
    seed_weights,
)


def judged(seed: int = 0, targets: int = 3) -> Judged:
    rng = np.random.default_rng(seed)
    return Judged(
        label=np.arange(60) % targets,
        group=np.arange(60) // 3,
        scores=rng.integers(0, 9, (60, targets)).astype(np.float32) / 9,
        is_disease=np.array([True] + [False] * (targets - 1)),
    )


def test_measure__equals_sklearn_with_weights_and_ties() -> None:
    found = judged()
    weight = group_weights(found.group, 5, (1,))
    actual = measure(found, weight)
    for draw, row in enumerate(weight):
        areas = [
            roc_auc_score(found.label == k, found.scores[:, k], sample_weight=row) for k in range(3)
        ]
        expected = balanced_accuracy_score(
            found.label, found.scores.argmax(axis=1), sample_weight=row
        )
        assert actual["auroc"][draw] == pytest.approx(np.mean(areas), abs=1e-12)
        assert actual["auroc_diseases"][draw] == pytest.approx(areas[0], abs=1e-12)
        assert actual["balanced_accuracy"][draw] == pytest.approx(expected, abs=1e-12)


def test_measure__leaves_out_a_target_that_a_draw_lacks() -> None:
    found = judged()
    weight = np.where(found.label == 2, 0.0, 1.0)[None]
    actual = measure(found, weight)["balanced_accuracy"][0]
    there = found.label != 2
    recalls = [np.mean(found.scores[there & (found.label == k)].argmax(1) == k) for k in (0, 1)]
    assert actual == pytest.approx(np.mean(recalls), abs=1e-12)


def test_group_weights__draw_groups_whole() -> None:
    weight = group_weights(np.array([4, 4, 9, 9, 9]), 50, (0,))
    assert (weight[0] == 1).all()
    assert (weight[:, 0] == weight[:, 1]).all()
    assert (weight[1:, 0] + weight[1:, 2] == 2).all()


def test_estimate__of_a_paired_difference_with_itself_is_zero() -> None:
    found = judged()
    weight = group_weights(found.group, 40, (0,))
    values = {(seed, "0", "a"): measure(judged(seed), weight)["auroc"] for seed in range(3)}
    shares = seed_weights(3, 40, (0,))
    assert estimate(values, shares, values) == Estimate(0.0, 0.0, 0.0)


def test_estimate__averages_folds_then_seeds_then_sets() -> None:
    one = np.ones(1)
    values = {
        (0, "0", "a"): 0.2 * one,
        (0, "1", "a"): 0.4 * one,
        (1, "0", "a"): 0.6 * one,
        (1, "1", "a"): 0.8 * one,
        (0, "0", "b"): 1.0 * one,
        (1, "0", "b"): 0.0 * one,
    }
    assert estimate(values, seed_weights(2, 0, (0,))).value == pytest.approx(50.0)


def test_target__needs_the_value_and_the_interval() -> None:
    target = Target("parents", "auroc", 15.0, 10.0)
    assert target.is_met(Estimate(16.0, 11.0, 20.0))
    assert not target.is_met(Estimate(16.0, 9.0, 20.0))
    assert not target.is_met(Estimate(14.0, 11.0, 20.0))
    assert Target("names", "balanced_accuracy", None, -5.0).is_met(Estimate(-2.0, -4.0, 1.0))


def test_find_losses__lists_what_lies_below_zero_as_a_whole() -> None:
    below, across = Estimate(-3.0, -5.0, -1.0), Estimate(-3.0, -5.0, 1.0)
    row = {"keep": {"names": {"auroc": below, "balanced_accuracy": across}}}
    found = find_losses(Summary({}, row, {}, {"a": row}))
    assert [(line["where"], line["measure"]) for line in found] == [
        ("all sets", "auroc"),
        ("a", "auroc"),
    ]
