"""Retrieval in both directions between images and texts, with many positives per query.

Letters: Q queries, N gallery items, D embedding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["first_hits"]

ROWS_AT_A_TIME = 1024


def first_hits(
    queries: ArrayLike, query_group: ArrayLike, gallery: ArrayLike, gallery_group: ArrayLike
) -> NDArray[np.int64]:
    """Return how many foreign items stand before the first own one, per query.

    An item is a query's own where their groups are equal; any own item is a hit. An item whose
    cosine equals that of the best own one counts as standing before it, so a model that gives all
    items one embedding finds nothing. ``R@k`` is the share of values below k.

    Args:
        queries: Shape ``(Q, D)``, float; normalised here.
        query_group: Group of each query, shape ``(Q,)``; equal reports are of one group.
        gallery: Shape ``(N, D)``, float; normalised here.
        gallery_group: Group of each item, shape ``(N,)``.

    Returns:
        Shape ``(Q,)``; -1 for a query without an item of its own.

    Raises:
        ValueError: If shapes do not fit or a vector is zero or not finite.

    Source:
        Recall at k as in CLIP, arXiv:2103.00020; equal texts as positives of each other as in
        fVLM, arXiv:2501.14548.
    """
    wanted, items = _unit_rows("queries", queries), _unit_rows("gallery", gallery)
    own, theirs = np.asarray(query_group), np.asarray(gallery_group)
    if own.shape != (len(wanted),) or theirs.shape != (len(items),):
        raise ValueError(f"groups {own.shape} and {theirs.shape} do not fit the embeddings")
    found = np.full(len(wanted), -1, dtype=np.int64)
    for start in range(0, len(wanted), ROWS_AT_A_TIME):
        rows = slice(start, start + ROWS_AT_A_TIME)
        cosine = wanted[rows] @ items.T
        is_own = own[rows, None] == theirs
        best = np.where(is_own, cosine, -np.inf).max(axis=1, keepdims=True)
        before = (~is_own & (cosine >= best)).sum(axis=1)
        found[rows] = np.where(is_own.any(axis=1), before, -1)
    return found


def _unit_rows(name: str, vectors: ArrayLike) -> NDArray[np.float64]:
    rows = np.asarray(vectors, dtype=np.float64)
    if rows.ndim != 2 or not len(rows):
        raise ValueError(f"{name} must have rows and columns, got shape {rows.shape}")
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    if not (np.isfinite(length) & (length > 0)).all():
        raise ValueError(f"{name} hold a vector that is zero or not finite")
    return np.asarray(rows / length)
