"""Bring features to one scale, learnt from the training part.

Letters: N samples, D features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

__all__ = ["STRENGTHS", "Scaling", "fit_scaling"]

STRENGTHS = (10.0, 1.0, 0.1, 1e-2, 1e-3, 1e-4)
"""Weights of the L2 penalty that are tried, beside the mean loss per sample or event."""


@dataclass(frozen=True, eq=False)
class Scaling:
    """A shift and a factor for each feature.

    Attributes:
        fill: What takes the place of a missing number, shape ``(D,)``.
        mean: Taken off, shape ``(D,)``.
        factor: Multiplied, shape ``(D,)``; 0 where a feature is constant.
    """

    fill: Floats
    mean: Floats
    factor: Floats

    def apply(self, features: ArrayLike) -> Floats:
        """Return scaled features, shape ``(N, D)``."""
        rows = np.asarray(features, dtype=np.float64)
        rows = np.where(np.isnan(rows), self.fill, rows)
        return np.asarray((rows - self.mean) * self.factor)


def fit_scaling(features: ArrayLike, blocks: tuple[int, ...]) -> Scaling:
    """Learn a scaling: mean 0, equal variance within a block, total variance 1 of each block.

    So a block of many features (an embedding) and one of few (radiomics) weigh the same, and one
    strength of the penalty means the same for any number of features. A missing number becomes the
    median of its feature.

    Args:
        features: Training samples, shape ``(N, D)``; NaN is missing.
        blocks: Number of features of each block, sum D.
    """
    rows = np.asarray(features, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != sum(blocks):
        raise ValueError(f"features {rows.shape} do not fit blocks {blocks}")
    known = ~np.isnan(rows)
    fill = np.array(
        [
            np.median(column[there]) if there.any() else 0.0
            for column, there in zip(rows.T, known.T, strict=True)
        ]
    )
    rows = np.where(known, rows, fill)
    mean, spread = rows.mean(axis=0), rows.std(axis=0)
    varies = spread > 1e-12 * np.maximum(np.abs(mean), 1e-12)
    factor = np.divide(1.0, spread, out=np.zeros_like(spread), where=varies)
    share = np.repeat(np.sqrt(np.asarray(blocks, dtype=np.float64)), blocks)
    return Scaling(fill, mean, factor / share)
