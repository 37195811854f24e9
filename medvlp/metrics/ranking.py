"""How well scores rank positives above negatives: ROC and precision-recall figures.

Letters: N samples, C classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from sklearn import metrics as sk

from medvlp.metrics.samples import UndefinedMetricError, check_scores

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["auroc", "auroc_macro", "pr_auc", "sensitivity_at_specificity", "youden_point"]

_FPR_SLACK = 1e-12


def auroc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Return the area under the ROC curve: the chance that a positive outranks a negative.

    Args:
        labels: 0 or 1 per sample, shape ``(N,)``.
        scores: Higher means more likely positive, shape ``(N,)``, finite; ties count one half.

    Raises:
        UndefinedMetricError: If only one class occurs.
        ValueError: If shapes differ or values are not 0/1 or not finite.

    Source:
        scikit-learn ``roc_auc_score``; Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747.
    """
    truth, values = check_scores(labels, scores)
    return float(sk.roc_auc_score(truth, values))


def auroc_macro(
    labels: ArrayLike, probabilities: ArrayLike, mode: Literal["ovr", "ovo"] = "ovr"
) -> float:
    """Return the macro mean of AUROCs over classes (one versus rest) or pairs (one versus one).

    Args:
        labels: Class per sample, 0..C-1, shape ``(N,)``.
        probabilities: Rows that sum to 1, shape ``(N, C)``, C > 2.
        mode: ``ovr`` or ``ovo``.

    Raises:
        UndefinedMetricError: If a class does not occur among the labels.
        ValueError: If the shapes do not fit.

    Source:
        scikit-learn ``roc_auc_score``; Hand and Till 2001, doi:10.1023/A:1010920819831 (ovo).
    """
    truth, rows = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
    if rows.ndim != 2 or truth.shape != rows.shape[:1] or rows.shape[1] < 3:
        raise ValueError(f"labels {truth.shape} and probabilities {rows.shape} do not fit")
    classes = np.arange(rows.shape[1])
    if not np.isin(classes, truth).all():
        missing = np.setdiff1d(classes, truth).tolist()
        raise UndefinedMetricError(f"classes {missing} do not occur among the labels")
    return float(sk.roc_auc_score(truth, rows, multi_class=mode, average="macro", labels=classes))


def pr_auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Return the area under the precision-recall curve by trapezoids.

    Linear interpolation is optimistic beside average precision; it is what RenalCLIP reports.

    Args:
        labels: 0 or 1 per sample, shape ``(N,)``.
        scores: Higher means more likely positive, shape ``(N,)``.

    Raises:
        UndefinedMetricError: If only one class occurs.

    Source:
        scikit-learn ``precision_recall_curve`` and ``auc``, as used by RenalCLIP,
        github.com/dt-yuhui/RenalCLIP.
    """
    truth, values = check_scores(labels, scores)
    precision, recall, _ = sk.precision_recall_curve(truth, values)
    return float(sk.auc(recall, precision))


def sensitivity_at_specificity(
    labels: ArrayLike, scores: ArrayLike, specificity: float, *, interpolate: bool = False
) -> float:
    """Return the sensitivity that a threshold can reach at a given specificity.

    Over all points of the ROC curve (none dropped), the largest TPR whose
    ``FPR <= 1 - specificity + 1e-12``. Interpolated: for each distinct FPR the largest TPR, then
    linear between the points, at ``FPR = 1 - specificity``. KEEP reports this figure without a
    released program, so the definition is ours.

    Args:
        labels: 0 or 1 per sample, shape ``(N,)``.
        scores: Higher means more likely positive, shape ``(N,)``.
        specificity: In [0, 1], for example 0.95.
        interpolate: Whether to interpolate between thresholds.

    Raises:
        UndefinedMetricError: If only one class occurs.
        ValueError: If an argument is outside its range.

    Source:
        Own definition on scikit-learn ``roc_curve``; the figure is reported by KEEP, Zhou et al.,
        arXiv:2412.13126.
    """
    if not 0 <= specificity <= 1:
        raise ValueError(f"specificity must be in [0, 1], got {specificity}")
    fpr, tpr, _ = _roc(labels, scores)
    if not interpolate:
        return float(tpr[fpr <= 1 - specificity + _FPR_SLACK].max())
    distinct, first = np.unique(fpr, return_index=True)
    best = np.maximum.reduceat(tpr, first)
    return float(np.interp(1 - specificity, distinct, best))


def youden_point(labels: ArrayLike, scores: ArrayLike) -> tuple[float, float]:
    """Return the threshold with the largest TPR - FPR, and that difference.

    A sample counts as positive where ``score >= threshold``. Chosen on the samples that are then
    judged it is an oracle: report it as such.

    Args:
        labels: 0 or 1 per sample, shape ``(N,)``.
        scores: Higher means more likely positive, shape ``(N,)``.

    Raises:
        UndefinedMetricError: If only one class occurs.

    Source:
        Youden 1950, Cancer 3:32, "Index for rating diagnostic tests"; the highest of several such
        thresholds, as KEEP takes it for segmentation.
    """
    fpr, tpr, thresholds = _roc(labels, scores)
    best = int(np.argmax(tpr - fpr))
    return float(thresholds[best]), float(tpr[best] - fpr[best])


def _roc(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.float64], ...]:
    truth, values = check_scores(labels, scores)
    fpr, tpr, thresholds = sk.roc_curve(truth, values, drop_intermediate=False)
    return fpr, tpr, thresholds
