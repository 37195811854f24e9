"""How embeddings fill their sphere: are those of a pair close, and all others spread out.

Letters: N embeddings, D dimensions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medvlp.metrics.samples import UndefinedMetricError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.floating]

__all__ = ["alignment", "uniformity"]

_ROWS_AT_ONCE = 1024


def alignment(x: Floats, y: Floats) -> float:
    """Return the mean squared distance of pairs, ``mean_i |x_i - y_i|^2``; 0 is best.

    Args:
        x: Unit vectors, shape ``(N, D)``, float.
        y: Unit vectors, row i belongs with row i of ``x``.

    Raises:
        UndefinedMetricError: If there is no pair.
        ValueError: If the shapes differ.

    Source:
        Wang and Isola 2020, arXiv:2005.10242, eq. 2 with alpha = 2.
    """
    if x.shape != y.shape or x.ndim != 2:
        raise ValueError(f"embeddings of shapes {x.shape} and {y.shape} make no pairs")
    if not len(x):
        raise UndefinedMetricError("alignment of no pairs")
    return float(np.mean(np.sum((x.astype(np.float64) - y) ** 2, axis=1)))


def uniformity(x: Floats) -> float:
    """Return ``log mean_{i<j} exp(-2 |x_i - x_j|^2)``; 0 where all are one, smaller is better.

    Args:
        x: Unit vectors, shape ``(N, D)``, float.

    Raises:
        UndefinedMetricError: If there are fewer than two.

    Source:
        Wang and Isola 2020, arXiv:2005.10242, eq. 3 with t = 2.
    """
    number = len(x)
    if number < 2:
        raise UndefinedMetricError(f"uniformity of {number} embeddings")
    values = x.astype(np.float64)
    norms = np.sum(values**2, axis=1)
    total = 0.0
    for start in range(0, number, _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        squared = norms[rows, None] + norms - 2 * values[rows] @ values.T
        total += float(np.exp(-2 * np.maximum(squared, 0)).sum())
    return float(np.log((total - number) / (number * (number - 1))))
