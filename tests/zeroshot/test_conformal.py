"""Prediction sets against brute force, and their coverage against binomial bounds."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from medvlp.zeroshot.conformal import (
    conformal_quantile,
    label_scores,
    nonconformity,
    prediction_sets,
    required_cases,
)


def brute_quantile(scores: list[float], alpha: str) -> float:
    """Return the least value with at least (1 - alpha)(n + 1) scores at or below it."""
    wanted = (1 - Fraction(alpha)) * (len(scores) + 1)
    for value in sorted(scores):
        if sum(score <= value for score in scores) >= wanted:
            return value
    return math.inf


def brute_aps(shares: np.ndarray, label: int) -> float:
    """Walk down the classes and add up until the label is reached."""
    total = 0.0
    for c in sorted(range(len(shares)), key=lambda c: (-shares[c], c)):
        total += shares[c]
        if c == label:
            return total
    raise AssertionError


def draw_cases(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Cases of four classes whose stated probabilities are too sure."""
    z = rng.normal(size=(n, 4)) * 1.2
    cumulated = special.softmax(z, axis=1).cumsum(axis=1)
    labels = (rng.random((n, 1)) > cumulated).sum(axis=1).clip(max=3)
    return special.softmax(2.5 * z, axis=1), labels


@given(
    st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.5, 0.9]), min_size=1, max_size=40),
    st.sampled_from(["0.01", "0.05", "0.1", "0.2", "0.3", "0.5"]),
)
def test_conformal_quantile__matches_brute_force(scores: list[float], alpha: str) -> None:
    assert conformal_quantile(scores, float(alpha)) == brute_quantile(scores, alpha)


def test_conformal_quantile__takes_the_ninth_of_nine_at_ten_percent() -> None:
    scores = np.arange(1, 10) / 10
    assert conformal_quantile(scores, 0.1) == 0.9
    assert conformal_quantile(scores[:-1], 0.1) == math.inf


@pytest.mark.parametrize(("alpha", "count"), [(0.1, 9), (0.05, 19), (0.3, 3), (0.5, 1)])
def test_required_cases__is_the_least_number_with_a_finite_threshold(
    alpha: float, count: int
) -> None:
    assert required_cases(alpha) == count
    assert conformal_quantile(np.zeros(count), alpha) == 0
    assert conformal_quantile(np.zeros(count - 1), alpha) == math.inf


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, math.nan])
def test_conformal_quantile__refuses_error_rates_that_are_none(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha must be above 0 and below 1"):
        conformal_quantile([0.1], alpha)


def test_nonconformity__matches_brute_force() -> None:
    shares, _ = draw_cases(np.random.default_rng(0), 30)
    shares[3] = 0.25
    aps = nonconformity(shares, "aps")
    for row, found in zip(shares, aps, strict=True):
        assert found == pytest.approx([brute_aps(row, c) for c in range(4)], abs=1e-12)
    assert nonconformity(shares, "lac") == pytest.approx(1 - shares, abs=0)


@pytest.mark.parametrize("method", ["lac", "aps"])
def test_prediction_sets__hold_what_is_at_most_the_threshold(method) -> None:
    shares, _ = draw_cases(np.random.default_rng(1), 40)
    for row, chosen in zip(shares, prediction_sets(shares, 0.6, method), strict=True):
        for c in range(4):
            score = 1 - row[c] if method == "lac" else brute_aps(row, c)
            assert chosen[c] == (score <= 0.6 or c == row.argmax())


def test_prediction_sets__are_full_without_enough_cases_and_never_empty() -> None:
    shares, _ = draw_cases(np.random.default_rng(2), 10)
    assert prediction_sets(shares, math.inf, "lac").all()
    tiny = prediction_sets(shares, 0.0, "lac")
    assert (tiny.sum(axis=1) == 1).all()
    assert (tiny.argmax(axis=1) == shares.argmax(axis=1)).all()


@pytest.mark.parametrize("method", ["lac", "aps"])
@pytest.mark.parametrize("alpha", [0.1, 0.25])
def test_prediction_sets__cover_as_often_as_they_promise(method, alpha: float) -> None:
    # One new case for each of many draws of 40 calibration cases: independent trials.
    rng = np.random.default_rng(3)
    trials, hits = 1500, 0
    for _ in range(trials):
        shares, labels = draw_cases(rng, 41)
        threshold = conformal_quantile(label_scores(shares[:40], labels[:40], method), alpha)
        hits += int(prediction_sets(shares[40:], threshold, method)[0, labels[40]])
    assert stats.binomtest(hits, trials, 1 - alpha, alternative="less").pvalue > 1e-4
    if method == "lac":
        assert (
            stats.binomtest(hits, trials, 1 - alpha + 1 / 41, alternative="greater").pvalue > 1e-4
        )


def test_label_scores__are_those_of_the_true_class() -> None:
    actual = label_scores([[0.75, 0.25], [0.75, 0.25]], [0, 1], "lac")
    assert actual.tolist() == [0.25, 0.75]
