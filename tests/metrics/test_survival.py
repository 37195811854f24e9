import numpy as np
import pytest

from medvlp.metrics import survival as metric
from medvlp.metrics.samples import UndefinedMetricError
from tests.oracles import survival_metrics as oracle


def cohort(seed, num=25, num_times=8):
    rng = np.random.default_rng(seed)
    durations = rng.integers(1, num_times, num).astype(float)
    events = rng.integers(0, 2, num)
    risk = rng.integers(0, 6, num) / 2
    grid = np.unique(durations)
    survival = np.sort(rng.integers(0, 10, (len(grid), num)) / 10, axis=0)[::-1]
    return durations, events, risk, survival, metric.last_step_before(grid, durations)


def test_harrell_concordance__hand_worked():
    # Deaths at 1 and 2, censored at 2 and 3. Pairs: (0: 1, 2, 3), (1: 2 by censoring, 3).
    # Risks 3, 1, 2, 1: 0 beats all three; 1 loses to 2 and ties with 3.
    found = metric.harrell_concordance([1, 2, 2, 3], [1, 1, 0, 0], [3, 1, 2, 1])
    assert found == metric.Concordance(3.5 / 5, 3, 1, 1, 1)


@pytest.mark.parametrize("seed", range(5))
def test_concordance__equals_the_oracle(seed):
    durations, events, risk, survival, rows = cohort(seed)
    expected = oracle.harrell(durations, events, risk)
    assert metric.harrell_concordance(durations, events, risk).index == pytest.approx(expected)
    for ties in ("none", "adjusted"):
        expected = oracle.antolini(durations, events, survival, rows, ties == "adjusted")
        actual = metric.antolini_concordance(durations, events, survival, rows, ties=ties)
        assert actual == pytest.approx(expected, rel=1e-14)


def test_concordance__is_the_same_in_blocks(monkeypatch):
    durations, events, risk, survival, rows = cohort(9)
    expected = (
        metric.harrell_concordance(durations, events, risk),
        metric.antolini_concordance(durations, events, survival, rows),
    )
    monkeypatch.setattr(metric, "ROWS_AT_A_TIME", 4)
    assert expected == (
        metric.harrell_concordance(durations, events, risk),
        metric.antolini_concordance(durations, events, survival, rows),
    )


def test_harrell_concordance__depends_on_ranks_only_and_turns_with_the_sign():
    durations, events, risk, _, _ = cohort(3)
    index = metric.harrell_concordance(durations, events, risk).index
    assert metric.harrell_concordance(durations**2, events, np.exp(risk)).index == index
    assert metric.harrell_concordance(durations, events, -risk).index == pytest.approx(1 - index)


def test_concordance__of_a_constant_predictor():
    durations, events, risk, survival, rows = cohort(4)
    assert metric.harrell_concordance(durations, events, 0 * risk).index == 0.5
    constant = 0 * survival
    assert metric.antolini_concordance(durations, events, constant, rows, ties="none") == 0
    assert metric.antolini_concordance(durations, events, constant, rows) >= 0.5


def test_breslow_baseline__hand_worked():
    # exp h = 1, 2, 1; death at 1 with 4 at risk, death at 2 with 3 at risk, censored at 3.
    times, hazard = metric.breslow_baseline([1, 2, 3], [1, 1, 0], np.log([1, 2, 1]))
    assert times.tolist() == [1, 2, 3]
    assert hazard == pytest.approx([1 / 4, 1 / 3, 0])


def test_survival_curves__equal_the_oracle():
    durations, events, risk, _, _ = cohort(5)
    new = np.array([-1.0, 0.0, 2.0])
    expected_grid, expected = oracle.breslow_survival(durations, events, risk, new)
    grid, hazard = metric.breslow_baseline(durations, events, risk)
    assert grid.tolist() == expected_grid
    np.testing.assert_allclose(metric.survival_curves(hazard, new), expected, rtol=1e-13)


def test_read_curves__steps_and_is_one_before_the_grid():
    curves = np.array([[0.9], [0.5]])
    actual = metric.read_curves([2.0, 4.0], curves, [1.0, 2.0, 3.9, 4.0, 99.0])
    assert actual.ravel().tolist() == [1, 0.9, 0.9, 0.5, 0.5]


def test_last_step_before__stays_on_the_grid():
    assert metric.last_step_before([2, 4], [1, 2, 3, 4, 5]).tolist() == [0, 0, 0, 1, 1]


def test_concordance__refuses_a_cohort_without_comparable_pairs():
    with pytest.raises(UndefinedMetricError, match="no two subjects can be compared"):
        metric.harrell_concordance([1, 2], [0, 0], [1, 2])
    with pytest.raises(UndefinedMetricError, match="no two subjects can be compared"):
        metric.antolini_concordance([1, 2], [0, 0], np.ones((1, 2)), [0, 0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 2], [0, 2], [1, 2]), "events must be 0 or 1"),
        (([1, 2], [0, 1], [1]), "risk must be 2 finite numbers"),
        (([1, np.nan], [0, 1], [1, 2]), "durations must be 2 finite numbers"),
    ],
)
def test_harrell_concordance__refuses_what_does_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        metric.harrell_concordance(*arguments)


@pytest.mark.parametrize(
    ("survival", "rows", "message"),
    [
        (np.ones((2, 3)), [0, 0], r"survival \(2, 3\) and rows \(2,\) must be"),
        (np.ones((2, 2)), [0, 2], "rows reach from 0 to 2, the grid has 2 times"),
    ],
)
def test_antolini_concordance__refuses_what_does_not_fit(survival, rows, message):
    with pytest.raises(ValueError, match=message):
        metric.antolini_concordance([1, 2], [1, 1], survival, rows)


def test_concordance__within_strata_is_that_of_each_put_together():
    durations, events, risk, survival, rows = cohort(7, num=40)
    strata = np.arange(40) % 3
    whole = metric.harrell_concordance(durations, events, risk, strata=strata)
    parts = [
        metric.harrell_concordance(durations[keep], events[keep], risk[keep])
        for keep in (strata == s for s in range(3))
    ]
    assert whole.concordant == sum(part.concordant for part in parts)
    assert whole.discordant == sum(part.discordant for part in parts)
    assert whole.tied_risk == sum(part.tied_risk for part in parts)
    alone = np.arange(40) == 3
    far = np.where(strata == 1, 1, np.arange(40) + 10)  # every other subject alone
    found = metric.antolini_concordance(durations, events, survival, rows, strata=far)
    keep = strata == 1
    expected = metric.antolini_concordance(
        durations[keep], events[keep], survival[:, keep], rows[keep]
    )
    assert found == pytest.approx(expected)
    with pytest.raises(UndefinedMetricError):
        metric.harrell_concordance(durations, events, risk, strata=np.arange(40))
    with pytest.raises(ValueError, match="do not fit"):
        metric.harrell_concordance(durations, events, risk, strata=alone[:3])
