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

    from medvlp.zeroshot.hierarchy import ClassHierarchy

__all__ = [
    "MeasuredConfidence",
    "MeasuredNodes",
    "MeasuredSets",
    "measure_confidence",
    "measure_nodes",
    "measure_sets",
]

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


@dataclass(frozen=True)
class MeasuredNodes:
    """How often the node that a case is reported at holds its class, on left-out folds.

    Attributes:
        right: Share of left-out cases whose class is at or below their node, mean over repetitions.
        right_low: Lower end of its exact binomial interval (95 %) for n cases.
        right_high: Upper end of the same.
        share_at_class: Share of cases that are reported at a single class.
        share_at_root: Share of cases that are reported at the root.
    """

    right: float
    right_low: float
    right_high: float
    share_at_class: float
    share_at_root: float


def measure_confidence(
    logits: ArrayLike, labels: ArrayLike, groups: ArrayLike, fit: TemperatureFit
) -> MeasuredConfidence:
    """Measure a temperature on its own cases and, refitted, on left-out folds.

    Args:
        logits: Shape ``(n, C)``.
        labels: Class of each case, shape ``(n,)``.
        groups: Group of each case, such as its patient, shape ``(n,)``; groups stay together.
        fit: The temperature fitted to all cases.

    Raises:
        ValueError: If there is one group only.
    """
    rows, truth = np.asarray(logits, dtype=np.float64), np.asarray(labels)
    is_right = rows.argmax(axis=1) == truth
    errors, losses = [], []
    for left_out in _left_out_logits(rows, truth, groups):
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

    Raises:
        ValueError: If there is one group only.
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


def measure_nodes(
    logits: ArrayLike,
    labels: ArrayLike,
    groups: ArrayLike,
    hierarchy: ClassHierarchy,
    confidence: float,
) -> MeasuredNodes:
    """Measure where cases are reported, with the temperature of the other folds.

    Args:
        logits: Shape ``(n, C)``.
        labels: Class of each case, shape ``(n,)``.
        groups: Group of each case, shape ``(n,)``; groups stay together.
        hierarchy: The nodes above the classes, in the order of the logits.
        confidence: Least probability of a node.

    Raises:
        ValueError: If there is one group only.
    """
    rows, truth = np.asarray(logits, dtype=np.float64), np.asarray(labels)
    right, at_class, at_root = [], [], []
    for left_out in _left_out_logits(rows, truth, groups):
        nodes = [hierarchy.choose_row(shares, confidence) for shares in softmax(left_out)]
        held = hierarchy.members[nodes]
        right.append(held[np.arange(len(truth)), truth].mean())
        at_class.append((held.sum(axis=1) == 1).mean())
        at_root.append(np.mean([node == 0 for node in nodes]))
    share = float(np.mean(right))
    low, high = binomial_interval(share * len(truth), len(truth))
    return MeasuredNodes(share, low, high, float(np.mean(at_class)), float(np.mean(at_root)))


def _left_out_logits(
    rows: NDArray[np.float64], truth: NDArray[np.int64], groups: ArrayLike
) -> Iterator[NDArray[np.float64]]:
    """Yield, for each repetition, every case at the temperature of the other folds."""
    for folds in _repetitions(groups):
        left_out = np.empty_like(rows)
        for kept, tested in _splits(folds):
            fitted = fit_temperature(rows[kept], truth[kept])
            left_out[tested] = rows[tested] / fitted.temperature
        yield left_out


def _repetitions(groups: ArrayLike) -> Iterator[NDArray[np.int64]]:
    if len(np.unique(np.asarray(groups))) < 2:
        raise ValueError("the cases are all of one group: none can be left out")
    for seed in range(_REPEATS):
        yield split_folds(groups, _FOLDS, seed)


def _splits(folds: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Yield which cases are kept and which are tested."""
    for fold in range(int(folds.max()) + 1):
        tested = folds == fold
        yield ~tested, tested
