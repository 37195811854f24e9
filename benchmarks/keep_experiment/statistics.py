"""Figures of an experiment with intervals, by resampling source images and seeds.

A draw takes, within every set and fold, as many groups as there are, with replacement, and as many
seeds as there are; the same draw serves every arm, so that differences are paired. Letters: R
draws, n tiles, K targets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Values = Mapping[tuple[int, str, str], Floats]

__all__ = ["MEASURES", "Estimate", "Judged", "estimate", "group_weights", "measure", "seed_weights"]

MEASURES = ("auroc", "balanced_accuracy", "auroc_diseases", "recall_diseases")
"""Within a set: macro one-vs-rest AUROC, balanced accuracy, and the same over diseases only."""


@dataclass(frozen=True)
class Judged:
    """What one model says of the test tiles of one set, under one condition.

    Attributes:
        label: Target of each tile, shape ``(n,)``, int64.
        group: Source image of each tile, shape ``(n,)``, int64.
        scores: Probability of each target, shape ``(n, K)``.
        is_disease: Whether the Disease Ontology has a target, shape ``(K,)``, bool.
    """

    label: NDArray[np.int64]
    group: NDArray[np.int64]
    scores: NDArray[np.float32]
    is_disease: NDArray[np.bool_]


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval, in points (hundredths)."""

    value: float
    low: float
    high: float

    def row(self) -> dict[str, float]:
        """Return it for JSON, rounded to hundredths of a point."""
        return {
            "value": round(self.value, 2),
            "low": round(self.low, 2),
            "high": round(self.high, 2),
        }


def group_weights(group: NDArray[np.int64], num_draws: int, seed: Sequence[int]) -> Floats:
    """Draw groups with replacement.

    Args:
        group: Group of each tile, shape ``(n,)``.
        num_draws: R.
        seed: Seed of the draws.

    Returns:
        How often each tile was drawn, shape ``(1 + R, n)``; the first row is 1 for every tile.
    """
    _, member_of = np.unique(group, return_inverse=True)
    count = int(member_of.max()) + 1
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(count, np.full(count, 1.0 / count), size=num_draws)
    return np.concatenate([np.ones((1, len(group))), drawn[:, member_of]])


def seed_weights(num_seeds: int, num_draws: int, seed: Sequence[int]) -> Floats:
    """Draw seeds with replacement; shares, shape ``(1 + R, num_seeds)``, the first row even.

    Args:
        num_seeds: Number of seeds.
        num_draws: R.
        seed: Seed of the draws.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(num_seeds, np.full(num_seeds, 1.0 / num_seeds), size=num_draws)
    return np.concatenate([np.ones((1, num_seeds)), drawn]) / num_seeds


def measure(judged: Judged, weight: Floats) -> dict[str, Floats]:
    """Return every measure on every draw.

    A target that a draw has no tile of, or nothing but, has no value there and is left out of the
    mean over targets.

    Args:
        judged: The tiles.
        weight: How often each tile counts, shape ``(R, n)``.

    Returns:
        Measure to values, shape ``(R,)``; NaN where no target has a value.

    Source:
        AUROC: Hanley and McNeil 1982, doi:10.1148/radiology.143.1.7063747, ties count one half.
        Balanced accuracy: Brodersen et al. 2010, doi:10.1109/ICPR.2010.764.
    """
    num_targets = judged.scores.shape[1]
    guess = judged.scores.argmax(axis=1)
    areas, recalls = np.full((2, num_targets, len(weight)), np.nan)
    for target in range(num_targets):
        is_target = judged.label == target
        mass = weight[:, is_target].sum(axis=1)
        hits = weight[:, is_target & (guess == target)].sum(axis=1)
        recalls[target, mass > 0] = hits[mass > 0] / mass[mass > 0]
        areas[target] = _areas(is_target, judged.scores[:, target], weight)
    diseases = judged.is_disease
    return {
        "auroc": _mean(areas),
        "balanced_accuracy": _mean(recalls),
        "auroc_diseases": _mean(areas[diseases]),
        "recall_diseases": _mean(recalls[diseases]),
    }


def estimate(values: Values, shares: Floats, others: Values | None = None) -> Estimate:
    """Average over seeds, folds and sets, and give the interval; or that of a paired difference.

    Args:
        values: (seed index, fold, set) to values on every draw, shape ``(1 + R,)``, in [0, 1]; the
            first is the figure itself.
        shares: Share of each seed on every draw, from :func:`seed_weights`.
        others: The same of what it is compared with, where a difference is wanted.
    """
    draws = _average(values, shares)
    if others is not None:
        draws = draws - _average(others, shares)
    low, high = np.nanpercentile(100 * draws[1:], [2.5, 97.5]) if len(draws) > 1 else (np.nan,) * 2
    return Estimate(float(100 * draws[0]), float(low), float(high))


def _average(values: Values, shares: Floats) -> Floats:
    by_set: dict[str, Floats] = {}
    for set_name in dict.fromkeys(name for _, _, name in values):
        seeds = sorted({seed for seed, _, name in values if name == set_name})
        of_seed = [
            _mean(np.stack([v for (s, _, n), v in values.items() if (s, n) == (seed, set_name)]))
            for seed in seeds
        ]
        by_set[set_name] = (np.stack(of_seed) * shares.T[seeds]).sum(axis=0)
    return _mean(np.stack(list(by_set.values())))


def _mean(rows: Floats) -> Floats:
    """Average over the first axis, without what has no value; NaN where nothing has one."""
    known = np.isfinite(rows)
    count = known.sum(axis=0)
    total = np.where(known, rows, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _areas(is_target: NDArray[np.bool_], scores: NDArray[np.float32], weight: Floats) -> Floats:
    """Return the area under the ROC curve on every draw, shape ``(R,)``."""
    level = np.unique(scores, return_inverse=True)[1]
    order = np.argsort(level, kind="stable")
    starts = np.flatnonzero(np.diff(level[order], prepend=-1))
    positive = np.add.reduceat((weight * is_target)[:, order], starts, axis=1)
    negative = np.add.reduceat((weight * ~is_target)[:, order], starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative / 2
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    won = (positive * below).sum(axis=1)
    return np.where(pairs > 0, won / np.where(pairs > 0, pairs, 1.0), np.nan)
