"""What a calibration is worth on cases it was not fitted to, measured by leaving folds out.

Letters: n cases, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvlp.metrics.reliability import binomial_interval, expected_calibration_error
from medvlp.zeroshot.calibration import (
    TemperatureFit,
    calibrated_probabilities,
    fit_temperature,
    negative_log_likelihood,
    split_folds,
)
from medvlp.zeroshot.conformal import (
    SetMethod,
    conformal_quantile,
    label_scores,
    prediction_sets,
)
from medvlp.zeroshot.tiles import softmax

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

__all__ = ["MeasuredConfidence", "MeasuredSets", "measure_confidence", "measure_sets"]

_FOLDS = 5
_REPEATS = 20


@dataclass(frozen=True)
class MeasuredConfidence:
    """How well the confidence of the predicted class fits how often it is right.

    Attributes:
        accuracy: Share of cases that are predicted rightly.
        ece_before: Expected calibration error of the scores as they are.
        ece_after: The same at the fitted temperature, on the cases it was fitted to.
        ece_left_out: The same on left-out folds, mean over repetitions.
        nll_left_out: Mean negative log-likelihood on left-out folds, in nats.
    """

    accuracy: float
    ece_before: float
    ece_after: float
    ece_left_out: float
    nll_left_out: float


@dataclass(frozen=True)
class MeasuredSets:
    """How often prediction sets hold the true class, on left-out folds.

    Attributes:
        coverage: Share of left-out cases whose set holds their class, mean over repetitions.
        coverage_low: Lower end of its exact binomial interval (95 %) for n cases.
        coverage_high: Upper end of the same.
        mean_size: Mean number of classes in a set.
        share_of_full_sets: Share of left-out cases whose set holds every class.
    """

    coverage: float
    coverage_low: float
    coverage_high: float
    mean_size: float
    share_of_full_sets: float


def measure_confidence(
    logits: ArrayLike, labels: ArrayLike, groups: ArrayLike, fit: TemperatureFit
) -> MeasuredConfidence:
    """Measure a temperature on its own cases and, refitted, on left-out folds.

    Args:
        logits: Shape ``(n, C)``.
        labels: Class of each case, shape ``(n,)``.
        groups: Group of each case, such as its patient, shape ``(n,)``; groups stay together.
        fit: The temperature fitted to all cases.
    """
    rows, truth = np.asarray(logits, dtype=np.float64), np.asarray(labels)
    is_right = rows.argmax(axis=1) == truth
    errors, losses = [], []
    for folds in _repetitions(groups):
        left_out = np.empty_like(rows)
        for kept, tested in _splits(folds):
            fitted = fit_temperature(rows[kept], truth[kept])
            left_out[tested] = rows[tested] / fitted.temperature
        errors.append(expected_calibration_error(softmax(left_out).max(axis=1), is_right))
        losses.append(negative_log_likelihood(left_out, truth, 1.0))
    after = calibrated_probabilities(rows, fit.temperature)
    return MeasuredConfidence(
        accuracy=float(is_right.mean()),
        ece_before=expected_calibration_error(softmax(rows).max(axis=1), is_right),
        ece_after=expected_calibration_error(after.max(axis=1), is_right),
        ece_left_out=float(np.mean(errors)),
        nll_left_out=float(np.mean(losses)),
    )


def measure_sets(
    probabilities: ArrayLike, labels: ArrayLike, groups: ArrayLike, alpha: float, method: SetMethod
) -> MeasuredSets:
    """Measure prediction sets whose threshold comes from the other folds.

    With fewer cases than all of them together, the sets here are a little larger than those of the
    whole calibration.

    Args:
        probabilities: Shape ``(n, C)``; not fitted to these cases.
        labels: Class of each case, shape ``(n,)``.
        groups: Group of each case, shape ``(n,)``; groups stay together.
        alpha: Error rate, above 0 and below 1.
        method: How sets are made.
    """
    shares, truth = np.asarray(probabilities, dtype=np.float64), np.asarray(labels)
    scores = label_scores(shares, truth, method)
    covered, sizes, full = [], [], []
    for folds in _repetitions(groups):
        sets = np.zeros(shares.shape, dtype=np.bool_)
        for kept, tested in _splits(folds):
            threshold = conformal_quantile(scores[kept], alpha)
            sets[tested] = prediction_sets(shares[tested], threshold, method)
        covered.append(sets[np.arange(len(truth)), truth].mean())
        sizes.append(sets.sum(axis=1).mean())
        full.append(sets.all(axis=1).mean())
    coverage = float(np.mean(covered))
    low, high = binomial_interval(coverage * len(truth), len(truth))
    return MeasuredSets(
        coverage=coverage,
        coverage_low=low,
        coverage_high=high,
        mean_size=float(np.mean(sizes)),
        share_of_full_sets=float(np.mean(full)),
    )


def _repetitions(groups: ArrayLike) -> Iterator[NDArray[np.int64]]:
    for seed in range(_REPEATS):
        yield split_folds(groups, _FOLDS, seed)


def _splits(folds: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Yield which cases are kept and which are tested; one fold alone is its own test."""
    for fold in range(int(folds.max()) + 1):
        tested = folds == fold
        yield (~tested if not tested.all() else tested), tested
