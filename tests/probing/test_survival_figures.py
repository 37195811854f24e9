import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter, KaplanMeierFitter
from lifelines.utils import concordance_index

from medvlp.probing.figures import Resampling
from medvlp.probing.survival_figures import (
    SurvivalPredictions,
    calibration_slope,
    survival_checks,
    survival_figures,
)


def predictions(seed=0, num=150, *, is_right=True, events=None):
    """Exponential times; predictions are the truth, or twice too sure."""
    rng = np.random.default_rng(seed)
    risk = rng.standard_normal(num)
    death, leaving = rng.exponential(20 * np.exp(-risk)), rng.uniform(5, 60, num)
    months = np.minimum(death, leaving) + 1e-3
    told = risk if is_right else 2 * risk
    grid = np.unique(months)
    return SurvivalPredictions(
        months=months,
        events=(death <= leaving).astype(np.int64) if events is None else events,
        log_hazard=told,
        grid=grid,
        curves=np.exp(-np.outer(grid, np.exp(told)) / 20),
        is_high_risk=risk > 0,
        parts=np.full(num, "test"),
    )


def resampling(found, draws=30):
    return Resampling(np.arange(len(found.months)).astype(str), draws=draws)


def test_survival_figures__equal_lifelines():
    found = predictions()
    figures = survival_figures(found, (12.0, 24.0), resampling(found))
    expected = concordance_index(found.months, -found.log_hazard, found.events)
    assert figures["harrell"].value == pytest.approx(expected)
    # Curves that never cross: both indices agree.
    assert figures["antolini"].value == pytest.approx(expected)
    fitter = KaplanMeierFitter().fit(found.months, found.events)
    told = 1 - np.exp(-12 * np.exp(found.log_hazard) / 20).mean()
    # Curves are steps at the grid, so the predicted share is that of the last step before.
    ratio = figures["observed_expected_12"].value
    assert ratio == pytest.approx((1 - fitter.predict(12)) / told, rel=0.03)
    assert figures["brier_12"].low < figures["brier_12"].value < figures["brier_12"].high
    assert 0 < figures["integrated_brier"].value < 0.25


def test_survival_figures__compare_patients_of_one_fit_only():
    found = predictions()
    shifted = SurvivalPredictions(
        **{
            **vars(found),
            "log_hazard": found.log_hazard + 100 * (np.arange(150) % 2),
            "parts": np.where(np.arange(150) % 2, "fold 1", "fold 2"),
        }
    )
    expected = 0
    pairs = 0
    for part in (0, 1):
        keep = np.arange(150) % 2 == part
        args = (found.months[keep], found.events[keep])
        num = sum((args[0] > t).sum() for t, e in zip(*args, strict=True) if e)
        pairs += num
        expected += num * concordance_index(args[0], -found.log_hazard[keep], args[1])
    figures = survival_figures(shifted, (), resampling(found, draws=2))
    assert figures["harrell"].value == pytest.approx(expected / pairs)


def test_survival_checks__pass_right_predictions_and_tell_wrong_ones():
    right = survival_checks(predictions(num=600), (12.0, 500.0))
    wrong = survival_checks(predictions(num=600, is_right=False), (12.0,))
    assert right["calibration_slope"]["low"] < 1 < right["calibration_slope"]["high"]
    assert wrong["calibration_slope"]["high"] < 0.7
    assert right["d_calibration"]["p_value"] > 0.05
    assert wrong["d_calibration"]["p_value"] < 1e-3
    assert right["log_rank_of_risk_groups"]["p_value"] < 1e-6
    by_month = right["calibration_by_horizon_months"]
    assert by_month["12"]["ratio"] == pytest.approx(1, abs=0.15)
    assert "nobody" in by_month["500"]["why"]


def test_calibration_slope__is_that_of_lifelines():
    found = predictions(3)
    table = pd.DataFrame({"x": found.log_hazard, "t": found.months, "e": found.events})
    expected = CoxPHFitter().fit(table, "t", "e").params_["x"]
    told = calibration_slope(found.months, found.events, found.log_hazard)
    assert told["slope"] == pytest.approx(expected)
    assert 0 <= told["p_proportional_hazards"] <= 1


def test_survival_figures__state_what_has_no_value():
    found = predictions(events=np.zeros(150, np.int64))
    figures = survival_figures(found, (12.0,), resampling(found, draws=3))
    assert figures["harrell"].value is None
    assert "nobody outlived an event" in figures["harrell"].why
    checks = survival_checks(found, (12.0,))
    assert "event" in checks["log_rank_of_risk_groups"]["why"]
    assert "no event" in checks["calibration_slope"]["why"]
    equal = calibration_slope([1, 2, 3], [1, 1, 1], [0, 0, 0])
    assert "do not differ" in equal["why"]
