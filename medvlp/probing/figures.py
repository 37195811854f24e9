"""Figures with intervals: every metric beside its bootstrap over patients.

Letters: N samples, C classes.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from medvlp.metrics import (
    UndefinedMetricError,
    accuracy,
    auroc,
    auroc_macro,
    balanced_accuracy,
    binary_rates,
    bootstrap_clusters,
    expected_calibration_error,
    f1,
    kappa,
    pr_auc,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

__all__ = ["Figure", "Resampling", "class_figures", "figure_of", "figures_by", "main_figure"]

_RATES = ("sensitivity", "specificity", "ppv", "npv", "f1")
_CLASS_RATES = ("sensitivity", "specificity", "ppv", "npv")


@dataclass(frozen=True)
class Figure:
    """A number with its interval.

    Attributes:
        value: The metric on the samples; None where it has no value.
        low: Lower end of the interval; None where there is none.
        high: Upper end.
        num_undefined: Draws on which the metric had no value; they are left out.
        why: Why there is no value or no interval.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    num_undefined: int = 0
    why: str = ""

    def record(self) -> dict[str, object]:
        """Return what a JSON file holds of it, without what is empty."""
        return {
            name: value
            for name, value in asdict(self).items()
            if value not in ("", 0) or name in {"value", "low", "high"}
        }


@dataclass(frozen=True, eq=False)
class Resampling:
    """How intervals are made.

    Attributes:
        groups: Patient of each sample, shape ``(N,)``: patients are drawn, not samples.
        draws: Number of draws.
        seed: Seed of the draws.
        level: Coverage.
    """

    groups: NDArray[np.str_]
    draws: int = 1000
    seed: int = 0
    level: float = 0.95

    def select(self, keep: NDArray[np.bool_]) -> Resampling:
        """Return the same for some of the samples."""
        return Resampling(self.groups[keep], self.draws, self.seed, self.level)


def figure_of(
    metric: Callable[..., float], arrays: Sequence[ArrayLike], resampling: Resampling
) -> Figure:
    """Compute a metric and its percentile interval over whole patients.

    Args:
        metric: Takes the arrays; raises :class:`UndefinedMetricError` where it has no value.
        arrays: One entry per sample.
        resampling: Patients and draws.
    """
    try:
        value = metric(*(np.asarray(values) for values in arrays))
    except UndefinedMetricError as error:
        return Figure(None, why=str(error))
    if len(np.unique(resampling.groups)) < 2:
        return Figure(value, why="no interval: all samples are of one patient")
    try:
        drawn = bootstrap_clusters(
            metric,
            arrays,
            resampling.groups,
            seed=resampling.seed,
            num_draws=resampling.draws,
            level=resampling.level,
        )
    except UndefinedMetricError as error:
        return Figure(value, why=f"no interval: {error}")
    return Figure(value, drawn.low, drawn.high, drawn.num_undefined)


def main_figure(num_classes: int) -> str:
    """Return the name of the figure that probes are compared by."""
    return "auroc" if num_classes == 2 else "auroc_macro"


def class_figures(
    labels: Ints,
    predictions: Ints,
    probabilities: Floats,
    classes: Sequence[str],
    resampling: Resampling,
) -> dict[str, Figure]:
    """Compute the figures of a classification.

    Two classes: those of the positive class, which is the last one. More: macro means and, per
    class, one versus the rest.

    Args:
        labels: Class per sample, shape ``(N,)``, int64, 0..C-1.
        predictions: Predicted class per sample, shape ``(N,)``.
        probabilities: Shape ``(N, C)``; any scores do for the ranking figures.
        classes: Names of the classes, C of them.
        resampling: Patients and draws.
    """
    found = {
        "accuracy": figure_of(accuracy, [labels, predictions], resampling),
        "balanced_accuracy": figure_of(balanced_accuracy, [labels, predictions], resampling),
    }
    if len(classes) == 2:
        return binary_figures(labels, predictions, probabilities[:, 1], resampling) | found
    rows = [labels, probabilities]
    found |= {
        "auroc_macro": figure_of(_macro, rows, resampling),
        "f1_macro": figure_of(partial(f1, average="macro"), [labels, predictions], resampling),
        "f1_weighted": figure_of(f1, [labels, predictions], resampling),
        "kappa": figure_of(kappa, [labels, predictions], resampling),
        "calibration_error": figure_of(_calibration, [labels, probabilities], resampling),
    }
    for index, name in enumerate(classes):
        truth = (labels == index).astype(np.int64)
        guess = (predictions == index).astype(np.int64)
        found[f"auroc[{name}]"] = figure_of(auroc, [truth, probabilities[:, index]], resampling)
        for rate in _CLASS_RATES:
            found[f"{rate}[{name}]"] = figure_of(_rate(rate), [truth, guess], resampling)
    return found


def binary_figures(
    labels: Ints, predictions: Ints, scores: Floats, resampling: Resampling
) -> dict[str, Figure]:
    """Compute the figures of a yes or no; the specificity is TN / (TN + FP).

    Args:
        labels: 0 or 1 per sample, shape ``(N,)``, int64.
        predictions: 0 or 1 per sample, shape ``(N,)``.
        scores: Probability of 1, shape ``(N,)``.
        resampling: Patients and draws.
    """
    found = {
        "auroc": figure_of(auroc, [labels, scores], resampling),
        "pr_auc": figure_of(pr_auc, [labels, scores], resampling),
    }
    for rate in _RATES:
        found[rate] = figure_of(_rate(rate), [labels, predictions], resampling)
    found["balanced_accuracy"] = figure_of(balanced_accuracy, [labels, predictions], resampling)
    found["brier"] = figure_of(_brier, [labels, scores], resampling)
    both = np.stack([1 - scores, scores], axis=1)
    found["calibration_error"] = figure_of(_calibration, [labels, both], resampling)
    return found


def figures_by(
    values: Sequence[str],
    measure: Callable[[NDArray[np.bool_]], Mapping[str, Figure]],
) -> dict[str, dict[str, object]]:
    """Compute figures apart for each site, scanner or the like.

    Args:
        values: Site of each sample; an empty text is ``(not stated)``.
        measure: Takes the samples of a site as a mask, returns its figures.

    Returns:
        Per site its number of samples and the records of its figures.
    """
    names = np.asarray([value or "(not stated)" for value in values])
    found: dict[str, dict[str, object]] = {}
    for name in sorted(set(names.tolist())):
        keep = names == name
        records = {key: figure.record() for key, figure in measure(keep).items()}
        found[name] = {"num_samples": int(keep.sum()), "figures": records}
    return found


def _rate(name: str) -> Callable[[ArrayLike, ArrayLike], float]:
    def rate(labels: ArrayLike, predictions: ArrayLike) -> float:
        value = float(getattr(binary_rates(labels, predictions), name))
        if math.isnan(value):
            raise UndefinedMetricError(f"{name} has an empty denominator")
        return value

    return rate


def _macro(labels: ArrayLike, probabilities: ArrayLike) -> float:
    rows = np.asarray(probabilities)
    total = rows.sum(axis=1, keepdims=True)
    return auroc_macro(labels, rows / np.where(total > 0, total, 1))


def _brier(labels: ArrayLike, scores: ArrayLike) -> float:
    return float(np.mean((np.asarray(scores) - np.asarray(labels)) ** 2))


def _calibration(labels: ArrayLike, probabilities: ArrayLike) -> float:
    rows = np.asarray(probabilities)
    return expected_calibration_error(
        np.clip(rows.max(axis=1), 0, 1), rows.argmax(axis=1) == np.asarray(labels)
    )
