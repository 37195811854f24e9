"""KEEP's published scores of slides: detection, subtyping and segmentation.

Letters: n slides, N tiles. Every score takes what was predicted and what is true; nothing here
chooses a threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvlp.metrics import (
    Bootstrap,
    UndefinedMetricError,
    auroc,
    balanced_accuracy,
    bootstrap_keep,
    dice,
    f1,
    nearest_level,
    paint_tiles,
    sensitivity_at_specificity,
    shrink_mask,
    tile_truth,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

__all__ = [
    "DetectionScores",
    "SegmentationScores",
    "SubtypingScores",
    "score_detection",
    "score_segmentation",
    "score_subtyping",
]

_SPECIFICITY = 0.95


@dataclass(frozen=True)
class DetectionScores:
    """How well the share of positive tiles parts slides with and without the finding.

    Attributes:
        auroc: Area under the ROC curve over the slides.
        auroc_draws: The same over bootstrap draws, with median and percentiles.
        sensitivity_at_95_specificity: Largest sensitivity at a specificity of at least 95 %.
    """

    auroc: float
    auroc_draws: Bootstrap
    sensitivity_at_95_specificity: float


@dataclass(frozen=True)
class SubtypingScores:
    """How often slides get their subtype.

    Attributes:
        balanced_accuracy: Mean recall of the classes.
        weighted_f1: F1 weighted by the size of the classes.
        balanced_accuracy_draws: The first over bootstrap draws; KEEP publishes the median.
        weighted_f1_draws: The second over the same draws.
    """

    balanced_accuracy: float
    weighted_f1: float
    balanced_accuracy_draws: Bootstrap
    weighted_f1_draws: Bootstrap


@dataclass(frozen=True)
class SegmentationScores:
    """How well the tiles of one slide agree with its mask.

    Attributes:
        auroc: Area under the ROC curve over the tiles; None where all are covered or none is.
        dice: Overlap of the positive tiles with the mask, at the pyramid level nearest to a
            down-sampling of 16; 1 where both are empty.
    """

    auroc: float | None
    dice: float


def score_detection(
    labels: ArrayLike, ratios: ArrayLike, *, num_draws: int = 1000
) -> DetectionScores:
    """Score a detection over slides.

    Args:
        labels: 1 with the finding, 0 without, shape ``(n,)``.
        ratios: Share of positive tiles per slide (``score_detection-ratio``), shape ``(n,)``.
        num_draws: Bootstrap draws; draw i uses seed i.

    Raises:
        UndefinedMetricError: If all slides are of one kind.

    Source:
        KEEP, github.com/MAGIC-AI4Med/KEEP, WSI_evaluation, detection; the sensitivity is reported
        without a program.
    """
    return DetectionScores(
        auroc=auroc(labels, ratios),
        auroc_draws=bootstrap_keep(auroc, [labels, ratios], num_draws=num_draws),
        sensitivity_at_95_specificity=sensitivity_at_specificity(labels, ratios, _SPECIFICITY),
    )


def score_subtyping(
    labels: ArrayLike, predictions: ArrayLike, *, num_draws: int = 1000
) -> SubtypingScores:
    """Score subtypes over slides.

    Args:
        labels: Class of each slide, shape ``(n,)``, integers.
        predictions: Predicted class of each slide, shape ``(n,)``.
        num_draws: Bootstrap draws; draw i uses seed i.

    Source:
        KEEP, github.com/MAGIC-AI4Med/KEEP, WSI_evaluation, subtyping.
    """
    pairs = [labels, predictions]
    return SubtypingScores(
        balanced_accuracy=balanced_accuracy(labels, predictions),
        weighted_f1=f1(labels, predictions, "weighted"),
        balanced_accuracy_draws=bootstrap_keep(balanced_accuracy, pairs, num_draws=num_draws),
        weighted_f1_draws=bootstrap_keep(_weighted_f1, pairs, num_draws=num_draws),
    )


def score_segmentation(
    mask: ArrayLike,
    coords: ArrayLike,
    probabilities: ArrayLike,
    *,
    tile_px0: int,
    threshold: float,
    level_downsamples: Sequence[float],
) -> SegmentationScores:
    """Score the tiles of one slide against its mask.

    Args:
        mask: Zero outside of the finding, shape ``(rows, cols)``, level-0 pixels.
        coords: Tile positions, shape ``(N, 2)``, order (x, y), level-0 pixels, integers.
        probabilities: Probability of the positive class per tile, smoothed where tiles overlap,
            shape ``(N,)``.
        tile_px0: Side of what a tile stands for in level-0 pixels: KEEP takes the step of
            overlapping tiles.
        threshold: A tile is positive above it. It must come from other slides, see
            :func:`~medvlp.zeroshot.thresholds.fit_tile_threshold`; KEEP took it from this mask.
        level_downsamples: Down-sampling of each pyramid level of the slide.

    Source:
        KEEP, github.com/MAGIC-AI4Med/KEEP, WSI_evaluation, segmentation.
    """
    scores = np.asarray(probabilities, dtype=np.float64)
    try:
        area: float | None = auroc(tile_truth(mask, coords, tile_px0), scores)
    except UndefinedMetricError:
        area = None
    downsample = int(level_downsamples[nearest_level(level_downsamples)])
    small = shrink_mask(mask, downsample)
    shape = (small.shape[0], small.shape[1])
    painted = paint_tiles(shape, np.asarray(coords)[scores > threshold], tile_px0, downsample)
    return SegmentationScores(area, dice(painted, small))


def _weighted_f1(labels: ArrayLike, predictions: ArrayLike) -> float:
    return f1(labels, predictions, "weighted")
