"""Survival: concordance of risks and of curves, baseline hazard and survival curves.

Letters: N subjects, T times of a grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from medvlp.metrics.samples import UndefinedMetricError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Flags = NDArray[np.bool_]

__all__ = [
    "Concordance",
    "antolini_concordance",
    "breslow_baseline",
    "harrell_concordance",
    "last_step_before",
    "read_curves",
    "survival_curves",
]

ROWS_AT_A_TIME = 1024
_NO_PAIRS = "no two subjects can be compared: nobody outlived an event"


@dataclass(frozen=True)
class Concordance:
    """Harrell's index with its counts of pairs.

    Attributes:
        index: ``(concordant + tied_risk / 2) / comparable``, in [0, 1].
        concordant: Pairs in which who died first had the higher risk.
        discordant: Pairs in which who died first had the lower risk.
        tied_risk: Comparable pairs of equal risk.
        tied_time: Comparable pairs of equal time, one event and one censored.
    """

    index: float
    concordant: int
    discordant: int
    tied_risk: int
    tied_time: int


def harrell_concordance(
    durations: ArrayLike,
    events: ArrayLike,
    risk: ArrayLike,
    *,
    tolerance: float = 1e-8,
    strata: ArrayLike | None = None,
) -> Concordance:
    """Share of comparable pairs in which the higher risk died first.

    A pair (i, j) is comparable where i had its event and j outlived it: ``t_j > t_i``, or
    ``t_j = t_i`` with j censored. It is concordant where ``risk_i > risk_j``; equal risks count
    one half.

    Args:
        durations: Time of event or censoring, any unit, shape ``(N,)``.
        events: 1 where the event was seen, 0 where censored, shape ``(N,)``.
        risk: Higher where the event is expected sooner, shape ``(N,)``.
        tolerance: Risks that differ by at most this are equal.
        strata: Pairs are formed among subjects with one value only, such as those that one fit has
            judged; shape ``(N,)``.

    Raises:
        UndefinedMetricError: If no two subjects can be compared.
        ValueError: If shapes differ, a value is not finite, or an event is neither 0 nor 1.

    Source:
        Harrell et al. 1996, Statistics in Medicine 15(4), 361-387; ties as scikit-survival has
        them.
    """
    times, died = _checked(durations, events)
    score = _checked_row("risk", risk, len(times))
    counts = np.zeros(4, dtype=np.int64)
    for rows, later, tied in _blocks(times, strata):
        comparable = (later | (tied & ~died)) & died[rows, None]
        lead = score[rows, None] - score
        equal = np.abs(lead) <= tolerance
        parts = (~equal & (lead > 0), ~equal & (lead < 0), equal, tied)
        counts += [int((comparable & part).sum()) for part in parts]
    concordant, discordant, tied_risk, tied_time = counts.tolist()
    num_pairs = concordant + discordant + tied_risk
    if not num_pairs:
        raise UndefinedMetricError(_NO_PAIRS)
    index = (concordant + tied_risk / 2) / num_pairs
    return Concordance(index, concordant, discordant, tied_risk, tied_time)


def antolini_concordance(
    durations: ArrayLike,
    events: ArrayLike,
    survival: ArrayLike,
    rows: ArrayLike,
    *,
    ties: Literal["adjusted", "none"] = "adjusted",
    strata: ArrayLike | None = None,
) -> float:
    """Time-dependent concordance: who dies at t should have the lowest survival at t.

    Pairs are compared at ``S(t_i)``, for curves that may cross.

    - none: comparable as in :func:`harrell_concordance`, concordant where ``S_i(t_i) < S_j(t_i)``.
      Equal predictions get no credit, so a constant predictor scores 0.
    - adjusted: also comparable where ``t_i = t_j`` with an event in either; equal predictions count
      one half, and two events at one time count 1 where predictions are equal and one half where
      they differ. A constant predictor scores about one half.

    Args:
        durations: Time of event or censoring, shape ``(N,)``.
        events: 1 where the event was seen, 0 where censored, shape ``(N,)``.
        survival: Curves of all subjects on one grid, shape ``(T, N)``.
        rows: Row of the grid at which each subject's own time stands, shape ``(N,)``, in
            ``[0, T)``; see :func:`last_step_before`.
        ties: Which rule.
        strata: As in :func:`harrell_concordance`. Curves of several fits must not be compared: the
            death of a subject is a step in the curves of the fits that were trained on it, and none
            in its own.

    Returns:
        In [0, 1].

    Raises:
        UndefinedMetricError: If no two subjects can be compared.
        ValueError: If shapes differ, a value is not finite, or a row is not on the grid.

    Source:
        Antolini et al. 2005, Statistics in Medicine 24(24), 3927-3944; both rules as pycox 0.3.0
        has them. RenalCLIP reports the rule without ties.
    """
    times, died = _checked(durations, events)
    curves = np.asarray(survival, dtype=np.float64)
    place = np.asarray(rows, dtype=np.int64)
    if curves.ndim != 2 or curves.shape[1] != len(times) or place.shape != times.shape:
        msg = f"survival {curves.shape} and rows {place.shape} must be (T, N) and (N,)"
        raise ValueError(msg)
    if len(place) and not 0 <= place.min() <= place.max() < len(curves):
        msg = f"rows reach from {place.min()} to {place.max()}, the grid has {len(curves)} times"
        raise ValueError(msg)
    credit = total = 0.0
    for block, later, tied in _blocks(times, strata):
        at_own_time = curves[place[block]]
        own = curves[place[block], np.arange(len(times))[block]][:, None]
        mine = died[block, None]
        score = (own < at_own_time) + (0.5 if ties == "adjusted" else 0.0) * (own == at_own_time)
        comparable = mine & (later | (tied & ~died))
        if ties == "adjusted":
            both, only_other = tied & mine & died, tied & ~mine & died
            score = np.where(both, 1 - 0.5 * (own != at_own_time), score)
            reverse = (own > at_own_time) + 0.5 * (own == at_own_time)
            score = np.where(only_other, reverse, score)
            comparable |= both | only_other
        credit += float((score * comparable).sum())
        total += int(comparable.sum())
    if not total:
        raise UndefinedMetricError(_NO_PAIRS)
    return credit / total


def breslow_baseline(
    durations: ArrayLike, events: ArrayLike, log_hazard: ArrayLike
) -> tuple[Floats, Floats]:
    """Baseline hazard of a Cox model at the distinct times of the training subjects.

    ``hazard(t) = events at t / sum over subjects with duration >= t of exp(log_hazard)``.

    Args:
        durations: Time of event or censoring, shape ``(N,)``.
        events: 1 where the event was seen, 0 where censored, shape ``(N,)``.
        log_hazard: Logarithm of the relative hazard, shape ``(N,)``.

    Returns:
        Distinct times, ascending, and the hazard at each, both of shape ``(T,)``.

    Raises:
        ValueError: If shapes differ, a value is not finite, or an event is neither 0 nor 1.

    Source:
        Breslow 1972, discussion of Cox, J. R. Stat. Soc. B 34(2), 216-217.
    """
    times, died = _checked(durations, events)
    relative = np.exp(_checked_row("log_hazard", log_hazard, len(times)))
    grid, place = np.unique(times, return_inverse=True)
    leaving = np.bincount(place, relative, minlength=len(grid))
    at_risk = leaving[::-1].cumsum()[::-1]
    return grid, np.bincount(place, died, minlength=len(grid)) / at_risk


def survival_curves(baseline_hazard: ArrayLike, log_hazard: ArrayLike) -> Floats:
    """Survival ``S(t) = exp(-cumulative baseline hazard(t) exp(log_hazard))``.

    Args:
        baseline_hazard: Hazard at each time of the grid, shape ``(T,)``.
        log_hazard: Logarithm of the relative hazard, shape ``(N,)``.

    Returns:
        Shape ``(T, N)``, in (0, 1], descending along T.

    Source:
        Breslow 1972, J. R. Stat. Soc. B 34(2), 216-217.
    """
    cumulative = np.cumsum(np.asarray(baseline_hazard, dtype=np.float64))
    relative = np.exp(np.asarray(log_hazard, dtype=np.float64))
    return np.asarray(np.exp(-np.outer(cumulative, relative)))


def last_step_before(grid: ArrayLike, times: ArrayLike) -> NDArray[np.int64]:
    """Return the row of the last grid time that is not after each time, the first row at least.

    Args:
        grid: Ascending times, shape ``(T,)``.
        times: Shape ``(N,)``.
    """
    return np.maximum(np.searchsorted(np.asarray(grid), np.asarray(times), side="right") - 1, 0)


def read_curves(grid: ArrayLike, survival: ArrayLike, times: ArrayLike) -> Floats:
    """Read step functions at other times, 1 before the grid begins.

    Args:
        grid: Ascending times, shape ``(T,)``.
        survival: Curves, shape ``(T, N)``.
        times: Where to read, shape ``(M,)``.

    Returns:
        Shape ``(M, N)``.
    """
    curves = np.asarray(survival, dtype=np.float64)
    before = np.asarray(times) < np.asarray(grid)[0]
    return np.where(before[:, None], 1.0, curves[last_step_before(grid, times)])


def _blocks(times: Floats, strata: ArrayLike | None) -> Iterator[tuple[slice, Flags, Flags]]:
    """Yield blocks of subjects with who outlived them and who shares their time, not themselves."""
    stratum = np.zeros(len(times)) if strata is None else np.asarray(strata)
    if stratum.shape != times.shape:
        raise ValueError(f"strata {stratum.shape} and durations {times.shape} do not fit")
    for start in range(0, len(times), ROWS_AT_A_TIME):
        rows = slice(start, start + ROWS_AT_A_TIME)
        tied = times[rows, None] == times
        tied[np.arange(len(tied)), np.arange(len(times))[rows]] = False
        is_near = stratum[rows, None] == stratum
        yield rows, (times[rows, None] < times) & is_near, tied & is_near


def _checked(durations: ArrayLike, events: ArrayLike) -> tuple[Floats, Flags]:
    flags = np.asarray(events, dtype=np.float64)
    if flags.ndim != 1 or not np.isin(flags, (0, 1)).all():
        msg = f"events must be 0 or 1 in one row, got shape {flags.shape}"
        raise ValueError(msg)
    return _checked_row("durations", durations, len(flags)), flags.astype(bool)


def _checked_row(name: str, values: ArrayLike, length: int) -> Floats:
    row = np.asarray(values, dtype=np.float64)
    if row.shape != (length,) or not np.isfinite(row).all():
        msg = f"{name} must be {length} finite numbers, got shape {row.shape}"
        raise ValueError(msg)
    return row
