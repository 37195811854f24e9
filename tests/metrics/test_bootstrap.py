"""Intervals: the published rule of drawing, whole clusters, coverage, undefined draws, refusals."""

import math
import random

import numpy as np
import pytest

from medvlp.metrics.bootstrap import bootstrap_clusters, bootstrap_keep, draw_keep
from medvlp.metrics.ranking import auroc
from medvlp.metrics.samples import UndefinedMetricError


def mean(values: np.ndarray) -> float:
    return float(np.mean(values))


def python_generator(seed: int) -> random.Random:
    return random.Random(seed)


def test_draw_keep__follows_the_formula_and_leaves_the_global_state_alone() -> None:
    random.seed(5)
    state = random.getstate()
    actual = draw_keep(7, 3)
    assert random.getstate() == state
    generator = python_generator(3)
    assert actual.tolist() == [math.floor(generator.random() * 7) for _ in range(7)]


# Draws of two samples with seeds 0, 1, 2: worked out with the formula; values 10 and 20.
def test_bootstrap_keep__matches_a_case_worked_by_hand() -> None:
    values = np.asarray([10.0, 20.0])
    means = []
    for seed in range(3):
        generator = python_generator(seed)
        means.append(sum(values[math.floor(generator.random() * 2)] for _ in range(2)) / 2)
    found = bootstrap_keep(mean, [values], num_draws=3)
    assert found.values.tolist() == means
    low, middle, high = sorted(means)
    assert (found.low, found.median, found.high) == (
        (low + middle) / 2,
        middle,
        (middle + high) / 2,
    )


def test_bootstrap_keep__leaves_out_and_counts_draws_without_a_value() -> None:
    labels, scores = np.asarray([0, 1, 1]), np.asarray([0.1, 0.5, 0.9])
    found = bootstrap_keep(auroc, [labels, scores], num_draws=200)
    single = sum(len(set(labels[draw_keep(3, seed)])) == 1 for seed in range(200))
    assert found.num_undefined == single > 0
    assert len(found.values) == 200 - single
    assert set(found.values) == {1.0}


def test_bootstrap__reports_a_metric_without_any_value() -> None:
    with pytest.raises(UndefinedMetricError, match="no value on any of 20 draws"):
        bootstrap_keep(auroc, [[1, 1], [0.1, 0.2]], num_draws=20)


def test_bootstrap__lets_a_wrong_argument_of_the_metric_through() -> None:
    with pytest.raises(ValueError, match="labels must be 0 or 1"):
        bootstrap_keep(auroc, [[1, 2], [0.1, 0.2]], num_draws=20)


@pytest.mark.parametrize(
    ("arrays", "settings", "phrase"),
    [
        ([[1, 2], [1]], {}, "one common length"),
        ([[]], {}, "one common length"),
        ([[1, 2]], {"level": 1.0}, "level must be between 0 and 1"),
    ],
)
def test_bootstrap_keep__refuses_what_does_not_fit(arrays, settings, phrase) -> None:
    with pytest.raises(ValueError, match=phrase):
        bootstrap_keep(mean, arrays, num_draws=5, **settings)


def test_bootstrap_clusters__draws_whole_clusters() -> None:
    clusters = np.asarray(["a", "b", "a", "c", "b", "b"])
    sums = {"a": 1 + 4, "b": 2 + 16 + 32, "c": 8}
    drawn = []

    def record(values: np.ndarray, names: np.ndarray) -> float:
        counts = {name: int((names == name).sum()) for name in sums}
        assert counts["a"] % 2 == 0
        assert counts["b"] % 3 == 0
        drawn.append(counts["a"] // 2 + counts["b"] // 3 + counts["c"])
        expected = sums["a"] * counts["a"] / 2 + sums["b"] * counts["b"] / 3 + 8 * counts["c"]
        assert values.sum() == expected
        return float(values.mean())

    values = np.asarray([1, 2, 4, 8, 16, 32])
    bootstrap_clusters(record, [values, clusters], clusters, seed=1, num_draws=100)
    assert set(drawn) == {3}


def test_bootstrap_clusters__repeats_with_the_seed_and_extends_with_more_draws() -> None:
    values, clusters = np.arange(20.0), np.arange(20) // 2
    first = bootstrap_clusters(mean, [values], clusters, seed=7, num_draws=50)
    again = bootstrap_clusters(mean, [values], clusters, seed=7, num_draws=80)
    other = bootstrap_clusters(mean, [values], clusters, seed=8, num_draws=50)
    assert (first.values == again.values[:50]).all()
    assert (first.values != other.values).any()


def test_bootstrap_clusters__does_not_depend_on_the_order_of_samples() -> None:
    rng = np.random.default_rng(0)
    values, clusters = rng.normal(size=30), rng.integers(0, 9, 30)
    order = rng.permutation(30)
    first = bootstrap_clusters(mean, [values], clusters, seed=1, num_draws=50)
    second = bootstrap_clusters(mean, [values[order]], clusters[order], seed=1, num_draws=50)
    np.testing.assert_allclose(first.values, second.values, rtol=0, atol=1e-12)


def test_bootstrap_clusters__of_single_samples_gives_the_standard_error_of_the_mean() -> None:
    values = np.random.default_rng(2).normal(size=400)
    found = bootstrap_clusters(mean, [values], np.arange(400), seed=3, num_draws=2000)
    assert found.values.std() == pytest.approx(values.std() / 20, rel=0.06)
    assert found.low == pytest.approx(values.mean() - 1.96 * values.std() / 20, abs=0.01)
    assert found.high == pytest.approx(values.mean() + 1.96 * values.std() / 20, abs=0.01)


def test_bootstrap_clusters__is_wider_than_samples_where_clusters_agree() -> None:
    values = np.repeat(np.random.default_rng(4).normal(size=40), 10)
    whole = bootstrap_clusters(mean, [values], np.arange(400) // 10, seed=1, num_draws=500)
    single = bootstrap_clusters(mean, [values], np.arange(400), seed=1, num_draws=500)
    assert whole.values.std() > 2.5 * single.values.std()
