"""The probability above which a finding is there, found on labelled cases.

A threshold must not come from the cases that it is then judged on: the largest of many values is
partly luck. Letters: N cases, K different scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from medvlp.config.calibrations import ThresholdRule

    Floats = NDArray[np.float64]

__all__ = ["FoundThreshold", "fit_finding_threshold", "measure_threshold"]

_SMALLEST = float(np.nextafter(0.0, 1.0))


@dataclass(frozen=True)
class FoundThreshold:
    """A threshold and what it is worth on the cases that it was found on.

    Attributes:
        threshold: A finding is there where its probability is above it.
        value: The figure of the rule.
    """

    threshold: float
    value: float


def fit_finding_threshold(
    truth: ArrayLike, probabilities: ArrayLike, rule: ThresholdRule
) -> FoundThreshold:
    """Find the threshold with the largest value of a figure; the highest one of several.

    Tried is the middle between every score and the next lower one (or 0), so that K scores give K
    thresholds that part them in K ways.

    Args:
        truth: 1 where the finding is there, else 0; shape ``(N,)``, both present.
        probabilities: Score of each case, shape ``(N,)``, 0 to 1.
        rule: What is to be largest: F1, sensitivity + specificity - 1, or Matthews' correlation.

    Raises:
        ValueError: If shapes differ, a value is out of range, or only one class occurs.

    Source:
        Youden 1950, Cancer 3:32; Matthews 1975, Biochim Biophys Acta 405:442; MedKLIP and MAVL take
        the largest F1, KAD the largest Matthews' correlation, all on the set that is judged.
    """
    labels, scores = _checked(truth, probabilities)
    if labels.all() or not labels.any():
        raise ValueError(f"all {len(labels)} cases are of one class")
    levels = np.unique(scores)
    levels = levels[levels > 0]
    if not len(levels):
        raise ValueError("every score is 0")
    below = np.concatenate([[0.0], levels[:-1]])
    middles = (below + levels) / 2
    thresholds = np.clip(np.where(middles < levels, middles, below), _SMALLEST, None)
    values = _figures(labels, scores, thresholds, rule)
    best = len(values) - 1 - int(np.argmax(values[::-1]))
    return FoundThreshold(float(thresholds[best]), float(values[best]))


def measure_threshold(
    truth: ArrayLike, probabilities: ArrayLike, rule: ThresholdRule, threshold: float
) -> float:
    """Return the figure of a rule at a threshold; 0 where it is not defined.

    Args:
        truth: 1 where the finding is there, else 0; shape ``(N,)``.
        probabilities: Score of each case, shape ``(N,)``, 0 to 1.
        rule: The figure.
        threshold: A finding is there above it.

    Raises:
        ValueError: If shapes differ or a value is out of range.
    """
    labels, scores = _checked(truth, probabilities)
    return float(_figures(labels, scores, np.asarray([threshold]), rule)[0])


def _checked(truth: ArrayLike, probabilities: ArrayLike) -> tuple[NDArray[np.bool_], Floats]:
    labels, scores = np.asarray(truth), np.asarray(probabilities, dtype=np.float64)
    if labels.ndim != 1 or labels.shape != scores.shape:
        raise ValueError(f"{labels.shape} labels for {scores.shape} scores")
    if not np.isin(labels, (0, 1)).all():
        raise ValueError("labels must be 0 or 1")
    if not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError("scores must lie within 0 to 1")
    return labels.astype(bool), scores


def _figures(
    labels: NDArray[np.bool_], scores: Floats, thresholds: Floats, rule: ThresholdRule
) -> Floats:
    """Return the figure at each threshold, from counts of scores above it."""
    present, absent = np.sort(scores[labels]), np.sort(scores[~labels])
    tp = len(present) - np.searchsorted(present, thresholds, side="right").astype(np.float64)
    fp = len(absent) - np.searchsorted(absent, thresholds, side="right").astype(np.float64)
    return _RULES[rule](tp, fp, float(len(present)), float(len(absent)))


def _f1(tp: Floats, fp: Floats, positives: float, _: float) -> Floats:
    return _share(2 * tp, positives + tp + fp)


def _youden(tp: Floats, fp: Floats, positives: float, negatives: float) -> Floats:
    return _share(tp, np.full_like(tp, positives)) - _share(fp, np.full_like(fp, negatives))


def _matthews(tp: Floats, fp: Floats, positives: float, negatives: float) -> Floats:
    fn, tn = positives - tp, negatives - fp
    under = np.sqrt((tp + fp) * (fn + tn) * positives * negatives)
    return _share(tp * tn - fp * fn, under)


def _share(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


_RULES: dict[str, Callable[[Floats, Floats, float, float], Floats]] = {
    "max-f1": _f1,
    "youden": _youden,
    "mcc": _matthews,
}
