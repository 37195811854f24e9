"""Calibration of survival against sums written out and against lifelines' curves."""

import numpy as np
import pytest
from lifelines import KaplanMeierFitter
from scipy import stats

from medvlp.metrics import survival_calibration as metric
from medvlp.metrics.samples import UndefinedMetricError


def cohort(seed, num=50):
    rng = np.random.default_rng(seed)
    return rng.integers(1, 25, num) / 2, rng.integers(0, 2, num), rng.random(num)


def looped_brier(durations, events, survival, time):
    """Sum of Graf et al. with the censoring curve of lifelines."""
    censoring = KaplanMeierFitter().fit(durations, 1 - np.asarray(events))
    total = 0.0
    for own, event, predicted in zip(durations, events, survival, strict=True):
        if own <= time and event:
            total += predicted**2 / censoring.predict(own - 1e-9)
        elif own > time:
            total += (1 - predicted) ** 2 / censoring.predict(time)
    return total / len(durations)


def test_brier_score__hand_worked():
    # Nobody is censored before 2: errors 0.2^2 (died), 0.4^2 and 0.1^2 (lived).
    found = metric.brier_score([1, 3, 4], [1, 0, 1], [0.2, 0.6, 0.9], 2)
    assert found == pytest.approx((0.04 + 0.16 + 0.01) / 3)


@pytest.mark.parametrize("seed", range(4))
def test_brier_score__equals_the_sum_written_out(seed):
    durations, events, survival = cohort(seed)
    for time in (2.0, 5.0, 8.25):
        expected = looped_brier(durations, events, survival, time)
        assert metric.brier_score(durations, events, survival, time) == pytest.approx(expected)


def test_integrated_brier_score__is_the_trapezoid():
    durations, events, _ = cohort(9)
    grid = np.array([1.0, 2.0, 5.0])
    rows = np.random.default_rng(1).random((3, 50))
    a, b, c = (looped_brier(durations, events, row, t) for row, t in zip(rows, grid, strict=True))
    expected = ((a + b) / 2 * 1 + (b + c) / 2 * 3) / 4
    found = metric.integrated_brier_score(durations, events, rows, grid)
    assert found == pytest.approx(expected)


def test_observed_expected__compares_with_lifelines():
    durations, events, survival = cohort(3)
    found = metric.observed_expected(durations, events, survival, 6.0)
    observed = 1 - KaplanMeierFitter().fit(durations, events).predict(6.0)
    assert found.observed == pytest.approx(observed)
    assert found.expected == pytest.approx(1 - survival.mean())
    assert found.ratio == pytest.approx(observed / (1 - survival.mean()))
    assert found.num_at_risk == (durations >= 6).sum()


def test_d_calibration__hand_worked():
    # Two bins. Events at 0.2 and 0.7: one each. Censored at 0.8: 0.5/0.8 below, 0.3/0.8 in its own.
    found = metric.d_calibration([1, 1, 0], [0.2, 0.7, 0.8], num_bins=2)
    assert found.counts == pytest.approx([1 + 0.625, 1 + 0.375])
    assert found.statistic == pytest.approx(2 * 0.125**2 / 1.5)
    assert found.p_value == pytest.approx(stats.chi2.sf(found.statistic, 1))


def test_d_calibration__tells_right_predictions_from_wrong_ones():
    rng = np.random.default_rng(0)
    times, censored = rng.exponential(10, 3000), rng.exponential(15, 3000)
    own, events = np.minimum(times, censored), (times <= censored).astype(int)
    right = metric.d_calibration(events, np.exp(-own / 10))
    assert right.p_value > 0.05
    assert right.counts.sum() == pytest.approx(3000)
    assert metric.d_calibration(events, np.exp(-own / 20)).p_value < 1e-6


def test_calibration__has_no_value_beyond_what_was_observed():
    with pytest.raises(UndefinedMetricError, match="beyond 9"):
        metric.brier_score([1, 2], [1, 0], [0.5, 0.5], 9)
    with pytest.raises(UndefinedMetricError, match="nobody"):
        metric.observed_expected([1, 2], [1, 0], [0.5, 0.5], 9)
    with pytest.raises(UndefinedMetricError, match="two times"):
        metric.integrated_brier_score([1, 2], [1, 0], [[0.5, 0.5]], [1])


def test_calibration__refuses_what_is_no_share():
    with pytest.raises(ValueError, match="from 0 to 1"):
        metric.brier_score([1, 2], [1, 0], [0.5, 1.5], 1)
