"""How well queries find what belongs to them in a gallery: mAP and CMC.

Letters: Q queries, N gallery items, D embedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.metrics import average_precision_score

from medvlp.metrics.samples import UndefinedMetricError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.floating]
    Ints = NDArray[np.int64]

__all__ = ["RetrievalScores", "score_retrieval"]


@dataclass(frozen=True)
class RetrievalScores:
    """How well queries find their items.

    Attributes:
        mean_ap: Mean over queries of the average precision, in [0, 1].
        cmc: k to the share of queries with an item of theirs among the k nearest.
        num_queries: Number of queries that have an item in the gallery.
    """

    mean_ap: float
    cmc: dict[int, float]
    num_queries: int


def score_retrieval(
    queries: Floats,
    query_label: Ints,
    gallery: Floats,
    gallery_label: Ints,
    *,
    ranks: Sequence[int] = (1, 5, 10),
) -> RetrievalScores:
    """Rank a gallery by cosine for every query.

    Queries without an item of their label are left out. Of items with equal cosines, those of other
    labels come first in CMC; average precision treats them as one rank.

    Args:
        queries: Unit vectors, shape ``(Q, D)``, float.
        query_label: Label of each query, shape ``(Q,)``, int64.
        gallery: Unit vectors, shape ``(N, D)``, float.
        gallery_label: Label of each item, shape ``(N,)``, int64.
        ranks: Numbers k of nearest items.

    Raises:
        UndefinedMetricError: If no query has an item of its label.

    Source:
        Zheng et al. 2015, "Scalable Person Re-identification" (mAP and CMC with names as queries,
        as in KEP, arXiv:2404.09942); average precision by scikit-learn.
    """
    has_item = np.isin(query_label, gallery_label)
    precisions: list[float] = []
    first: list[int] = []
    for vector, label in zip(queries[has_item], query_label[has_item], strict=True):
        cosine = gallery @ vector
        is_own = gallery_label == label
        precisions.append(float(average_precision_score(is_own, cosine)))
        first.append(int(np.count_nonzero(cosine[~is_own] >= cosine[is_own].max())))
    if not first:
        raise UndefinedMetricError("no query has an item of its label in the gallery")
    return RetrievalScores(
        mean_ap=float(np.mean(precisions)),
        cmc={k: float(np.mean(np.array(first) < k)) for k in ranks},
        num_queries=len(first),
    )
