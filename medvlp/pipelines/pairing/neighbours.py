"""Pairs of vectors above a cosine, block by block: never a matrix of all against all.

Exact search multiplies blocks of rows with chunks of columns. Above a hundred thousand vectors
faiss takes over: ``flat`` is exact too, ``ivf`` looks into the nearest cells of a coarse
quantiser, ``hnsw`` walks a graph. Letters: N vectors, D length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]

__all__ = ["ExactSearch", "FaissSearch", "NeighbourSearch", "SearchKind", "build_search"]

SearchKind = Literal["exact", "flat", "ivf", "hnsw"]

_COLUMNS = 8192
_LINKS = 32
_BREADTH = 64
_CELLS_LOOKED_INTO = 16
_TRAINING_PER_CELL = 40


class NeighbourSearch(Protocol):
    """Finds the later vectors that are like a vector."""

    def later(self, rows: Ints, cosine: float) -> tuple[Ints, Ints]:
        """Find neighbours that come later.

        Args:
            rows: Places of the vectors asked for, ascending.
            cosine: Similarity that neighbours are above.

        Returns:
            Rows i and columns j of all pairs with ``j > i`` and a cosine above, sorted by i and j.
        """


class ExactSearch:
    """Compares with every vector.

    Args:
        features: Unit vectors, shape ``(N, D)``, float32.
    """

    def __init__(self, features: Floats) -> None:
        self._features = features

    def later(self, rows: Ints, cosine: float) -> tuple[Ints, Ints]:
        """Find neighbours that come later; see :class:`NeighbourSearch`."""
        asked = self._features[rows]
        found_rows, found_columns = [], []
        for start in range(int(rows.min(initial=0)), len(self._features), _COLUMNS):
            chunk = self._features[start : start + _COLUMNS]
            row, column = np.nonzero(asked @ chunk.T > cosine)
            row, column = rows[row], column + start
            is_later = column > row
            found_rows.append(row[is_later])
            found_columns.append(column[is_later])
        return _sorted_pairs(found_rows, found_columns)


class FaissSearch:
    """Asks an index of faiss.

    Args:
        features: Unit vectors, shape ``(N, D)``, float32.
        kind: ``flat``, ``ivf`` or ``hnsw``.
    """

    def __init__(self, features: Floats, kind: Literal["flat", "ivf", "hnsw"]) -> None:
        import faiss  # noqa: PLC0415 - only large sets need it

        self._features = np.ascontiguousarray(features, dtype=np.float32)
        count, dim = features.shape
        self._index: Any
        if kind == "hnsw":
            self._index = faiss.IndexHNSWFlat(dim, _LINKS, faiss.METRIC_INNER_PRODUCT)
            self._index.hnsw.efConstruction = 2 * _BREADTH
            self._index.hnsw.efSearch = _BREADTH
        elif kind == "ivf":
            num_cells = max(1, min(int(4 * count**0.5), count // _TRAINING_PER_CELL))
            self._index = faiss.IndexIVFFlat(
                faiss.IndexFlatIP(dim), dim, num_cells, faiss.METRIC_INNER_PRODUCT
            )
            self._index.nprobe = min(_CELLS_LOOKED_INTO, num_cells)
            self._index.train(self._features[:: max(1, count // (_TRAINING_PER_CELL * num_cells))])
        else:
            self._index = faiss.IndexFlatIP(dim)
        self._index.add(self._features)

    def later(self, rows: Ints, cosine: float) -> tuple[Ints, Ints]:
        """Find neighbours that come later; see :class:`NeighbourSearch`."""
        limits, _, columns = self._index.range_search(self._features[rows], cosine)
        ends: Ints = limits.astype(np.int64)
        row = np.repeat(rows, ends[1:] - ends[:-1])
        is_later = columns > row
        return _sorted_pairs([row[is_later]], [columns[is_later].astype(np.int64)])


def build_search(features: Floats, kind: SearchKind) -> NeighbourSearch:
    """Prepare a search.

    Args:
        features: Unit vectors, shape ``(N, D)``, float32.
        kind: ``exact``, or an index of faiss.
    """
    return ExactSearch(features) if kind == "exact" else FaissSearch(features, kind)


def _sorted_pairs(rows: list[Ints], columns: list[Ints]) -> tuple[Ints, Ints]:
    row = np.concatenate(rows) if rows else np.zeros(0, np.int64)
    column = np.concatenate(columns) if columns else np.zeros(0, np.int64)
    order = np.lexsort((column, row))
    return row[order], column[order]
