"""From tile scores to a slide: ratios of tiles, pooled scores, and the rule for undecided slides.

Letters: N tiles, C classes. Nothing here is calibrated: a ratio is a share of tiles and a pooled
score a mean or sum of tile scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "SubtypeRatio",
    "detection_ratio",
    "label_tiles",
    "pool_mean",
    "pool_top_j",
    "subtype_ratio",
]

UndecidedRule = Literal["second-choice", "first-class"]


@dataclass(frozen=True)
class SubtypeRatio:
    """What the tiles of a slide say about its subtype.

    Attributes:
        label: Index of the chosen class.
        share: Share of the chosen class among the tiles that were counted.
        fractions: Share of all tiles per class by arg-max, the normal class too, shape ``(C,)``.
        counted_shares: Share per class among the tiles that were counted; 0 for the normal class.
        rule: How the label was found, in words.
    """

    label: int
    share: float
    fractions: NDArray[np.float64]
    counted_shares: NDArray[np.float64]
    rule: str


def detection_ratio(positive_probabilities: ArrayLike, threshold: float = 0.5) -> float:
    """Return the share of tiles whose probability is above the threshold (strictly).

    Args:
        positive_probabilities: Probability of the positive class per tile, shape ``(N,)``, N > 0.
        threshold: Probability above which a tile is positive.

    Raises:
        ValueError: If there are no tiles or the shape is another.

    Source:
        KEEP, github.com/MAGIC-AI4Med/KEEP, "tumour ratio" with threshold 0.5.
    """
    values = np.asarray(positive_probabilities, dtype=np.float64)
    if values.ndim != 1 or len(values) == 0:
        raise ValueError(f"expected probabilities of at least one tile, got shape {values.shape}")
    return float(np.mean(values > threshold))


def subtype_ratio(
    scores: ArrayLike, normal: int, *, undecided: UndecidedRule = "second-choice"
) -> SubtypeRatio:
    """Choose the subtype that most tiles prefer, leaving normal tiles out.

    The label of a tile is its arg-max. The slide gets the subtype with most tiles. If no tile is a
    subtype, or the largest count is shared, every tile votes again with its best subtype
    (``undecided="second-choice"``); a tie that remains goes to the first class in order.
    ``undecided="first-class"`` is the plain rule: the first of the largest counts, class order
    deciding, even where all counts are zero.

    Args:
        scores: Probabilities or logits of the tiles, shape ``(N, C)``, N > 0.
        normal: Index of the class that is left out.
        undecided: What happens without a single largest count.

    Raises:
        ValueError: If there are no tiles, fewer than two classes, or ``normal`` is outside.

    Source:
        KEEP, github.com/MAGIC-AI4Med/KEEP, subtyping (the plain rule); PathPT,
        github.com/MAGIC-AI4Med/PathPT, slide label (the rule for undecided slides).
    """
    values = _check_scores(scores)
    classes = values.shape[1]
    if classes < 2 or not 0 <= normal < classes:
        raise ValueError(f"normal must be one of at least two classes, got {normal} of {classes}")
    votes = np.bincount(values.argmax(axis=1), minlength=classes)
    fractions = votes / len(values)
    counts = votes.copy()
    counts[normal] = 0
    rule = "most tiles among subtypes"
    if undecided == "second-choice" and not _has_single_maximum(counts, normal):
        reason = "two subtypes tie" if counts.any() else "all tiles are normal"
        subtypes = values.copy()
        subtypes[:, normal] = -np.inf
        counts = np.bincount(subtypes.argmax(axis=1), minlength=classes)
        rule = f"{reason}: best subtype of every tile"
        if not _has_single_maximum(counts, normal):
            rule += "; still tied, first class in order"
    ranked = np.where(np.arange(classes) == normal, -1, counts)
    label = int(ranked.argmax())
    shares = counts / max(int(counts.sum()), 1)
    return SubtypeRatio(label, float(shares[label]), fractions, shares, rule)


def pool_top_j(
    scores: ArrayLike, j: int, aggregate: Literal["mean", "sum"] = "mean"
) -> NDArray[np.float64]:
    """Pool the j highest tile scores of each class; with fewer tiles all of them.

    Args:
        scores: Tile scores, such as cosines, shape ``(N, C)``, N > 0.
        j: How many scores per class, >= 1.
        aggregate: Mean or sum; the order of the classes is the same.

    Returns:
        Shape ``(C,)``.

    Raises:
        ValueError: If there are no tiles or j is below 1.

    Source:
        MI-Zero, Lu et al. 2023, arXiv:2306.07831 (sum); CONCH, Lu et al. 2024,
        doi:10.1038/s41591-024-02856-4 (mean).
    """
    values = _check_scores(scores)
    if j < 1:
        raise ValueError(f"j must be at least 1, got {j}")
    kept = min(j, len(values))
    highest = np.partition(values, len(values) - kept, axis=0)[len(values) - kept :]
    highest.sort(axis=0)
    total = highest[::-1].sum(axis=0)
    return np.asarray(total / kept if aggregate == "mean" else total)


def pool_mean(scores: ArrayLike) -> NDArray[np.float64]:
    """Return the mean tile score of each class.

    Args:
        scores: Tile scores, such as cosines, shape ``(N, C)``, N > 0.

    Raises:
        ValueError: If there are no tiles.

    Source:
        MI-Zero, Lu et al. 2023, arXiv:2306.07831, mean pooling.
    """
    return np.asarray(_check_scores(scores).mean(axis=0))


def label_tiles(probabilities: ArrayLike, slide_class: int, threshold: float) -> NDArray[np.int64]:
    """Label tiles from the label of their slide: normal, the slide's class, or unsure.

    Class 0 is normal. A tile gets 0 if its arg-max is 0 and ``p_0 > threshold``, ``slide_class`` if
    its arg-max is that and ``p > threshold``, and ``-slide_class`` otherwise.

    Args:
        probabilities: Shape ``(N, C)``, N > 0.
        slide_class: Class of the slide, 1..C-1.
        threshold: Probability that a sure tile exceeds.

    Raises:
        ValueError: If there are no tiles or ``slide_class`` is outside.

    Source:
        PathPT, github.com/MAGIC-AI4Med/PathPT, patch labels.
    """
    values = _check_scores(probabilities)
    if not 1 <= slide_class < values.shape[1]:
        raise ValueError(f"slide_class must be in 1..{values.shape[1] - 1}, got {slide_class}")
    best = values.argmax(axis=1)
    labels = np.full(len(values), -slide_class, dtype=np.int64)
    for sure in (0, slide_class):
        labels[(best == sure) & (values[:, sure] > threshold)] = sure
    return labels


def _check_scores(scores: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(f"expected scores of at least one tile, got shape {values.shape}")
    return values


def _has_single_maximum(counts: NDArray[np.int64], normal: int) -> bool:
    others = np.delete(counts, normal)
    return bool(others.max() > 0 and np.count_nonzero(others == others.max()) == 1)
