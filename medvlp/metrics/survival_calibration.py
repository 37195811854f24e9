"""How far predicted survival is from what came true: Brier score, observed by expected, D.

Letters: N subjects, H horizons.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from medvlp.metrics.kaplan_meier import check_survival, kaplan_meier
from medvlp.metrics.samples import UndefinedMetricError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

__all__ = [
    "DCalibration",
    "ObservedExpected",
    "brier_score",
    "d_calibration",
    "integrated_brier_score",
    "observed_expected",
]


@dataclass(frozen=True)
class ObservedExpected:
    """Events that came true by a horizon beside those that were predicted.

    Attributes:
        observed: Share of subjects with the event by then, 1 - Kaplan-Meier.
        expected: Mean predicted share.
        ratio: Observed by expected; above 1 where risk is underestimated.
        num_at_risk: Subjects still observed at the horizon.
    """

    observed: float
    expected: float
    ratio: float
    num_at_risk: int


@dataclass(frozen=True, eq=False)
class DCalibration:
    """Whether predicted survival at the own time is spread evenly over 0 to 1.

    Attributes:
        counts: Subjects per bin of ``S_i(t_i)``, from 0 to 1; censored ones are shared out.
        statistic: Chi-square against equal counts.
        p_value: Chance of a statistic as large where predictions are right; small is bad.
    """

    counts: Floats
    statistic: float
    p_value: float


def brier_score(durations: ArrayLike, events: ArrayLike, survival: ArrayLike, time: float) -> float:
    """Return the mean squared error of survival at a time, weighted for censoring.

    ``1/N sum_i [S_i(t)^2 [t_i <= t, event] / G(t_i-) + (1 - S_i(t))^2 [t_i > t] / G(t)]`` with G
    the Kaplan-Meier curve of censoring of the same subjects, ``t-`` just before t. A prediction of
    one half for all has 0.25.

    Args:
        durations: Time of event or censoring, shape ``(N,)``.
        events: 1 where the event was seen, 0 where censored, shape ``(N,)``.
        survival: Predicted survival at ``time``, shape ``(N,)``, 0 to 1.
        time: The horizon.

    Raises:
        UndefinedMetricError: If nobody was observed beyond the horizon.

    Source:
        Graf et al. 1999, doi:10.1002/(SICI)1097-0258(19990915/30)18:17/18<2529::AID-SIM274>3.0.CO;
        2-5, equation 3.
    """
    times, died = check_survival(durations, events)
    predicted = _checked_shares(survival, len(times))
    if not (times > time).any():
        raise UndefinedMetricError(f"nobody was observed beyond {time:g}")
    censoring = kaplan_meier(times, ~died)
    just_before = censoring.read(np.nextafter(times, -np.inf))
    gone = (times <= time) & died
    stays = times > time
    losses = np.zeros(len(times))
    losses[gone] = predicted[gone] ** 2 / just_before[gone]
    losses[stays] = (1 - predicted[stays]) ** 2 / censoring.read([time])[0]
    return float(losses.mean())


def integrated_brier_score(
    durations: ArrayLike, events: ArrayLike, survival: ArrayLike, grid: ArrayLike
) -> float:
    """Return the mean of :func:`brier_score` over time, by trapezoids.

    Args:
        durations: Time of event or censoring, shape ``(N,)``.
        events: 1 where the event was seen, 0 where censored, shape ``(N,)``.
        survival: Predicted survival at the times of the grid, shape ``(H, N)``.
        grid: Ascending times, at least two, each before the last duration, shape ``(H,)``.

    Raises:
        UndefinedMetricError: If the grid has fewer than two times or leaves what was observed.

    Source:
        Graf et al. 1999, as :func:`brier_score`, section 4.
    """
    times = np.asarray(grid, dtype=np.float64)
    rows = np.asarray(survival, dtype=np.float64)
    if len(times) < 2:
        raise UndefinedMetricError("an integral needs two times at least")
    scores = [
        brier_score(durations, events, row, time) for row, time in zip(rows, times, strict=True)
    ]
    return float(np.trapezoid(scores, times) / (times[-1] - times[0]))


def observed_expected(
    durations: ArrayLike, events: ArrayLike, survival: ArrayLike, time: float
) -> ObservedExpected:
    """Compare the events by a time with those predicted.

    Args:
        durations: Time of event or censoring, shape ``(N,)``.
        events: 1 where the event was seen, 0 where censored, shape ``(N,)``.
        survival: Predicted survival at ``time``, shape ``(N,)``, 0 to 1.
        time: The horizon.

    Raises:
        UndefinedMetricError: If nobody was observed up to the horizon, or no event is expected.

    Source:
        Riley et al. 2019, Prognosis Research in Health Care, chapter 8 (calibration in the large).
    """
    times, died = check_survival(durations, events)
    expected = float(1 - _checked_shares(survival, len(times)).mean())
    num_at_risk = int((times >= time).sum())
    if not num_at_risk or expected == 0:
        raise UndefinedMetricError(f"nobody is observed or no event expected by {time:g}")
    observed = float(1 - kaplan_meier(times, died).read([time])[0])
    return ObservedExpected(observed, expected, observed / expected, num_at_risk)


def d_calibration(events: ArrayLike, survival: ArrayLike, *, num_bins: int = 10) -> DCalibration:
    """Test that ``S_i(t_i)`` is uniform.

    An event counts 1 in the bin of its value. A subject censored at the value c has its event at a
    value that is uniform on ``[0, c]``: each bin below gets ``width / c``, its own bin what is left
    of c. Bins are closed below, ``[k/B, (k+1)/B)``; 1 belongs to the last.

    Args:
        events: 1 where the event was seen, 0 where censored, shape ``(N,)``.
        survival: Each subject's predicted survival at its own time, shape ``(N,)``, 0 to 1.
        num_bins: Number of bins B.

    Source:
        Haider et al. 2020, JMLR 21(85), section 3.5 and appendix B.
    """
    values = np.asarray(survival, dtype=np.float64)
    _, died = check_survival(values, events)
    _checked_shares(values, len(values))
    own = np.minimum((values * num_bins).astype(np.int64), num_bins - 1)
    counts = np.bincount(own[died], minlength=num_bins).astype(np.float64)
    for value, place in zip(values[~died], own[~died], strict=True):
        if value == 0:
            counts[0] += 1
            continue
        counts[:place] += 1 / (num_bins * value)
        counts[place] += 1 - place / (num_bins * value)
    expected = len(values) / num_bins
    statistic = float(((counts - expected) ** 2 / expected).sum())
    return DCalibration(counts, statistic, float(stats.chi2.sf(statistic, num_bins - 1)))


def _checked_shares(survival: ArrayLike, length: int) -> Floats:
    shares = np.asarray(survival, dtype=np.float64)
    if shares.shape != (length,) or not ((shares >= 0) & (shares <= 1)).all():
        raise ValueError(f"survival must be {length} numbers from 0 to 1, got {shares.shape}")
    return shares
