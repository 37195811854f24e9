"""Agreement of predicted and true classes.

scikit-learn computes what it defines; the functions here fix the convention and refuse what has no
value. Letters: N samples, C classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from sklearn import metrics as sk

from medvlp.metrics.samples import UndefinedMetricError, check_labels

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "BinaryRates",
    "accuracy",
    "balanced_accuracy",
    "binary_rates",
    "confusion",
    "f1",
    "kappa",
]


@dataclass(frozen=True)
class BinaryRates:
    """Rates of a binary prediction; NaN where a rate has an empty denominator.

    Attributes:
        sensitivity: TP / (TP + FN), also called recall.
        specificity: TN / (TN + FP).
        ppv: TP / (TP + FP), also called precision.
        npv: TN / (TN + FN).
        f1: 2 TP / (2 TP + FP + FN).
        accuracy: (TP + TN) / N.
        balanced_accuracy: Mean of sensitivity and specificity.
        num_positive: TP + FN.
        num_negative: TN + FP.
    """

    sensitivity: float
    specificity: float
    ppv: float
    npv: float
    f1: float
    accuracy: float
    balanced_accuracy: float
    num_positive: int
    num_negative: int


def binary_rates(labels: ArrayLike, predictions: ArrayLike) -> BinaryRates:
    """Count a binary prediction and return its rates.

    Args:
        labels: 0 or 1 per sample, shape ``(N,)``, N > 0.
        predictions: 0 or 1 per sample, shape ``(N,)``.

    Raises:
        ValueError: If shapes differ, there are no samples, or values are not 0/1.

    Source:
        Definitions of the standard for diagnostic accuracy, STARD 2015, doi:10.1136/bmj.h5527.
    """
    truth, guess = check_labels(labels, predictions)
    if not np.isin(truth, (0, 1)).all() or not np.isin(guess, (0, 1)).all():
        raise ValueError("labels and predictions must be 0 or 1")
    tp, tn = int(np.sum(truth & guess)), int(np.sum((1 - truth) & (1 - guess)))
    fp, fn = int(np.sum((1 - truth) & guess)), int(np.sum(truth & (1 - guess)))
    sensitivity, specificity = _share(tp, tp + fn), _share(tn, tn + fp)
    return BinaryRates(
        sensitivity=sensitivity,
        specificity=specificity,
        ppv=_share(tp, tp + fp),
        npv=_share(tn, tn + fn),
        f1=_share(2 * tp, 2 * tp + fp + fn),
        accuracy=_share(tp + tn, len(truth)),
        balanced_accuracy=(sensitivity + specificity) / 2,
        num_positive=tp + fn,
        num_negative=tn + fp,
    )


def accuracy(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Return the share of samples whose prediction equals the label.

    Source:
        scikit-learn ``accuracy_score``.
    """
    truth, guess = check_labels(labels, predictions)
    return float(np.mean(truth == guess))


def balanced_accuracy(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Return the mean recall over the classes that occur among the labels.

    Args:
        labels: Class per sample, shape ``(N,)``, integers, N > 0.
        predictions: Class per sample, shape ``(N,)``; a class that never occurs as label only
            costs recall of the others.

    Source:
        scikit-learn ``balanced_accuracy_score``; Brodersen et al. 2010, doi:10.1109/ICPR.2010.764.
    """
    truth, guess = check_labels(labels, predictions)
    present = np.unique(truth)
    return float(sk.recall_score(truth, guess, labels=present, average="macro", zero_division=0.0))


def f1(
    labels: ArrayLike, predictions: ArrayLike, average: Literal["weighted", "macro"] = "weighted"
) -> float:
    """Return the mean F1 over the classes that occur as label or prediction.

    Args:
        labels: Class per sample, shape ``(N,)``, integers, N > 0.
        predictions: Class per sample, shape ``(N,)``.
        average: Mean weighted by the number of labels, or plain (``macro``); empty divisions are 0.

    Source:
        scikit-learn ``f1_score``.
    """
    truth, guess = check_labels(labels, predictions)
    return float(sk.f1_score(truth, guess, average=average, zero_division=0.0))


def kappa(
    labels: ArrayLike, predictions: ArrayLike, weights: Literal["quadratic"] | None = None
) -> float:
    """Return Cohen's kappa: agreement beyond chance.

    Args:
        labels: Class per sample, shape ``(N,)``, integers, N > 0.
        predictions: Class per sample, shape ``(N,)``.
        weights: ``quadratic`` weighs a disagreement by the squared distance of ordered classes.

    Raises:
        UndefinedMetricError: If label and prediction are one and the same class throughout.

    Source:
        scikit-learn ``cohen_kappa_score``; Cohen 1960, doi:10.1177/001316446002000104.
    """
    truth, guess = check_labels(labels, predictions)
    if len(np.union1d(truth, guess)) < 2:
        raise UndefinedMetricError("kappa has no value where only one class occurs")
    return float(sk.cohen_kappa_score(truth, guess, weights=weights))


def confusion(labels: ArrayLike, predictions: ArrayLike, num_classes: int) -> NDArray[np.int64]:
    """Count samples by label (rows) and prediction (columns).

    Args:
        labels: Class per sample, 0..num_classes-1, shape ``(N,)``.
        predictions: Class per sample, 0..num_classes-1, shape ``(N,)``.
        num_classes: Number of classes C.

    Returns:
        Shape ``(C, C)``.

    Raises:
        ValueError: If a class is outside.

    Source:
        scikit-learn ``confusion_matrix``.
    """
    truth, guess = check_labels(labels, predictions)
    both = np.concatenate([truth, guess])
    if both.min() < 0 or both.max() >= num_classes:
        raise ValueError(f"classes must be in 0..{num_classes - 1}, got {np.unique(both).tolist()}")
    return np.asarray(sk.confusion_matrix(truth, guess, labels=np.arange(num_classes)))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
