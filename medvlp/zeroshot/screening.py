"""Screening of prompt sets on the tiles of one slide, without labels.

A prompt set holds one prompt per class. Sets that separate the classes on the slide at hand are
kept and added up. The choice looks at the slide that is judged (it is transductive), but at no
label.

Letters: N tiles, D embedding, C classes, P prompt sets, U distinct prompts.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvlp.zeroshot.tiles import tile_cosines

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "PromptCandidates",
    "draw_prompt_sets",
    "prompt_set_scores",
    "score_prompt_sets",
    "screen_prompt_sets",
    "sum_prompt_sets",
]

_MAX_CELLS = 2**22
_CHUNK_ROWS = 8192


@dataclass(frozen=True)
class PromptCandidates:
    """Prompt sets to choose from, as rows of a bank of distinct prompts.

    Attributes:
        bank: Unit text embeddings of the distinct prompts, shape ``(U, D)``, float64.
        sets: Row of the bank for every class of every set, shape ``(P, C)``, int64.
        keep: How many sets are kept for a slide; all of them if there are fewer.
    """

    bank: NDArray[np.float64]
    sets: NDArray[np.int64]
    keep: int


def prompt_set_scores(cosines: ArrayLike, sets: ArrayLike) -> NDArray[np.float64]:
    """Score prompt sets by how well they separate the classes on the given tiles.

    With m1 >= m2 the two largest cosines of a tile over the classes of a set,
    ``score = mean over tiles of [(m1 - m2) - |m1 + m2 - 1|]``.

    Args:
        cosines: Cosine of each tile with each prompt of the bank, shape ``(N, U)``, N > 0.
        sets: Columns of ``cosines`` for every class of every set, shape ``(P, C)``, C >= 2.

    Returns:
        Shape ``(P,)``.

    Raises:
        ValueError: If there are no tiles or fewer than two classes.

    Source:
        KEEP, github.com/MAGIC-AI4Med/KEEP, prompt screening.
    """
    values = np.asarray(cosines, dtype=np.float64)
    columns = np.asarray(sets)
    if values.ndim != 2 or len(values) == 0 or columns.ndim != 2 or columns.shape[1] < 2:
        raise ValueError(
            f"expected tiles and sets of at least two classes, got cosines {values.shape} and sets "
            f"{columns.shape}"
        )
    rows = max(1, _MAX_CELLS // len(columns))
    total = np.zeros(len(columns))
    for start in range(0, len(values), rows):
        chunk = values[start : start + rows]
        first = chunk[:, columns[:, 0]]
        second = np.full_like(first, -np.inf)
        for column in columns.T[1:]:
            other = chunk[:, column]
            second = np.maximum(second, np.minimum(first, other))
            first = np.maximum(first, other)
        total += ((first - second) - np.abs(first + second - 1)).sum(axis=0)
    return total / len(values)


def sum_prompt_sets(bank: ArrayLike, sets: ArrayLike) -> NDArray[np.float64]:
    """Return the class columns of several prompt sets together: their sum at unit length.

    Args:
        bank: Unit text embeddings, shape ``(U, D)``.
        sets: Rows of the bank for every class of every set that takes part, shape ``(P, C)``; a
            set that is listed twice counts twice.

    Returns:
        Shape ``(D, C)``, unit columns.
    """
    total = np.asarray(bank, dtype=np.float64)[np.asarray(sets)].sum(axis=0).T
    return np.asarray(total / np.linalg.norm(total, axis=0, keepdims=True))


def score_prompt_sets(features: ArrayLike, candidates: PromptCandidates) -> NDArray[np.float64]:
    """Score all candidate sets on the tiles of a slide, in pieces that fit into memory.

    Args:
        features: Image embeddings of the slide's tiles, shape ``(N, D)``, N > 0.
        candidates: The sets to choose from.

    Returns:
        Shape ``(P,)``; see :func:`prompt_set_scores`.
    """
    rows = np.asarray(features)
    columns = candidates.bank.T
    total = np.zeros(len(candidates.sets))
    for start in range(0, len(rows), _CHUNK_ROWS):
        chunk = rows[start : start + _CHUNK_ROWS]
        cosines = tile_cosines(chunk, columns)
        total += len(chunk) * prompt_set_scores(cosines, candidates.sets)
    return total / len(rows)


def screen_prompt_sets(features: ArrayLike, candidates: PromptCandidates) -> NDArray[np.float64]:
    """Return the class columns made of the prompt sets that suit a slide best.

    Args:
        features: Image embeddings of the slide's tiles, shape ``(N, D)``, N > 0.
        candidates: The sets to choose from.

    Returns:
        Shape ``(D, C)``, unit columns.
    """
    scores = score_prompt_sets(features, candidates)
    best = np.argsort(-scores, kind="stable")[: candidates.keep]
    return sum_prompt_sets(candidates.bank, candidates.sets[best])


def draw_prompt_sets(num_sets: int, draws: int) -> list[int]:
    """Draw prompt sets with replacement as KEEP does: draw k from Python's generator seeded with k.

    Args:
        num_sets: Number of sets P.
        draws: How many are drawn.

    Source:
        KEEP, github.com/MAGIC-AI4Med/KEEP, classifiers without screening.
    """
    return [_seeded(seed).randint(0, num_sets - 1) for seed in range(draws)]


def _seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 (a published rule of drawing, no secret)
