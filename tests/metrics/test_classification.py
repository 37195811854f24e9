"""Agreement of classes: hand-worked tables, loop oracles, invariances, refusals."""

import math

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from medvlp.metrics.classification import (
    accuracy,
    balanced_accuracy,
    binary_rates,
    confusion,
    f1,
    kappa,
)
from medvlp.metrics.samples import UndefinedMetricError
from tests.oracles import classification as oracle

EXACT = {"rel": 0, "abs": 1e-12}


def pairs(seed: int, *, n: int = 40, c: int = 4) -> tuple[list[int], list[int]]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, c, n)
    guess = np.where(rng.random(n) < 0.6, labels, rng.integers(0, c, n))
    return labels.tolist(), guess.tolist()


# Labels 1 1 1 0 0, predictions 1 1 0 1 0: TP 2, FN 1, FP 1, TN 1.
def test_binary_rates__match_a_case_worked_by_hand() -> None:
    rates = binary_rates([1, 1, 1, 0, 0], [1, 1, 0, 1, 0])
    assert rates.sensitivity == pytest.approx(2 / 3)
    assert rates.specificity == 0.5
    assert rates.ppv == pytest.approx(2 / 3)
    assert rates.npv == 0.5
    assert rates.f1 == pytest.approx(2 / 3)
    assert rates.accuracy == 0.6
    assert rates.balanced_accuracy == pytest.approx((2 / 3 + 0.5) / 2)
    assert (rates.num_positive, rates.num_negative) == (3, 2)


def test_binary_rates__match_scikit_learn() -> None:
    labels, guess = pairs(1, c=2)
    rates = binary_rates(labels, guess)
    assert rates.sensitivity == pytest.approx(sklearn.metrics.recall_score(labels, guess), **EXACT)
    assert rates.ppv == pytest.approx(sklearn.metrics.precision_score(labels, guess), **EXACT)
    assert rates.f1 == pytest.approx(sklearn.metrics.f1_score(labels, guess), **EXACT)
    expected = sklearn.metrics.balanced_accuracy_score(labels, guess)
    assert rates.balanced_accuracy == pytest.approx(expected, **EXACT)


def test_binary_rates__swap_with_the_classes() -> None:
    labels, guess = map(np.asarray, pairs(2, c=2))
    rates, swapped = binary_rates(labels, guess), binary_rates(1 - labels, 1 - guess)
    assert (rates.sensitivity, rates.ppv) == (swapped.specificity, swapped.npv)
    assert rates.accuracy == swapped.accuracy


def test_binary_rates__are_nan_where_a_denominator_is_empty() -> None:
    rates = binary_rates([1, 1], [0, 0])
    assert rates.sensitivity == 0.0
    assert math.isnan(rates.specificity)
    assert math.isnan(rates.ppv)
    assert math.isnan(rates.balanced_accuracy)


def test_binary_rates__refuse_other_classes() -> None:
    with pytest.raises(ValueError, match="must be 0 or 1"):
        binary_rates([0, 2], [0, 1])


# Class 0: 1 of 2 right, class 1: 2 of 2; a prediction of class 2 costs class 0.
def test_balanced_accuracy__matches_a_case_worked_by_hand() -> None:
    assert balanced_accuracy([0, 0, 1, 1], [0, 2, 1, 1]) == 0.75


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), n=st.integers(2, 30), c=st.integers(2, 5))
def test_metrics_of_agreement__match_explicit_loops(seed: int, n: int, c: int) -> None:
    labels, guess = pairs(seed, n=n, c=c)
    assert balanced_accuracy(labels, guess) == pytest.approx(
        oracle.balanced_accuracy(labels, guess), **EXACT
    )
    for average in ("weighted", "macro"):
        expected = oracle.f1(labels, guess, average)
        assert f1(labels, guess, average) == pytest.approx(expected, **EXACT)
    expected = sum(a == b for a, b in zip(labels, guess, strict=True)) / n
    assert accuracy(labels, guess) == pytest.approx(expected, **EXACT)


@pytest.mark.parametrize("weights", [None, "quadratic"])
def test_kappa__matches_explicit_loops(weights) -> None:
    for seed in range(5):
        labels, guess = pairs(seed)
        expected = oracle.kappa(labels, guess, quadratic=weights is not None)
        assert kappa(labels, guess, weights) == pytest.approx(expected, **EXACT)


def test_kappa__has_no_value_for_one_class() -> None:
    with pytest.raises(UndefinedMetricError, match="kappa has no value"):
        kappa([1, 1], [1, 1])


def test_metrics_of_agreement__do_not_depend_on_the_order_of_samples() -> None:
    labels, guess = map(np.asarray, pairs(3))
    order = np.random.default_rng(0).permutation(len(labels))
    for metric in (accuracy, balanced_accuracy, f1, kappa):
        assert metric(labels[order], guess[order]) == pytest.approx(metric(labels, guess), **EXACT)


def test_metrics_of_agreement__do_not_depend_on_the_names_of_classes() -> None:
    labels, guess = map(np.asarray, pairs(4))
    names = np.asarray([30, 7, 12, 5])
    for metric in (accuracy, balanced_accuracy, f1, kappa):
        assert metric(names[labels], names[guess]) == pytest.approx(metric(labels, guess), **EXACT)


def test_metrics_of_agreement__are_one_for_perfect_predictions() -> None:
    labels, _ = pairs(5)
    for metric in (accuracy, balanced_accuracy, f1, kappa):
        assert metric(labels, labels) == 1.0


def test_confusion__counts_labels_in_rows() -> None:
    assert confusion([0, 0, 1], [0, 1, 1], 3).tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize("bad", [3, -1])
def test_confusion__refuses_a_class_outside(bad: int) -> None:
    with pytest.raises(ValueError, match=r"classes must be in 0\.\.2"):
        confusion([0, bad], [0, 1], 3)
