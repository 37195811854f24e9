"""Prediction sets: the classes that cannot be excluded at a stated error rate.

Split conformal prediction: a set holds the true class with probability at least ``1 - alpha`` over
the draw of calibration cases and of the new case, if the new case comes from where the calibration
cases come from and the scores were not fitted to them.

Letters: n cases, C classes.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "SetMethod",
    "conformal_quantile",
    "label_scores",
    "nonconformity",
    "prediction_sets",
    "required_cases",
]

_SLACK = 1e-12

SetMethod = Literal["lac", "aps"]
"""``lac``: smallest sets on average; ``aps``: sets that grow where the model hesitates."""


def required_cases(alpha: float) -> int:
    """Return how many calibration cases an error rate needs: ``ceil(1 / alpha) - 1``.

    Args:
        alpha: Error rate, above 0 and below 1.

    Raises:
        ValueError: If it is not.
    """
    return math.ceil(1 / _exact(alpha)) - 1


def nonconformity(probabilities: ArrayLike, method: SetMethod) -> NDArray[np.float64]:
    """Return how little each class fits each case.

    ``lac``: ``1 - p_c``. ``aps``: the sum of ``p`` over the classes down to and including c, in
    order of falling probability, the first in order first where two are equal. This form of aps has
    no random part, so that a case always gets the same set; its sets are larger than needed.

    Args:
        probabilities: Shape ``(n, C)``.
        method: Which score.

    Returns:
        Shape ``(n, C)``.

    Source:
        lac: Sadinle, Lei and Wasserman 2019, arXiv:1609.00451. aps: Romano, Sesia and Candes 2020,
        arXiv:2006.02544, without randomisation.
    """
    shares = np.asarray(probabilities, dtype=np.float64)
    if shares.ndim != 2:
        raise ValueError(f"probabilities must have shape (n, C), got {shares.shape}")
    if method == "lac":
        return np.asarray(1 - shares)
    order = np.argsort(-shares, axis=1, kind="stable")
    sums = np.cumsum(np.take_along_axis(shares, order, axis=1), axis=1)
    scores = np.empty_like(sums)
    np.put_along_axis(scores, order, sums, axis=1)
    return scores


def label_scores(
    probabilities: ArrayLike, labels: ArrayLike, method: SetMethod
) -> NDArray[np.float64]:
    """Return how little the true class fits each case, shape ``(n,)``.

    Args:
        probabilities: Shape ``(n, C)``.
        labels: Class of each case, shape ``(n,)``, integers.
        method: Which score.
    """
    scores = nonconformity(probabilities, method)
    return np.asarray(scores[np.arange(len(scores)), np.asarray(labels)])


def conformal_quantile(scores: ArrayLike, alpha: float) -> float:
    """Return the ``ceil((n + 1) (1 - alpha))``-th smallest score; infinite if there are too few.

    Args:
        scores: Scores of the true classes of the calibration cases, shape ``(n,)``.
        alpha: Error rate, above 0 and below 1; taken as the decimal number it is written as.

    Raises:
        ValueError: If the shape or the error rate is wrong.

    Source:
        Vovk, Gammerman and Shafer 2005, "Algorithmic learning in a random world"; the finite-sample
        rank as in Angelopoulos and Bates 2021, arXiv:2107.07511, section 1.
    """
    values = np.sort(np.asarray(scores, dtype=np.float64))
    if values.ndim != 1:
        raise ValueError(f"scores must have shape (n,), got {values.shape}")
    rank = math.ceil((len(values) + 1) * (1 - _exact(alpha)))
    return float(values[rank - 1]) if rank <= len(values) else math.inf


def prediction_sets(
    probabilities: ArrayLike, threshold: float, method: SetMethod
) -> NDArray[np.bool_]:
    """Return which classes cannot be excluded: those whose score is at most the threshold.

    The most probable class is always among them, so no set is empty, and a score that is above the
    threshold by rounding only counts as equal; both only add to the coverage.

    Args:
        probabilities: Shape ``(n, C)``.
        threshold: From :func:`conformal_quantile`; infinite gives every class.
        method: The score that the threshold was made with.

    Returns:
        Shape ``(n, C)``.
    """
    scores = nonconformity(probabilities, method)
    chosen = scores <= threshold + _SLACK
    chosen[np.arange(len(scores)), np.asarray(probabilities).argmax(axis=1)] = True
    return np.asarray(chosen)


def _exact(alpha: float) -> Fraction:
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must be above 0 and below 1, got {alpha}")
    return Fraction(str(float(alpha)))
