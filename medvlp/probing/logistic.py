"""A logistic regression on frozen features, its penalty chosen within the training part.

Letters: N samples, D features, C classes.
"""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from medvlp.errors import DataError
from medvlp.probing.folds import inner_folds
from medvlp.probing.scaling import STRENGTHS, Scaling, fit_scaling

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

__all__ = ["LogisticProbe", "fit_logistic_probe"]

logger = logging.getLogger(__name__)
_FLOOR = 1e-12
_MAX_STEPS = 3000


@dataclass(frozen=True, eq=False)
class LogisticProbe:
    """A fitted probe.

    Attributes:
        scaling: What is done to features first.
        model: The regression, on scaled features.
        strength: The chosen weight of the L2 penalty per sample.
        num_classes: C, classes that the training part lacks included.
    """

    scaling: Scaling
    model: LogisticRegression
    strength: float
    num_classes: int

    def probabilities(self, features: ArrayLike) -> Floats:
        """Return the probability of each class, shape ``(N, C)``."""
        return _probabilities(self.model, self.scaling.apply(features), self.num_classes)


def fit_logistic_probe(
    features: ArrayLike,
    labels: Ints,
    groups: NDArray[np.str_],
    *,
    num_classes: int,
    blocks: tuple[int, ...] | None = None,
    balanced: bool = False,
    seed: int = 0,
    strengths: Sequence[float] = STRENGTHS,
) -> LogisticProbe:
    """Fit a probe: ``mean_i w_i CE_i + strength / 2 |weights|^2`` on scaled features.

    The strength is the one with the least cross-entropy over left-out groups of these samples; of
    equal ones the strongest. Scaling is learnt anew within each fold.

    Args:
        features: Training samples, shape ``(N, D)``.
        labels: Class per sample, shape ``(N,)``, int64, 0..C-1.
        groups: Group of each sample, shape ``(N,)``.
        num_classes: C.
        blocks: Number of features of each block (see :func:`fit_scaling`); all are one by default.
        balanced: Whether each class weighs the same (``w_i`` by inverse frequency), else each
            sample.
        seed: Seed of the folds.
        strengths: Weights of the penalty to choose from, strongest first.

    Raises:
        DataError: MV2323 if the samples are of one class; MV2326 if they are of one group.

    Source:
        scikit-learn ``LogisticRegression`` with ``C = 1 / (strength N)``.
    """
    rows = np.asarray(features, dtype=np.float64)
    sizes = blocks or (rows.shape[1],)
    if len(np.unique(labels)) < 2:
        raise DataError(
            "MV2323",
            f"the {len(labels)} samples of a training part are all of one class",
            expected="two classes at least, each in two patients",
            hint="label cases of another class, or put them into the training part",
        )
    weights = _sample_weights(labels, balanced)
    losses = np.zeros(len(strengths))
    for train, held in inner_folds(labels, groups, seed=seed) if len(strengths) > 1 else []:
        if len(np.unique(labels[train])) < 2 or not len(held):
            continue
        scaling = fit_scaling(rows[train], sizes)
        inside, outside = scaling.apply(rows[train]), scaling.apply(rows[held])
        for place, strength in enumerate(strengths):
            model = _fit(inside, labels[train], strength, balanced)
            chances = _probabilities(model, outside, num_classes)
            own = chances[np.arange(len(held)), labels[held]]
            losses[place] -= (weights[held] * np.log(np.maximum(own, _FLOOR))).sum()
    strength = strengths[int(np.argmin(losses))]
    scaling = fit_scaling(rows, sizes)
    model = _fit(scaling.apply(rows), labels, strength, balanced)
    return LogisticProbe(scaling, model, strength, num_classes)


def _fit(rows: Floats, labels: Ints, strength: float, balanced: bool) -> LogisticRegression:
    model = LogisticRegression(
        C=1 / (strength * len(labels)),
        class_weight="balanced" if balanced else None,
        max_iter=_MAX_STEPS,
        tol=1e-6,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # told in the words below
        model.fit(rows, labels)
    if model.n_iter_.max() >= _MAX_STEPS:
        logger.warning("a probe with penalty %g has not settled in %d steps", strength, _MAX_STEPS)
    return model


def _probabilities(model: LogisticRegression, rows: Floats, num_classes: int) -> Floats:
    found = np.zeros((len(rows), num_classes))
    found[:, model.classes_] = model.predict_proba(rows)
    return found


def _sample_weights(labels: Ints, balanced: bool) -> Floats:
    if not balanced:
        return np.ones(len(labels))
    counts = np.bincount(labels)
    return np.asarray(len(labels) / ((counts > 0).sum() * counts[labels]))
