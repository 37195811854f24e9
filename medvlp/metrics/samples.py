"""What all metrics ask of their samples, and the error for samples on which one has no value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["UndefinedMetricError", "check_labels", "check_scores"]


class UndefinedMetricError(ValueError):
    """The metric has no value on these samples, for example an AUROC with one class only."""


def check_labels(
    labels: ArrayLike, predictions: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return labels and predictions as int64 after checking that they fit.

    Args:
        labels: Class per sample, shape ``(N,)``, whole numbers, N > 0.
        predictions: Class per sample, shape ``(N,)``.

    Raises:
        ValueError: If shapes differ, there are no samples, or values are not whole numbers.
    """
    truth, guess = np.asarray(labels), np.asarray(predictions)
    if truth.ndim != 1 or truth.shape != guess.shape or len(truth) == 0:
        raise ValueError(f"labels {truth.shape} and predictions {guess.shape} do not fit")
    for values in (truth, guess):
        if not np.issubdtype(values.dtype, np.integer) and values.dtype != np.bool_:
            raise ValueError(f"classes must be whole numbers, got {values.dtype}")
    return truth.astype(np.int64), guess.astype(np.int64)


def check_scores(
    labels: ArrayLike, scores: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return binary labels and scores after checking that a ranking of them exists.

    Args:
        labels: 0 or 1 per sample, shape ``(N,)``.
        scores: Any finite numbers, shape ``(N,)``.

    Raises:
        UndefinedMetricError: If only one class occurs.
        ValueError: If shapes differ, labels are not 0/1, or scores are not finite.
    """
    truth, values = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    if truth.ndim != 1 or truth.shape != values.shape:
        raise ValueError(f"labels {truth.shape} and scores {values.shape} do not fit")
    if not np.isin(truth, (0, 1)).all():
        raise ValueError(f"labels must be 0 or 1, got {np.unique(truth)[:5].tolist()}")
    if not np.isfinite(values).all():
        raise ValueError("scores must be finite")
    if len(np.unique(truth)) < 2:
        raise UndefinedMetricError("a ranking metric has no value where only one class occurs")
    return truth.astype(np.int64), values
