"""Ranking figures: hand-worked cases, loop oracles, independent formulas, invariances, refusals."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from medvlp.metrics.ranking import (
    auroc,
    auroc_macro,
    pr_auc,
    sensitivity_at_specificity,
    youden_point,
)
from medvlp.metrics.samples import UndefinedMetricError
from tests.oracles import classification as oracle

EXACT = {"rel": 0, "abs": 1e-12}


def ranked(seed: int, *, n: int = 30, ties: bool = True) -> tuple[list[int], list[float]]:
    """Return labels of both classes and scores that lean the right way, with ties on request."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate([[0, 1], rng.integers(0, 2, n - 2)])
    scores = rng.random(n) + 0.4 * labels
    return labels.tolist(), (np.round(scores, 1) if ties else scores).tolist()


# Positives 0.8 and 0.4, negatives 0.4 and 0.1: of four pairs three are won and one is a tie.
def test_auroc__matches_a_case_worked_by_hand() -> None:
    assert auroc([1, 1, 0, 0], [0.8, 0.4, 0.4, 0.1]) == 3.5 / 4


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), n=st.integers(2, 30), ties=st.booleans())
def test_ranking__matches_explicit_loops(seed: int, n: int, ties: bool) -> None:
    labels, scores = ranked(seed, n=n, ties=ties)
    assert auroc(labels, scores) == pytest.approx(oracle.auroc(labels, scores), **EXACT)
    assert pr_auc(labels, scores) == pytest.approx(oracle.pr_auc(labels, scores), **EXACT)
    for specificity in (0.0, 0.5, 0.9, 0.95, 1.0):
        assert sensitivity_at_specificity(labels, scores, specificity) == pytest.approx(
            oracle.sensitivity_at_specificity(labels, scores, specificity), **EXACT
        )
        assert sensitivity_at_specificity(
            labels, scores, specificity, interpolate=True
        ) == pytest.approx(oracle.interpolated_sensitivity(labels, scores, specificity), abs=1e-9)


def test_auroc__matches_the_rank_sum_of_scipy() -> None:
    labels, scores = map(np.asarray, ranked(1))
    one, two = scores[labels == 1], scores[labels == 0]
    expected = scipy.stats.mannwhitneyu(one, two).statistic / (len(one) * len(two))
    assert auroc(labels, scores) == pytest.approx(expected, **EXACT)


def test_auroc__does_not_change_with_a_rising_function_or_the_order() -> None:
    labels, scores = map(np.asarray, ranked(2))
    order = np.random.default_rng(0).permutation(30)
    assert auroc(labels, np.exp(3 * scores)) == auroc(labels, scores)
    assert auroc(labels[order], scores[order]) == auroc(labels, scores)


def test_auroc__turns_round_with_the_scores_and_with_the_labels() -> None:
    labels, scores = map(np.asarray, ranked(3))
    assert auroc(labels, -scores) == pytest.approx(1 - auroc(labels, scores), **EXACT)
    assert auroc(1 - labels, -scores) == pytest.approx(auroc(labels, scores), **EXACT)


def test_auroc__is_a_half_for_a_constant() -> None:
    assert auroc([0, 1, 1], [0.3, 0.3, 0.3]) == 0.5


# Thresholds downwards: 0.9 (TPR 1/2, FPR 0), 0.7 (1/2, 1/2), 0.6 (1, 1/2), 0.2 (1, 1).
def test_operating_points__match_a_case_worked_by_hand() -> None:
    labels, scores = [1, 0, 1, 0], [0.9, 0.7, 0.6, 0.2]
    assert sensitivity_at_specificity(labels, scores, 0.95) == 0.5
    assert sensitivity_at_specificity(labels, scores, 0.5) == 1.0
    assert sensitivity_at_specificity(labels, scores, 0.75, interpolate=True) == 0.75
    assert youden_point(labels, scores) == (0.9, 0.5)


def test_sensitivity_at_specificity__keeps_a_point_that_lies_exactly_on_the_limit() -> None:
    labels = [0] * 20 + [1] * 2
    scores = [*np.linspace(0, 0.5, 19), 0.9, 0.95, 0.8]
    assert sensitivity_at_specificity(labels, scores, 0.95) == 1.0
    assert sensitivity_at_specificity(labels, scores, 0.951) == 0.5


def test_sensitivity_at_specificity__falls_with_the_specificity() -> None:
    labels, scores = ranked(4, n=100, ties=False)
    found = [sensitivity_at_specificity(labels, scores, s) for s in np.linspace(0, 1, 21)]
    assert found == sorted(found, reverse=True)
    assert found[0] == 1.0


@pytest.mark.parametrize("specificity", [-0.1, 1.1, float("nan"), 95])
def test_sensitivity_at_specificity__refuses_a_share_outside(specificity: float) -> None:
    with pytest.raises(ValueError, match="specificity must be in"):
        sensitivity_at_specificity([0, 1], [0.1, 0.2], specificity)


def test_youden_point__matches_explicit_loops() -> None:
    for seed in range(5):
        labels, scores = ranked(seed, ties=False)
        expected, threshold = oracle.youden(labels, scores)
        actual = youden_point(labels, scores)
        assert actual == (threshold, pytest.approx(expected, **EXACT))


def test_auroc_macro__matches_explicit_loops() -> None:
    rng = np.random.default_rng(5)
    labels = rng.permutation(np.arange(40) % 3)
    rows = scipy.special.softmax(rng.normal(size=(40, 3)) + 1.5 * np.eye(3)[labels], axis=1)
    one_vs_rest = [oracle.auroc((labels == c).astype(int), rows[:, c]) for c in range(3)]
    assert auroc_macro(labels, rows) == pytest.approx(np.mean(one_vs_rest), **EXACT)
    expected = oracle.auroc_ovo(labels.tolist(), rows.tolist())
    assert auroc_macro(labels, rows, "ovo") == pytest.approx(expected, **EXACT)


def test_auroc_macro__refuses_a_class_without_labels_and_shapes_that_do_not_fit() -> None:
    rows = np.full((3, 3), 1 / 3)
    with pytest.raises(UndefinedMetricError, match=r"classes \[2\] do not occur"):
        auroc_macro([0, 1, 1], rows)
    with pytest.raises(ValueError, match="do not fit"):
        auroc_macro([0, 1], rows)
    with pytest.raises(ValueError, match="do not fit"):
        auroc_macro([0, 1, 1], rows[:, :2])


@pytest.mark.parametrize("metric", [auroc, pr_auc, youden_point])
def test_ranking__has_no_value_for_one_class(metric) -> None:
    with pytest.raises(UndefinedMetricError, match="only one class"):
        metric([1, 1], [0.2, 0.3])
