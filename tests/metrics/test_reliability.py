"""Calibration error against loops, and exact intervals of shares."""

import numpy as np
import pytest
from scipy import stats

from medvlp.metrics.reliability import binomial_interval, expected_calibration_error


def looped_error(confidences: np.ndarray, is_right: np.ndarray, num_bins: int) -> float:
    """Guo et al. 2017, equation 3, bin by bin."""
    total = 0.0
    for b in range(num_bins):
        low, high = b / num_bins, (b + 1) / num_bins
        rows = [i for i, c in enumerate(confidences) if (low < c <= high) or (b == 0 and c == 0)]
        if rows:
            accuracy = sum(bool(is_right[i]) for i in rows) / len(rows)
            stated = sum(float(confidences[i]) for i in rows) / len(rows)
            total += len(rows) / len(confidences) * abs(accuracy - stated)
    return total


def test_expected_calibration_error__matches_a_case_by_hand() -> None:
    # bin (0.5, 0.6]: 0.55 right, 0.6 wrong: |0.5 - 0.575| * 2/3; bin (0.9, 1]: 1.0 right: 0
    actual = expected_calibration_error([0.55, 0.6, 1.0], [True, False, True])
    assert actual == pytest.approx(0.05, abs=1e-12)


@pytest.mark.parametrize("num_bins", [1, 7, 15])
def test_expected_calibration_error__matches_loops(num_bins: int) -> None:
    rng = np.random.default_rng(num_bins)
    confidences = rng.random(200)
    is_right = rng.random(200) < confidences**2
    expected = looped_error(confidences, is_right, num_bins)
    actual = expected_calibration_error(confidences, is_right, num_bins=num_bins)
    assert actual == pytest.approx(expected, abs=1e-12)


def test_expected_calibration_error__is_zero_where_all_is_certain_and_right() -> None:
    assert expected_calibration_error(np.ones(5), np.ones(5, bool)) == 0


@pytest.mark.parametrize(
    ("confidences", "is_right"), [([], []), ([0.5], [True, False]), ([1.5], [True])]
)
def test_expected_calibration_error__refuses_what_is_no_prediction(
    confidences: list[float], is_right: list[bool]
) -> None:
    with pytest.raises(ValueError, match=r"expected predictions|must lie in 0 to 1"):
        expected_calibration_error(confidences, is_right)


@pytest.mark.parametrize(("successes", "trials"), [(0, 5), (3, 10), (10, 10), (45, 50)])
def test_binomial_interval__matches_scipys_exact_test(successes: int, trials: int) -> None:
    expected = stats.binomtest(successes, trials).proportion_ci(0.95, method="exact")
    assert binomial_interval(successes, trials) == pytest.approx(
        (expected.low, expected.high), abs=1e-12
    )


def test_binomial_interval__refuses_more_successes_than_trials() -> None:
    with pytest.raises(ValueError, match="no interval for 3 of 2"):
        binomial_interval(3, 2)
