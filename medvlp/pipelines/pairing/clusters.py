"""Clusters of near-duplicate images, by the published greedy rule or as connected components."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from medvlp.pipelines.pairing.neighbours import SearchKind, build_search

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from medvlp.pipelines.pairing.neighbours import NeighbourSearch
    from medvlp.pipelines.pairing.settings import ImageDuplicates

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]

__all__ = ["cluster_images", "components", "joined_clusters", "star_clusters"]

_FIRST_BLOCK, _LARGEST_BLOCK = 16, 512
_MANY_PAIRS = 1_000_000


def cluster_images(
    features: Floats, scopes: Sequence[str], keys: Sequence[str], settings: ImageDuplicates
) -> Ints:
    """Find the cluster of every image; images of different scopes never share one.

    The result depends on the images, not on their order: within a scope they are taken in the order
    of their keys.

    Args:
        features: Unit vectors, shape ``(N, D)``, float32.
        scopes: Scope of each image.
        keys: Unique name of each image.
        settings: Threshold, rule and search.

    Returns:
        Shape ``(N,)``, int64: place of the first image of the cluster, in the order of keys.
    """
    order = sorted(range(len(keys)), key=lambda place: (scopes[place], keys[place]))
    cluster = np.arange(len(keys))
    start = 0
    for end in range(1, len(order) + 1):
        if end < len(order) and scopes[order[end]] == scopes[order[start]]:
            continue
        members = np.array(order[start:end], dtype=np.int64)
        if len(members) > 1 and settings.rule != "none":
            search = build_search(features[members], _search_kind(len(members), settings))
            find = star_clusters if settings.rule == "star" else joined_clusters
            cluster[members] = members[find(search, len(members), settings.cosine)]
        start = end
    return cluster


def star_clusters(search: NeighbourSearch, count: int, cosine: float) -> Ints:
    """Let each vector that is not taken yet take all later ones like it that are not taken either.

    Args:
        search: Finds later neighbours.
        count: Number of vectors N.
        cosine: Similarity that neighbours are above.

    Returns:
        The vector that took each one, shape ``(N,)``, int64; itself where none did.
    """
    center = np.full(count, -1, dtype=np.int64)
    for rows, found_rows, found_columns in _blocks(search, center, cosine):
        starts = np.searchsorted(found_rows, rows)
        ends = np.searchsorted(found_rows, rows, side="right")
        for row, start, end in zip(rows.tolist(), starts, ends, strict=True):
            if center[row] >= 0:
                continue
            like = found_columns[start:end]
            center[like[center[like] < 0]] = row
            center[row] = row
    return center


def joined_clusters(search: NeighbourSearch, count: int, cosine: float) -> Ints:
    """Join whatever a chain of neighbours joins.

    Args:
        search: Finds later neighbours.
        count: Number of vectors N.
        cosine: Similarity that neighbours are above.

    Returns:
        The first vector of each one's cluster, shape ``(N,)``, int64.
    """
    nobody = np.full(count, -1, dtype=np.int64)
    cluster = np.arange(count)
    for _, rows, columns in _blocks(search, nobody, cosine):
        row, column = cluster[rows], cluster[columns]
        is_new = row != column
        if is_new.any():
            pairs = np.unique(np.stack([row[is_new], column[is_new]]), axis=1)
            cluster = components(count, pairs[0], pairs[1])[cluster]
    return cluster


def components(count: int, rows: Ints, columns: Ints) -> Ints:
    """Return the first member of each node's connected component.

    Args:
        count: Number of nodes.
        rows: One end of each edge.
        columns: The other end.

    Returns:
        Shape ``(count,)``, int64.
    """
    edges = coo_array((np.ones(len(rows), np.bool_), (rows, columns)), shape=(count, count))
    number, label = connected_components(edges, directed=False)
    first = np.full(number, count, dtype=np.int64)
    np.minimum.at(first, label, np.arange(count))
    return np.asarray(first[label], dtype=np.int64)


def _blocks(
    search: NeighbourSearch, taken_by: Ints, cosine: float
) -> Iterator[tuple[Ints, Ints, Ints]]:
    """Yield blocks of vectors that are not taken, with their later neighbours.

    Blocks grow while neighbours are few, so that memory stays bounded where all are alike.
    """
    place, size = 0, _FIRST_BLOCK
    while place < len(taken_by):
        rows = np.flatnonzero(taken_by[place : place + size] < 0) + place
        place += size
        if not len(rows):
            continue
        found_rows, found_columns = search.later(rows, cosine)
        yield rows, found_rows, found_columns
        is_few = len(found_rows) < _MANY_PAIRS // 2
        size = min(2 * size, _LARGEST_BLOCK) if is_few else max(size // 2, _FIRST_BLOCK)


def _search_kind(count: int, settings: ImageDuplicates) -> SearchKind:
    if settings.search != "auto":
        return settings.search
    return "exact" if count <= settings.exact_up_to else "ivf"
