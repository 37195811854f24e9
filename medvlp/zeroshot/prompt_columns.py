"""Class columns of one or more unit vectors, and the pairs of columns that judge one finding each.

Letters: N images, D embedding, C columns, K vectors, F findings.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvlp.zeroshot.tiles import tile_cosines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["FindingPairs", "PromptColumns"]


@dataclass(frozen=True)
class PromptColumns:
    """Columns of a classifier, each of one or more unit vectors of which the nearest counts.

    Attributes:
        vectors: Unit text embeddings, those of a column one after the other, shape ``(K, D)``.
        starts: First row of each column, increasing from 0, shape ``(C,)``.
    """

    vectors: NDArray[np.float64]
    starts: NDArray[np.int64]

    @classmethod
    def stack(cls, columns: Sequence[NDArray[np.float64]]) -> PromptColumns:
        """Make columns of one array of unit vectors each, shape ``(k, D)``, k > 0."""
        sizes = [len(vectors) for vectors in columns]
        starts = np.cumsum([0, *sizes[:-1]], dtype=np.int64)
        return cls(np.concatenate(columns), starts)

    @property
    def fingerprint(self) -> str:
        """Hash of the vectors and of how they are shared out."""
        digest = hashlib.sha256(np.ascontiguousarray(self.starts).tobytes())
        digest.update(np.ascontiguousarray(self.vectors).tobytes())
        return digest.hexdigest()

    def cosines(self, features: ArrayLike) -> NDArray[np.float64]:
        """Return the largest cosine of each image with the vectors of each column.

        Args:
            features: Image embeddings of any length but 0, shape ``(N, D)``.

        Returns:
            Shape ``(N, C)``.

        Source:
            RenalCLIP, github.com/dt-yuhui/RenalCLIP, zero_shot, maximum similarity; with one vector
            per column the plain cosine.
        """
        found = tile_cosines(features, self.vectors.T)
        return np.asarray(np.maximum.reduceat(found, self.starts, axis=1))


@dataclass(frozen=True)
class FindingPairs:
    """For each finding the words for it and the words against it.

    Attributes:
        names: Names of the findings.
        present: A column per finding.
        absent: A column per finding for its absence, or for what is there instead.
    """

    names: tuple[str, ...]
    present: PromptColumns
    absent: PromptColumns

    @property
    def fingerprint(self) -> str:
        """Hash of names and columns."""
        parts = (self.names, self.present.fingerprint, self.absent.fingerprint)
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def differences(self, features: ArrayLike) -> NDArray[np.float64]:
        """Return ``cosine(present) - cosine(absent)`` of each image, shape ``(N, F)``."""
        return self.present.cosines(features) - self.absent.cosines(features)
