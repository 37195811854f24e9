"""Near-duplicate captions, and the caption that speaks best for several.

A caption counts as its set of words: lower case, without marks. Candidates come from an inverted
index over the rarest words of each caption, so that no table of all captions against all is made.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

from medvlp.pipelines.pairing.caption_quality import normalize_caption
from medvlp.pipelines.pairing.clusters import components

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from medvlp.pipelines.pairing.settings import CaptionMerging

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]

__all__ = ["caption_families", "rank_captions", "similar_captions", "word_set"]

_ROWS = 1024
_CELLS = 2**22
_DIFFERENCE = 2
_ROUNDING = 1e-9


def word_set(caption: str) -> frozenset[str]:
    """Return the words of a caption: lower case, without marks."""
    return frozenset(normalize_caption(caption).split())


def caption_families(
    words: Sequence[frozenset[str]], scopes: Sequence[str], settings: CaptionMerging
) -> Ints:
    """Join near-duplicate captions of a scope, and whatever a chain of them joins.

    ``iou``: words in both / words in either, above ``min_iou``. ``difference``: the two share a
    word, and one has exactly two words that the other lacks, whichever; published code asks it of
    one order only. That rule joins much: it is meant for scopes of few captions.

    Args:
        words: Set of words of each caption, none of them empty.
        scopes: Scope of each caption.
        settings: Rule and threshold.

    Returns:
        First caption of each one's family, shape ``(n,)``, int64.
    """
    family = np.arange(len(words))
    for first, second in similar_captions(words, scopes, settings):
        is_new = family[first] != family[second]
        ends = family[first[is_new]], family[second[is_new]]
        if len(ends[0]):
            family = components(len(words), *ends)[family]
    return family


def similar_captions(
    words: Sequence[frozenset[str]], scopes: Sequence[str], settings: CaptionMerging
) -> Iterator[tuple[Ints, Ints]]:
    """Yield pairs of near-duplicate captions, block by block; see :func:`caption_families`.

    Args:
        words: Set of words of each caption, none of them empty.
        scopes: Scope of each caption.
        settings: Rule and threshold.

    Yields:
        Captions i and j; a pair comes once, or once in each order.
    """
    index = _WordIndex(words, scopes, settings.min_iou)
    step = max(1, min(_ROWS, _CELLS // max(1, len(words))))
    for start in range(0, len(words), step):
        yield index.pairs_of(np.arange(start, min(start + step, len(words))), settings)


def rank_captions(
    captions: Sequence[str], weights: Sequence[float], features: Floats | None = None
) -> list[int]:
    """Order captions, the one that speaks best for all first.

    A caption's score is its mean similarity to all, weighted: cosine of features where they are
    given, else intersection over union of words. Ties go to the heavier, then to the first by
    alphabet.

    Args:
        captions: n different captions.
        weights: How often each occurs, > 0.
        features: Unit vectors of the captions, shape ``(n, D)``, float32.

    Returns:
        Places of the captions, best first.
    """
    share = np.asarray(weights, dtype=np.float64)
    share = share / share.sum()
    if features is not None:
        score = features.astype(np.float64) @ (share @ features.astype(np.float64))
    else:
        score = _mean_iou([word_set(caption) for caption in captions], share)
    rounded = np.round(score, 9).tolist()
    return sorted(range(len(captions)), key=lambda i: (-rounded[i], -weights[i], captions[i]))


def _mean_iou(words: Sequence[frozenset[str]], share: NDArray[np.float64]) -> NDArray[np.float64]:
    matrix = _word_matrix([sorted(item) for item in words])
    size = np.asarray(matrix.sum(axis=1), dtype=np.float64).ravel()
    score = np.zeros(len(words))
    for start in range(0, len(words), _ROWS):
        both = (matrix[start : start + _ROWS] @ matrix.T).toarray()
        either = size[start : start + _ROWS, None] + size - both
        score[start : start + _ROWS] = (both / np.maximum(either, 1)) @ share
    return score


class _WordIndex:
    """Which captions hold which word of which scope.

    Words of different scopes are different columns, so captions of different scopes never meet.
    """

    def __init__(
        self, words: Sequence[frozenset[str]], scopes: Sequence[str], min_iou: float
    ) -> None:
        scoped = [[(s, w) for w in sorted(item)] for item, s in zip(words, scopes, strict=True)]
        self._frequency = Counter(word for item in scoped for word in item)
        self._rarest_first = [sorted(i, key=lambda w: (self._frequency[w], w)) for i in scoped]
        self._columns = {word: place for place, word in enumerate(self._frequency)}
        self._matrix = self._rows(self._rarest_first)
        self._size = np.array([len(item) for item in scoped], dtype=np.int64)
        lengths = [_prefix_length(len(item), min_iou) for item in scoped]
        self._rare = self._prefix(np.arange(len(scoped)), lengths)

    def pairs_of(self, rows: Ints, settings: CaptionMerging) -> tuple[Ints, Ints]:
        """Return near-duplicates of these rows."""
        if settings.rule == "iou":
            i, j = (self._rare[rows] @ self._rare.T).nonzero()
            i = rows[i]
            both = self._shared(i, j)
            either = self._size[i] + self._size[j] - both
            is_near = (both > settings.min_iou * either + _ROUNDING) & (i < j)
            return i[is_near], j[is_near]
        # A word set that lacks two of A's words, but not all, holds one of A's three rarest.
        prefix = self._prefix(rows, [_DIFFERENCE + 1] * len(rows))
        i, j = (prefix @ self._matrix.T).nonzero()
        i = rows[i]
        is_near = (self._size[i] - self._shared(i, j) == _DIFFERENCE) & (i != j)
        return i[is_near], j[is_near]

    def _shared(self, i: Ints, j: Ints) -> Ints:
        """Return the number of words that caption i and caption j share."""
        if not len(i):
            return np.zeros(0, np.int64)
        both = self._matrix[i].multiply(self._matrix[j]).sum(axis=1)
        return np.asarray(both, dtype=np.int64).ravel()

    def _prefix(self, rows: Ints, lengths: Sequence[int]) -> csr_array:
        return self._rows(
            [self._rarest_first[row][:n] for row, n in zip(rows, lengths, strict=True)]
        )

    def _rows(self, items: Sequence[Sequence[tuple[str, str]]]) -> csr_array:
        columns = [self._columns[word] for item in items for word in item]
        starts = np.cumsum([0, *(len(item) for item in items)])
        shape = (len(items), len(self._columns))
        return csr_array((np.ones(len(columns), np.int32), columns, starts), shape=shape)


def _prefix_length(size: int, min_iou: float) -> int:
    """Return how many of the rarest words two near-duplicates must share one of."""
    return size - math.ceil(min_iou * size - _ROUNDING) + 1


def _word_matrix(items: Sequence[Sequence[str]]) -> csr_array:
    columns: dict[str, int] = {}
    places = [columns.setdefault(word, len(columns)) for item in items for word in item]
    starts = np.cumsum([0, *(len(item) for item in items)])
    shape = (len(items), max(1, len(columns)))
    return csr_array((np.ones(len(places), np.int32), places, starts), shape=shape)
