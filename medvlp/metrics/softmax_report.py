"""The figures that RenalCLIP reports for a classifier with one logit per class, named rightly.

Letters: N samples, C classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.special
from sklearn import metrics as sk

from medvlp.metrics.classification import binary_rates
from medvlp.metrics.ranking import auroc, pr_auc
from medvlp.metrics.samples import UndefinedMetricError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

__all__ = ["SoftmaxReport", "softmax_report"]


@dataclass(frozen=True)
class SoftmaxReport:
    """Figures of one classifier; of class 1 if there are two classes, macro means otherwise.

    Attributes:
        roc_auc: Area under the ROC curve on the softmax; one versus rest.
        roc_auc_per_class: One versus rest, shape ``(C,)``; NaN for a class without labels.
        pr_auc: Area under the precision-recall curve by trapezoids.
        precision: TP / (TP + FP).
        recall: TP / (TP + FN).
        f1: Harmonic mean of the two per class.
        specificity: TN / (TN + FP).
        npv: TN / (TN + FN), negative predictive value.
    """

    roc_auc: float
    roc_auc_per_class: NDArray[np.float64]
    pr_auc: float
    precision: float
    recall: float
    f1: float
    specificity: float
    npv: float


def softmax_report(logits: ArrayLike, labels: ArrayLike) -> SoftmaxReport:
    """Compute the report from logits; samples labelled -1 are left out.

    A class without labels is left out of the means of ranking figures. Empty divisions count as 0
    in precision, recall and F1, and are left out of specificity and npv.

    Args:
        logits: Shape ``(N, C)``, C >= 2.
        labels: Class per sample, 0..C-1, or -1 for unknown, shape ``(N,)``.

    Raises:
        UndefinedMetricError: If fewer than two classes occur among the labels.
        ValueError: If the shapes do not fit or a label is outside.

    Source:
        RenalCLIP, github.com/dt-yuhui/RenalCLIP, utils/util.py. What is called specificity there in
        the binary case is the negative predictive value; here each has its own name. With two of
        three classes present RenalCLIP turns to a binary task on their logits; here the third
        class stays in the softmax.
    """
    rows, truth = np.asarray(logits, dtype=np.float64), np.asarray(labels)
    if rows.ndim != 2 or truth.shape != rows.shape[:1] or rows.shape[1] < 2:
        raise ValueError(f"logits {rows.shape} and labels {truth.shape} do not fit")
    known = truth != -1
    rows, truth = rows[known], truth[known]
    if len(np.unique(truth)) < 2:
        raise UndefinedMetricError("fewer than two classes occur among the labels")
    classes = rows.shape[1]
    if truth.min() < 0 or truth.max() >= classes:
        raise ValueError(f"labels must be -1 or 0..{classes - 1}, got {np.unique(truth).tolist()}")
    probabilities = scipy.special.softmax(rows, axis=1)
    guess = rows.argmax(axis=1)
    judged = [1] if classes == 2 else list(range(classes))
    per_class = [_one_versus_rest(auroc, truth, probabilities, c) for c in range(classes)]
    pr_per_class = [_one_versus_rest(pr_auc, truth, probabilities, c) for c in judged]
    rates = [binary_rates(truth == c, guess == c) for c in judged]
    precision, recall, f1, _ = sk.precision_recall_fscore_support(
        truth, guess, labels=judged, average="macro", zero_division=0.0
    )
    return SoftmaxReport(
        roc_auc=_mean(np.asarray(per_class)[judged]),
        roc_auc_per_class=np.asarray(per_class),
        pr_auc=_mean(pr_per_class),
        precision=float(precision),
        recall=float(recall),
        f1=float(f1),
        specificity=_mean([rate.specificity for rate in rates]),
        npv=_mean([rate.npv for rate in rates]),
    )


def _one_versus_rest(
    metric: Callable[[ArrayLike, ArrayLike], float],
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    index: int,
) -> float:
    positive = (labels == index).astype(np.int64)
    return metric(positive, probabilities[:, index]) if positive.any() else math.nan


def _mean(values: ArrayLike) -> float:
    found = np.asarray(values, dtype=np.float64)
    defined = found[~np.isnan(found)]
    return float(defined.mean()) if len(defined) else math.nan
