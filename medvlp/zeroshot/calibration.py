"""One temperature that turns the scores of a task into calibrated probabilities.

Letters: n cases, C classes. A case has one logit per class that the deciding head can choose; the
calibrated probabilities are ``softmax(logits / temperature)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.optimize import minimize_scalar

from medvlp.zeroshot.tiles import softmax

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "CALIBRATED_HEADS",
    "TemperatureFit",
    "calibrated_probabilities",
    "case_logits",
    "fit_temperature",
    "negative_log_likelihood",
    "split_folds",
]

_POOLING_HEADS = ("top-j", "mean")
_DETECTION_HEADS = ("detection-ratio", "segmentation")
CALIBRATED_HEADS = (*_POOLING_HEADS, "subtype-ratio", *_DETECTION_HEADS)
"""Heads whose scores a temperature can calibrate: those with one distribution over classes."""

_FLOOR = 1e-12
_PRIOR_TILES = 0.5
_SMALLEST, _LARGEST = 1e-3, 1e3
_EDGE = 1.001

FitRule = Literal["likelihood", "all-right", "no-information"]


@dataclass(frozen=True)
class TemperatureFit:
    """A temperature and how it was found.

    Attributes:
        temperature: Divisor of the logits.
        nll_before: Mean negative log-likelihood at temperature 1, in nats.
        nll_after: The same at the temperature found.
        rule: ``likelihood``: the maximum of the likelihood. ``all-right``: every case is predicted
            rightly, the likelihood grows without end towards temperature 0, and the targets of the
            rule of succession took the place of the labels. ``no-information``: the likelihood
            grows towards equal probabilities; the largest temperature was taken.
    """

    temperature: float
    nll_before: float
    nll_after: float
    rule: FitRule


def case_logits(
    probabilities: ArrayLike, n_used: ArrayLike, *, head: str, min_ratio: float = 0.0
) -> NDArray[np.float64]:
    """Turn the scores that a head gives a case into logits whose largest is its prediction.

    Pooling heads: ``log p``. Ratio heads give shares of N tiles, which may be 0; half a tile is
    added to every class first, ``r = (N p + 1/2) / (N + C/2)``, and the logit is ``log r``. A
    detection is positive above ``min_ratio`` and not above one half, so the log-odds of
    ``min_ratio``, smoothed in the same way, are taken from those of the positive class.

    Args:
        probabilities: What the head gave, shape ``(n, C)``; for detection the positive class is the
            first of two.
        n_used: Tiles that counted for each case, shape ``(n,)``, > 0.
        head: One of :data:`CALIBRATED_HEADS`.
        min_ratio: Share of positive tiles above which a case is positive.

    Returns:
        Shape ``(n, C)``.

    Raises:
        ValueError: If the shapes do not fit or the head gives no distribution over classes.

    Source:
        Half a tile per class: Jeffreys 1946, doi:10.1098/rspa.1946.0056, for shares.
    """
    shares = np.asarray(probabilities, dtype=np.float64)
    tiles = np.asarray(n_used, dtype=np.float64)
    if shares.ndim != 2 or shares.shape[1] < 2 or tiles.shape != shares.shape[:1]:
        raise ValueError(f"probabilities {shares.shape} and n_used {tiles.shape} do not fit")
    if head in _POOLING_HEADS:
        return np.asarray(np.log(np.maximum(shares, _FLOOR)))
    if head not in CALIBRATED_HEADS:
        raise ValueError(f"head {head!r} gives no distribution over classes")
    count = shares.shape[1]
    smooth = (shares * tiles[:, None] + _PRIOR_TILES) / (tiles[:, None] + _PRIOR_TILES * count)
    logits = np.log(smooth)
    if head in _DETECTION_HEADS:
        if count != 2:
            raise ValueError(f"head {head!r} has two classes, got {count}")
        logits[:, 0] -= np.log(min_ratio * tiles + _PRIOR_TILES)
        logits[:, 1] -= np.log((1 - min_ratio) * tiles + _PRIOR_TILES)
    return np.asarray(logits)


def negative_log_likelihood(logits: ArrayLike, labels: ArrayLike, temperature: float) -> float:
    """Return the mean of ``-log softmax(logits / temperature)`` at the labels, in nats.

    Args:
        logits: Shape ``(n, C)``.
        labels: Class of each case, shape ``(n,)``, integers.
        temperature: > 0.
    """
    rows, truth = _check(logits, labels)
    return _cross_entropy(rows, _one_hot(truth, rows.shape[1]), temperature)


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> TemperatureFit:
    """Find the temperature with the least negative log-likelihood.

    The negative log-likelihood is convex in ``1 / temperature``, so there is one minimum, searched
    for between 0.001 and 1000. Where it lies at temperature 0, because every case is predicted
    rightly, no confidence short of 1 would be large enough; then the true class gets the target
    ``(n + 1) / (n + 2)`` and the others share the rest, as if one more case were right and one
    wrong.

    Args:
        logits: Shape ``(n, C)``, n > 0, C > 1.
        labels: Class of each case, shape ``(n,)``, integers.

    Raises:
        ValueError: If the shapes do not fit, a label is no class, or a logit is not finite.

    Source:
        Guo et al. 2017, arXiv:1706.04599, temperature scaling; the targets where all is right as in
        Platt 1999, "Probabilistic outputs for support vector machines", with counts over all cases.
    """
    rows, truth = _check(logits, labels)
    targets = _one_hot(truth, rows.shape[1])
    rule: FitRule = "likelihood"
    others = np.where(targets == 1, -np.inf, rows).max(axis=1)
    if (rows[np.arange(len(rows)), truth] >= others).all():
        rule = "all-right"
        targets = _succession_targets(targets)
    found = minimize_scalar(
        lambda log_t: _cross_entropy(rows, targets, float(np.exp(log_t))),
        bounds=(np.log(_SMALLEST), np.log(_LARGEST)),
        method="bounded",
        options={"xatol": 1e-10, "maxiter": 500},
    )
    temperature = float(np.exp(found.x))
    if temperature * _EDGE >= _LARGEST:
        rule, temperature = "no-information", _LARGEST
    return TemperatureFit(
        temperature=temperature,
        nll_before=negative_log_likelihood(rows, truth, 1.0),
        nll_after=negative_log_likelihood(rows, truth, temperature),
        rule=rule,
    )


def calibrated_probabilities(logits: ArrayLike, temperature: float) -> NDArray[np.float64]:
    """Return ``softmax(logits / temperature)`` over the last axis.

    Args:
        logits: Shape ``(..., C)``.
        temperature: > 0.
    """
    return softmax(np.asarray(logits, dtype=np.float64) / temperature)


def split_folds(groups: ArrayLike, num_folds: int, seed: int) -> NDArray[np.int64]:
    """Deal groups into folds in random order, so that the cases of a group stay together.

    Args:
        groups: Group of each case, such as its patient, shape ``(n,)``, numbers or texts.
        num_folds: Number of folds; no more than there are groups are used.
        seed: Seed of the order.

    Returns:
        Fold of each case, 0 to below ``num_folds``, shape ``(n,)``.
    """
    _, member_of = np.unique(np.asarray(groups), return_inverse=True)
    count = int(member_of.max()) + 1
    place = np.random.default_rng(seed).permutation(count)
    return np.asarray(place[member_of] % min(num_folds, count), dtype=np.int64)


def _check(logits: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    rows = np.asarray(logits, dtype=np.float64)
    truth = np.asarray(labels)
    if rows.ndim != 2 or rows.shape[1] < 2 or truth.shape != rows.shape[:1] or len(rows) == 0:
        raise ValueError(f"logits {rows.shape} and labels {truth.shape} do not fit")
    if not np.isfinite(rows).all():
        raise ValueError("logits must be finite")
    if truth.min() < 0 or truth.max() >= rows.shape[1]:
        raise ValueError(f"labels must be in 0..{rows.shape[1] - 1}")
    return rows, truth.astype(np.int64)


def _one_hot(labels: NDArray[np.int64], num_classes: int) -> NDArray[np.float64]:
    return np.asarray(np.eye(num_classes)[labels])


def _succession_targets(targets: NDArray[np.float64]) -> NDArray[np.float64]:
    count, classes = targets.shape
    wrong = 1 / (count + 2)
    return np.asarray(np.where(targets == 1, 1 - wrong, wrong / (classes - 1)))


def _cross_entropy(
    logits: NDArray[np.float64], targets: NDArray[np.float64], temperature: float
) -> float:
    scaled = logits / temperature
    scaled = scaled - scaled.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(scaled).sum(axis=1))
    return float(np.mean(log_sum - (targets * scaled).sum(axis=1)))
