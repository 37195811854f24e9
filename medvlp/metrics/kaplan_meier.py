"""Kaplan-Meier curves and the log-rank test.

Letters: N subjects, T distinct times, G groups.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from medvlp.metrics.samples import UndefinedMetricError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

__all__ = ["KaplanMeier", "LogRank", "check_survival", "kaplan_meier", "log_rank"]


@dataclass(frozen=True, eq=False)
class KaplanMeier:
    """The share of subjects that are still without the event, as a step function.

    Attributes:
        times: Distinct times of event or censoring, ascending, shape ``(T,)``.
        survival: Value from each time on, shape ``(T,)``.
        low: Lower end of the pointwise interval, shape ``(T,)``; NaN once nobody is left.
        high: Upper end, shape ``(T,)``.
        at_risk: Subjects whose time is not before each time, shape ``(T,)``, int64.
        num_events: Events at each time, shape ``(T,)``, int64.
    """

    times: Floats
    survival: Floats
    low: Floats
    high: Floats
    at_risk: NDArray[np.int64]
    num_events: NDArray[np.int64]

    def read(self, times: ArrayLike) -> Floats:
        """Return the survival at any times, 1 before the first.

        Args:
            times: Shape ``(M,)``.
        """
        steps = np.concatenate([[1.0], self.survival])
        return np.asarray(steps[np.searchsorted(self.times, np.asarray(times), side="right")])

    def read_at_risk(self, times: ArrayLike) -> NDArray[np.int64]:
        """Return how many subjects have a time not before each of these.

        Args:
            times: Shape ``(M,)``.
        """
        counts = np.concatenate([self.at_risk, [0]])
        return np.asarray(counts[np.searchsorted(self.times, np.asarray(times), side="left")])


@dataclass(frozen=True)
class LogRank:
    """Whether groups differ in survival.

    Attributes:
        statistic: Chi-square.
        p_value: Chance of a statistic as large where the groups do not differ.
        degrees: Degrees of freedom, groups less one.
    """

    statistic: float
    p_value: float
    degrees: int


def check_survival(durations: ArrayLike, events: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    """Return times and events after checking that they are such.

    Args:
        durations: Time of event or censoring, shape ``(N,)``, N > 0, finite.
        events: 1 where the event was seen, 0 where censored, shape ``(N,)``.

    Raises:
        ValueError: If shapes differ, there is nobody, a time is not finite, or an event is neither
            0 nor 1.
    """
    times = np.asarray(durations, dtype=np.float64)
    flags = np.asarray(events)
    if times.ndim != 1 or times.shape != flags.shape or not len(times):
        raise ValueError(f"durations {times.shape} and events {flags.shape} do not fit")
    if not np.isfinite(times).all() or not np.isin(flags, (0, 1)).all():
        raise ValueError("durations must be finite and events 0 or 1")
    return times, flags.astype(bool)


def kaplan_meier(durations: ArrayLike, events: ArrayLike, *, level: float = 0.95) -> KaplanMeier:
    """Estimate survival: ``S(t) = product over times u <= t of 1 - events at u / at risk at u``.

    Who is censored at a time still was at risk at it. The interval is that of Greenwood's variance
    on the scale of ``log(-log S)``, so it stays within 0 to 1.

    Args:
        durations: Time of event or censoring, shape ``(N,)``, N > 0.
        events: 1 where the event was seen, 0 where censored, shape ``(N,)``.
        level: Coverage of the interval.

    Source:
        Kaplan and Meier 1958, doi:10.1080/01621459.1958.10501452; interval of Kalbfleisch and
        Prentice 1980, as lifelines has it.
    """
    times, died = check_survival(durations, events)
    grid, place = np.unique(times, return_inverse=True)
    leaving = np.bincount(place, minlength=len(grid))
    deaths = np.bincount(place[died], minlength=len(grid))
    at_risk = leaving[::-1].cumsum()[::-1]
    survival = np.cumprod(1 - deaths / at_risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt(np.cumsum(deaths / (at_risk * (at_risk - deaths))))
        half = stats.norm.ppf(0.5 + level / 2) * spread / np.abs(np.log(survival))
        low, high = survival ** np.exp(half), survival ** np.exp(-half)
    before = survival == 1
    low[before], high[before] = 1.0, 1.0
    gone = survival == 0
    low[gone], high[gone] = np.nan, np.nan
    return KaplanMeier(grid, survival, low, high, at_risk, deaths)


def log_rank(durations: ArrayLike, events: ArrayLike, groups: ArrayLike) -> LogRank:
    """Test whether groups have one and the same survival.

    At each time with an event the events of a group are compared with those expected from its share
    of who is at risk; ``(O - E)' V^- (O - E)`` with the hypergeometric variance V.

    Args:
        durations: Time of event or censoring, shape ``(N,)``.
        events: 1 where the event was seen, 0 where censored, shape ``(N,)``.
        groups: Group of each subject, shape ``(N,)``, numbers or texts.

    Raises:
        UndefinedMetricError: If there is one group only, or no event.

    Source:
        Mantel 1966, Cancer Chemother. Rep. 50(3), 163-170; Peto and Peto 1972.
    """
    times, died = check_survival(durations, events)
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < 2 or not died.any():
        raise UndefinedMetricError("a log-rank test needs two groups and an event")
    is_in = member[None, :] == np.arange(len(names))[:, None]
    excess = np.zeros(len(names))
    variance = np.zeros((len(names), len(names)))
    for time in np.unique(times[died]):
        at_risk = (is_in & (times >= time)).sum(axis=1)
        deaths = (is_in & (times == time) & died).sum(axis=1)
        total, num_deaths = at_risk.sum(), deaths.sum()
        share = at_risk / total
        excess += deaths - num_deaths * share
        if total > 1:
            scale = num_deaths * (total - num_deaths) / (total - 1)
            variance += scale * (np.diag(share) - np.outer(share, share))
    statistic = float(excess @ np.linalg.pinv(variance) @ excess)
    degrees = len(names) - 1
    return LogRank(statistic, float(stats.chi2.sf(statistic, degrees)), degrees)
