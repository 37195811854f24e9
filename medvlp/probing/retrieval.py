"""Retrieval both ways with intervals over patients.

Letters: N images, M texts, D embedding.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from medvlp.metrics import UndefinedMetricError
from medvlp.metrics.pair_retrieval import first_hits
from medvlp.probing.figures import Figure, Resampling, figure_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["measure_retrieval", "text_groups"]

RANKS = (1, 5, 10)


def text_groups(texts: Sequence[str]) -> NDArray[np.int64]:
    """Return the group of each text: texts that are equal but for case and spaces are one.

    Args:
        texts: The texts.

    Returns:
        Numbers from 0 on, in the order in which texts first occur, shape ``(M,)``.
    """
    numbers: dict[str, int] = {}
    plain = [re.sub(r"\s+", " ", text).strip().casefold() for text in texts]
    return np.asarray([numbers.setdefault(text, len(numbers)) for text in plain], dtype=np.int64)


def measure_retrieval(
    images: ArrayLike,
    texts: ArrayLike,
    groups: ArrayLike,
    patients: Sequence[str],
    *,
    ranks: Sequence[int] = RANKS,
    seed: int = 0,
    draws: int = 1000,
) -> dict[str, Figure]:
    """Compute R@k from image to text and from text to image, and their mean.

    Pair i is image i with text i. The gallery of texts holds each group once (its first text), so
    that copies of one report take one place; the gallery of images holds them all, and any image of
    a query's group is a hit. Each group is one query from text to image. Intervals draw patients as
    queries; galleries stay as they are. One report for several scans is so a group with several
    images, not an error.

    Args:
        images: Image embeddings, shape ``(N, D)``.
        texts: Text embeddings, shape ``(N, D)``.
        groups: Group of each pair, shape ``(N,)``: equal reports are of one group, see
            :func:`text_groups`.
        patients: Patient of each pair, N names.
        ranks: Numbers k.
        seed: Seed of the draws.
        draws: Number of draws.

    Returns:
        ``image_to_text_r<k>``, ``text_to_image_r<k>`` and ``mean_r<k>``.

    Raises:
        UndefinedMetricError: If all pairs are of one group: any answer would be right.
    """
    pictures, sentences, own = np.asarray(images), np.asarray(texts), np.asarray(groups)
    _, first = np.unique(own, return_index=True)
    if len(first) < 2:
        raise UndefinedMetricError("all pairs have the same text, so there is nothing to retrieve")
    owners = np.asarray(patients)
    to_text = first_hits(pictures, own, sentences[first], own[first])
    to_image = first_hits(sentences[first], own[first], pictures, own)
    ways = {"image_to_text": (to_text, owners), "text_to_image": (to_image, owners[first])}
    found = {}
    for way, (hits, names) in ways.items():
        resampling = Resampling(names, draws, seed)
        for k in ranks:
            found[f"{way}_r{k}"] = figure_of(partial(_recall, k=k), [hits], resampling)
    both = np.concatenate([to_text, to_image])
    is_text = np.arange(len(both)) >= len(to_text)
    resampling = Resampling(np.concatenate([owners, owners[first]]), draws, seed)
    for k in ranks:
        found[f"mean_r{k}"] = figure_of(partial(_mean_recall, k=k), [both, is_text], resampling)
    return found


def _recall(hits: ArrayLike, *, k: int) -> float:
    return float(np.mean(np.asarray(hits) < k))


def _mean_recall(hits: ArrayLike, is_text: ArrayLike, *, k: int) -> float:
    found, side = np.asarray(hits) < k, np.asarray(is_text)
    if side.all() or not side.any():
        raise UndefinedMetricError("a draw without queries in one of the directions")
    return float((found[side].mean() + found[~side].mean()) / 2)
