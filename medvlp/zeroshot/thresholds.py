"""The probability above which a tile is positive, found on slides with masks.

The threshold of a segmentation must not come from the mask that the segmentation is then judged
with; it comes from a set of other slides. Letters: N tiles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvlp.metrics.ranking import auroc, youden_point

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["YoudenThreshold", "fit_tile_threshold"]


@dataclass(frozen=True)
class YoudenThreshold:
    """A threshold and how well it parts the tiles that it was found on.

    Attributes:
        threshold: A tile is positive where its probability is above it.
        youden_index: Sensitivity plus specificity minus 1.
        auroc: Area under the ROC curve.
    """

    threshold: float
    youden_index: float
    auroc: float


def fit_tile_threshold(truth: ArrayLike, probabilities: ArrayLike) -> YoudenThreshold:
    """Find the threshold with the largest sensitivity + specificity - 1 over tiles of many slides.

    Youden's rule names the least score that is still positive, while a tile here is positive above
    the threshold. So the threshold is put in the middle between that score and the next lower one
    (or 0), which parts the given tiles in the same way.

    Args:
        truth: Whether the mask covers most of each tile, shape ``(N,)``, both kinds present.
        probabilities: Probability of the positive class of each tile, shape ``(N,)``, 0 to 1.

    Raises:
        UndefinedMetricError: If only one kind of tile occurs.
        ValueError: If shapes differ or no threshold parts the tiles better than chance.

    Source:
        Youden 1950, Cancer 3:32; KEEP, github.com/MAGIC-AI4Med/KEEP, segmentation, where the
        threshold comes from the slide that is judged.
    """
    scores = np.asarray(probabilities, dtype=np.float64)
    least, index = youden_point(truth, scores)
    if not np.isfinite(least) or index <= 0:
        raise ValueError("no threshold parts positive and negative tiles better than chance")
    lower = scores[scores < least].max(initial=0.0)
    return YoudenThreshold(float(lower + least) / 2, index, auroc(truth, scores))
