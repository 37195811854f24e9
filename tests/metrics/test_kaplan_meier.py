"""Kaplan-Meier and log-rank against hand-made numbers and against lifelines."""

import numpy as np
import pytest
from lifelines import KaplanMeierFitter
from lifelines.statistics import multivariate_logrank_test

from medvlp.metrics.kaplan_meier import check_survival, kaplan_meier, log_rank
from medvlp.metrics.samples import UndefinedMetricError


def cohort(seed, num=60):
    rng = np.random.default_rng(seed)
    return rng.integers(1, 15, num) / 2, rng.integers(0, 2, num), rng.integers(0, 3, num)


def test_kaplan_meier__hand_worked():
    # Five subjects: death 1, death and censoring at 2, censored 3, death 4.
    found = kaplan_meier([1, 2, 2, 3, 4], [1, 1, 0, 0, 1])
    assert found.times.tolist() == [1, 2, 3, 4]
    assert found.at_risk.tolist() == [5, 4, 2, 1]
    assert found.num_events.tolist() == [1, 1, 0, 1]
    assert found.survival == pytest.approx([4 / 5, 4 / 5 * 3 / 4, 3 / 5, 0])
    assert found.read([0.5, 1, 2.5, 9]) == pytest.approx([1, 0.8, 0.6, 0])
    assert found.read_at_risk([0, 1, 1.5, 4, 5]).tolist() == [5, 5, 4, 1, 0]


@pytest.mark.parametrize("seed", range(4))
def test_kaplan_meier__equals_lifelines(seed):
    durations, events, _ = cohort(seed)
    expected = KaplanMeierFitter().fit(durations, events)
    found = kaplan_meier(durations, events)
    assert found.read(expected.survival_function_.index) == pytest.approx(
        expected.survival_function_["KM_estimate"].to_numpy(), abs=1e-12
    )
    bounds = expected.confidence_interval_.loc[found.times].to_numpy()
    inner = found.survival > 0
    np.testing.assert_allclose(found.low[inner], bounds[inner, 0], rtol=1e-9)
    np.testing.assert_allclose(found.high[inner], bounds[inner, 1], rtol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_log_rank__equals_lifelines(seed):
    durations, events, groups = cohort(seed)
    expected = multivariate_logrank_test(durations, groups, events)
    found = log_rank(durations, events, groups)
    assert found.statistic == pytest.approx(expected.test_statistic, rel=1e-9)
    assert found.p_value == pytest.approx(expected.p_value, rel=1e-7)
    assert found.degrees == 2


def test_log_rank__hand_worked():
    # Deaths at 1 (group a) and 2 (group b), one more of each censored at 3.
    # t=1: 4 at risk, 2 of a: E=1/2, V=1/4. t=2: 3 at risk, 1 of a: E=1/3, V=2/9.
    # O - E of a = 1 - 5/6 = 1/6; V = 17/36; statistic = (1/36) / (17/36) = 1/17.
    assert log_rank([1, 3, 2, 3], [1, 0, 1, 0], list("aabb")).statistic == pytest.approx(1 / 17)


@pytest.mark.parametrize(
    ("events", "groups"), [([0, 0, 0], [0, 1, 1]), ([1, 0, 1], [2, 2, 2])], ids=["none", "one"]
)
def test_log_rank__has_no_value_without_events_or_groups(events, groups):
    with pytest.raises(UndefinedMetricError, match="two groups and an event"):
        log_rank([1, 2, 3], events, groups)


def test_kaplan_meier__of_censoring_only_stays_at_one():
    assert kaplan_meier([1, 2], [0, 0]).survival.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("durations", "events", "words"),
    [([1], [1, 0], "do not fit"), ([], [], "do not fit"), ([np.nan], [1], "finite")],
)
def test_check_survival__refuses(durations, events, words):
    with pytest.raises(ValueError, match=words):
        check_survival(durations, events)
