"""How much a two-class result depends on the wording: many random pairs of prompts, each by itself.

A task with ``prompts: {random: n}`` adds drawn prompts up to one classifier; here every pair of
prompts is a classifier of its own, and the spread of their ranking is the result.

Letters: n cases, D embedding, P pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvlp.metrics.ranking import auroc
from medvlp.zeroshot.tiles import tile_cosines

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["PromptPairSpread", "draw_prompt_pairs", "score_prompt_pairs"]


@dataclass(frozen=True)
class PromptPairSpread:
    """Ranking of the same cases by many pairs of prompts.

    Attributes:
        pairs: Rows of the negative and of the positive prompt of each pair, shape ``(P, 2)``.
        aurocs: Area under the ROC curve of each pair, shape ``(P,)``.
    """

    pairs: NDArray[np.int64]
    aurocs: NDArray[np.float64]

    def percentiles(self) -> tuple[float, float, float]:
        """Return the 2.5th, 50th and 97.5th percentile of the areas."""
        low, median, high = np.percentile(self.aurocs, (2.5, 50, 97.5))
        return float(low), float(median), float(high)


def draw_prompt_pairs(
    num_negative: int, num_positive: int, draws: int, *, seed: int = 42
) -> NDArray[np.int64]:
    """Draw pairs of prompts with replacement, all negative ones first, then the positive ones.

    Args:
        num_negative: Number of prompts of the negative class, > 0.
        num_positive: Number of prompts of the positive class, > 0.
        draws: Number of pairs P.
        seed: Seed of NumPy's Mersenne twister.

    Returns:
        Rows of the negative and of the positive prompts, shape ``(P, 2)``.

    Source:
        RenalCLIP, github.com/dt-yuhui/RenalCLIP, zero_shot/zeroshot_val.py: 1000 pairs, seed 42.
    """
    generator = np.random.RandomState(seed)
    negative = generator.randint(0, num_negative, draws)
    positive = generator.randint(0, num_positive, draws)
    return np.stack([negative, positive], axis=1).astype(np.int64)


def score_prompt_pairs(
    features: ArrayLike,
    labels: ArrayLike,
    negative: ArrayLike,
    positive: ArrayLike,
    *,
    draws: int = 1000,
    seed: int = 42,
) -> PromptPairSpread:
    """Rank cases by ``cosine(positive prompt) - cosine(negative prompt)`` of each drawn pair.

    Args:
        features: Embeddings of the cases, of any length but 0, shape ``(n, D)``.
        labels: 1 for positive, 0 for negative, -1 for unknown (left out), shape ``(n,)``.
        negative: Embeddings of the prompts of the negative class, of any length but 0.
        positive: Those of the positive class.
        draws: Number of pairs.
        seed: Seed of the draws.

    Raises:
        UndefinedMetricError: If only one kind of case occurs.
        ValueError: If the shapes do not fit.

    Source:
        RenalCLIP, github.com/dt-yuhui/RenalCLIP, zero_shot/zeroshot_val.py.
    """
    rows, truth = np.asarray(features), np.asarray(labels)
    if rows.ndim != 2 or truth.shape != rows.shape[:1]:
        raise ValueError(f"features {rows.shape} and labels {truth.shape} do not fit")
    rows, truth = rows[truth != -1], truth[truth != -1]
    against, towards = (tile_cosines(rows, _unit(vectors).T) for vectors in (negative, positive))
    pairs = draw_prompt_pairs(against.shape[1], towards.shape[1], draws, seed=seed)
    aurocs = [auroc(truth, towards[:, right] - against[:, left]) for left, right in pairs]
    return PromptPairSpread(pairs, np.asarray(aurocs))


def _unit(vectors: ArrayLike) -> NDArray[np.float64]:
    found = np.asarray(vectors, dtype=np.float64)
    return np.asarray(found / np.linalg.norm(found, axis=-1, keepdims=True))
