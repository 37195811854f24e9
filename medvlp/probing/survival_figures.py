"""Figures of predicted survival: concordance, errors, calibration, risk groups.

Letters: N subjects, T times of a grid, H horizons.
"""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvlp.metrics import (
    UndefinedMetricError,
    antolini_concordance,
    harrell_concordance,
    last_step_before,
)
from medvlp.metrics.kaplan_meier import log_rank
from medvlp.metrics.survival_calibration import (
    brier_score,
    d_calibration,
    integrated_brier_score,
    observed_expected,
)
from medvlp.probing.figures import Figure, Resampling, figure_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

__all__ = [
    "SurvivalPredictions",
    "calibration_slope",
    "concordance_figures",
    "survival_checks",
    "survival_figures",
]


@dataclass(frozen=True, eq=False)
class SurvivalPredictions:
    """What was predicted for subjects that were not fitted, beside what came true.

    Attributes:
        months: Time of event or censoring, shape ``(N,)``.
        events: 1 where the event was seen, shape ``(N,)``.
        log_hazard: Relative to an average training patient, shape ``(N,)``.
        grid: Ascending times, months, among them each of ``months``, shape ``(T,)``.
        curves: Predicted survival at the grid, shape ``(T, N)``.
        is_high_risk: Whether the log hazard is above the median of the training part, ``(N,)``.
        parts: Fit that each prediction comes from, shape ``(N,)``; concordance compares within one.
    """

    months: Floats
    events: NDArray[np.int64]
    log_hazard: Floats
    grid: Floats
    curves: Floats
    is_high_risk: Flags
    parts: NDArray[np.str_]

    def select(self, keep: Flags) -> SurvivalPredictions:
        """Return the same for some of the subjects."""
        return SurvivalPredictions(
            self.months[keep],
            self.events[keep],
            self.log_hazard[keep],
            self.grid,
            self.curves[:, keep],
            self.is_high_risk[keep],
            self.parts[keep],
        )

    def at(self, time: float) -> Floats:
        """Return the predicted survival at a time, shape ``(N,)``; 1 before the grid."""
        place = int(np.searchsorted(self.grid, time, side="right")) - 1
        return self.curves[place] if place >= 0 else np.ones(len(self.months))


def concordance_figures(found: SurvivalPredictions, resampling: Resampling) -> dict[str, Figure]:
    """Compute Harrell's and Antolini's concordance over the pairs that one fit has judged.

    Args:
        found: Predictions.
        resampling: Patients and draws.
    """
    rows = last_step_before(found.grid, found.months)

    def harrell(months: ArrayLike, events: ArrayLike, risk: ArrayLike, parts: ArrayLike) -> float:
        return harrell_concordance(months, events, risk, strata=parts).index

    def antolini(*arrays: ArrayLike) -> float:
        months, events, curves, at, parts = arrays
        return antolini_concordance(months, events, np.asarray(curves).T, at, strata=parts)

    truth = [found.months, found.events]
    return {
        "harrell": figure_of(harrell, [*truth, found.log_hazard, found.parts], resampling),
        "antolini": figure_of(antolini, [*truth, found.curves.T, rows, found.parts], resampling),
    }


def survival_figures(
    found: SurvivalPredictions, horizons: tuple[float, ...], resampling: Resampling
) -> dict[str, Figure]:
    """Compute concordance, Brier scores and observed by expected events.

    Args:
        found: Predictions.
        horizons: Months.
        resampling: Patients and draws.
    """
    figures = concordance_figures(found, resampling)
    truth = [found.months, found.events]
    figures["integrated_brier"] = _integrated(found)
    for horizon in horizons:
        predicted = [*truth, found.at(horizon)]
        figures[f"brier_{horizon:g}"] = figure_of(_brier(horizon), predicted, resampling)
        figures[f"observed_expected_{horizon:g}"] = figure_of(
            _ratio(horizon), predicted, resampling
        )
    return figures


def survival_checks(found: SurvivalPredictions, horizons: tuple[float, ...]) -> dict[str, object]:
    """Compute what has no bootstrap: calibration in detail, the log-rank test, the slope.

    Args:
        found: Predictions.
        horizons: Months.
    """
    at_own = found.curves[last_step_before(found.grid, found.months), np.arange(len(found.months))]
    spread = d_calibration(found.events, at_own)
    calibration: dict[str, object] = {}
    for horizon in horizons:
        try:
            told = observed_expected(found.months, found.events, found.at(horizon), horizon)
            calibration[f"{horizon:g}"] = asdict(told)
        except UndefinedMetricError as error:
            calibration[f"{horizon:g}"] = {"why": str(error)}
    try:
        test: dict[str, object] = asdict(log_rank(found.months, found.events, found.is_high_risk))
    except UndefinedMetricError as error:
        test = {"why": str(error)}
    return {
        "calibration_by_horizon_months": calibration,
        "d_calibration": {
            "counts": spread.counts.tolist(),
            "statistic": spread.statistic,
            "p_value": spread.p_value,
        },
        "log_rank_of_risk_groups": test,
        "calibration_slope": calibration_slope(found.months, found.events, found.log_hazard),
    }


def calibration_slope(
    months: ArrayLike, events: ArrayLike, log_hazard: ArrayLike
) -> dict[str, object]:
    """Fit a Cox model with the predicted log hazard as its one covariate.

    A slope of 1 is right; below 1 the predictions are too extreme, as those of an overfitted head.
    The second figure tests that hazards stay proportional over time.

    Args:
        months: Time of event or censoring, shape ``(N,)``.
        events: 1 where the event was seen, shape ``(N,)``.
        log_hazard: Predictions, shape ``(N,)``.

    Returns:
        ``slope``, ``low``, ``high`` (95 %) and ``p_proportional_hazards``, or ``why`` there are
        none.

    Source:
        van Houwelingen 2000, doi:10.1002/1097-0258(20001230)19:24<3401::AID-SIM554>3.0.CO;2-2;
        Grambsch and Therneau 1994, doi:10.1093/biomet/81.3.515. Fitted by lifelines.
    """
    import pandas as pd  # noqa: PLC0415 - lifelines and pandas take seconds to import
    from lifelines import CoxPHFitter  # noqa: PLC0415
    from lifelines.exceptions import ConvergenceError  # noqa: PLC0415
    from lifelines.statistics import proportional_hazard_test  # noqa: PLC0415

    risk = np.asarray(log_hazard, dtype=np.float64)
    if np.ptp(risk) < 1e-9 or not np.asarray(events).any():
        return {"why": "predictions do not differ, or there is no event"}
    table = pd.DataFrame({"risk": risk, "months": months, "event": events})
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # lifelines warns of what the interval shows
            fitter = CoxPHFitter().fit(table, "months", "event")
            test = proportional_hazard_test(fitter, table, time_transform="rank")
    except ConvergenceError:
        return {"why": "the fit of the slope does not settle"}
    low, high = fitter.confidence_intervals_.loc["risk"]
    return {
        "slope": float(fitter.params_["risk"]),
        "low": float(low),
        "high": float(high),
        "p_proportional_hazards": float(np.ravel(test.p_value)[0]),
    }


def _brier(horizon: float) -> Callable[[ArrayLike, ArrayLike, ArrayLike], float]:
    def score(months: ArrayLike, events: ArrayLike, survival: ArrayLike) -> float:
        return brier_score(months, events, survival, horizon)

    return score


def _ratio(horizon: float) -> Callable[[ArrayLike, ArrayLike, ArrayLike], float]:
    def ratio(months: ArrayLike, events: ArrayLike, survival: ArrayLike) -> float:
        return observed_expected(months, events, survival, horizon).ratio

    return ratio


def _integrated(found: SurvivalPredictions) -> Figure:
    inside = found.grid[found.grid < found.months.max()]
    steps = inside[
        np.unique(np.linspace(0, max(len(inside) - 1, 0), 20).astype(int))[: len(inside)]
    ]
    try:
        rows = np.stack([found.at(time) for time in steps]) if len(steps) else np.zeros((0, 0))
        value = integrated_brier_score(found.months, found.events, rows, steps)
    except UndefinedMetricError as error:
        return Figure(None, why=str(error))
    return Figure(value, why="no interval: computed once")
