"""Judge a slide: tile features and a text classifier in, a verdict of the task's heads out.

What the numbers are: ``probabilities`` are shares of tiles for the ratio heads and a softmax of
pooled cosines for the pooling heads. None of them is a calibrated probability of disease.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvlp.config.task import SlideScale
from medvlp.zeroshot.feature_checks import check_features
from medvlp.zeroshot.findings import TileScores, apply_heads
from medvlp.zeroshot.pooling import (
    SubtypeRatio,
    detection_ratio,
    label_tiles,
    pool_mean,
    pool_top_j,
    subtype_ratio,
)
from medvlp.zeroshot.screening import screen_prompt_sets
from medvlp.zeroshot.tiles import (
    first_occurrences,
    smooth_neighbours,
    smooth_overlaps,
    softmax,
    tile_cosines,
    tile_probabilities,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    from medvlp.config.task import Task
    from medvlp.zeroshot.classifier import TextClassifier

__all__ = [
    "ScoredTiles",
    "SlideVerdict",
    "SubtypeRatio",
    "detection_ratio",
    "first_occurrences",
    "judge_slide",
    "label_tiles",
    "pool_mean",
    "pool_top_j",
    "score_tiles",
    "smooth_neighbours",
    "smooth_overlaps",
    "softmax",
    "subtype_ratio",
    "tile_cosines",
    "tile_probabilities",
]


@dataclass(frozen=True)
class ScoredTiles:
    """What the text says about each tile of a slide, before any rule.

    Attributes:
        cosines: Cosine with each class, shape ``(N, C)``, rows as the features.
        probabilities: Softmax over the classes, smoothed where tiles overlap, shape ``(N, C)``.
        counted: Rows that count: the first of every position, increasing.
    """

    cosines: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    counted: NDArray[np.int64]


@dataclass(frozen=True)
class SlideVerdict:
    """What a task says about one slide.

    Attributes:
        prediction: Name of the chosen class.
        confidence: ``probabilities[prediction]``; not calibrated.
        probabilities: Class to share of tiles (ratio heads) or softmax of the pooled cosines
            (pooling heads), for the classes that the deciding head can choose; they sum to 1.
        scores: Named results of all heads: ``detection-ratio``, ``subtype-ratio_<class>``,
            ``top-<j>_<class>``, ``mean_<class>``, ``segmentation``.
        tile_probabilities: Softmax over the classes per tile, smoothed where tiles overlap, shape
            ``(N, C)``, float32, rows as the features; classes in the order of the task.
        rule: How the prediction came about, in words.
        n_used: Number of tiles that counted; a position that occurs twice counts once.
    """

    prediction: str
    confidence: float
    probabilities: Mapping[str, float]
    scores: Mapping[str, float]
    tile_probabilities: NDArray[np.float32]
    rule: str
    n_used: int


def judge_slide(
    features: ArrayLike,
    coords: ArrayLike | None,
    step_px0: float | tuple[float, float],
    classifier: TextClassifier,
    task: Task,
    *,
    normalize: bool = False,
) -> SlideVerdict:
    """Judge a slide by the heads of a task; the first head decides, all of them give scores.

    Args:
        features: Projected, unit-length image embeddings of the tiles, shape ``(N, D)``, N > 0.
        coords: Tile positions, shape ``(N, 2)``, order (x, y), level-0 pixels, integers; None if
            they are unknown, which only tasks without overlap allow.
        step_px0: Distance between neighbouring tiles in level-0 pixels; one number, or (x, y).
        classifier: The text classifier of this task.
        task: The task; its modality is ``slide``.
        normalize: Whether features of another length than 1 are brought to unit length; by default
            they are refused, since they are a sign of unprojected features.

    Raises:
        FeatureError: MV1511 for another width than the classifier's, MV1512 for values that are not
            finite, MV1513 for features that are not of unit length.
        ValueError: If there are no tiles, shapes do not fit, or task and classifier do not belong
            together.
    """
    tiles = score_tiles(features, coords, step_px0, classifier, task, normalize=normalize)
    first, scores = apply_heads(
        TileScores(
            cosines=tiles.cosines[tiles.counted],
            probabilities=tiles.probabilities[tiles.counted],
            logit_scale=classifier.logit_scale,
            class_names=classifier.class_names,
        ),
        task,
    )
    return SlideVerdict(
        prediction=first.prediction,
        confidence=first.confidence,
        probabilities=first.probabilities,
        scores=scores,
        tile_probabilities=tiles.probabilities.astype(np.float32),
        rule=f"{task.heads[0]}: {first.rule}",
        n_used=len(tiles.counted),
    )


def score_tiles(
    features: ArrayLike,
    coords: ArrayLike | None,
    step_px0: float | tuple[float, float],
    classifier: TextClassifier,
    task: Task,
    *,
    normalize: bool = False,
) -> ScoredTiles:
    """Score the tiles of a slide: screened prompts where the task asks, cosines, probabilities.

    Args:
        features: As for :func:`judge_slide`, and so are the others.
        coords: Tile positions or None.
        step_px0: Distance between neighbouring tiles in level-0 pixels.
        classifier: The text classifier of this task.
        task: The task.
        normalize: Whether features are brought to unit length.

    Raises:
        FeatureError: As :func:`judge_slide`.
        ValueError: As :func:`judge_slide`.
    """
    _check_task(task, classifier)
    rows = check_features(features, classifier.weights.shape[0], normalize=normalize)
    weights = classifier.weights
    if classifier.candidates is not None:
        weights = screen_prompt_sets(rows, classifier.candidates)
    cosines = tile_cosines(rows, weights)
    probabilities = softmax(classifier.logit_scale * cosines)
    counted = _counted_rows(coords, len(rows), has_overlap=_has_overlap(task))
    if coords is not None and _has_overlap(task):
        probabilities = smooth_overlaps(probabilities, coords, step_px0)
    return ScoredTiles(cosines, probabilities, counted)


def _check_task(task: Task, classifier: TextClassifier) -> None:
    if task.modality != "slide":
        raise ValueError(f"task {task.name} judges modality {task.modality!r}, not slides")
    if task.class_names != classifier.class_names:
        raise ValueError(
            f"classifier has classes {classifier.class_names}, task {task.name} has "
            f"{task.class_names}"
        )


def _has_overlap(task: Task) -> bool:
    return isinstance(task.scale, SlideScale) and task.scale.overlap > 0


def _counted_rows(
    coords: ArrayLike | None, num_tiles: int, *, has_overlap: bool
) -> NDArray[np.int64]:
    """Return the rows that count: the first of every position, or all where it is unknown."""
    if coords is None:
        if has_overlap:
            raise ValueError("coords are needed, because the tiles of this task overlap")
        return np.arange(num_tiles)
    positions = np.asarray(coords)
    if len(positions) != num_tiles:
        raise ValueError(f"there are {num_tiles} features but {len(positions)} coords")
    return first_occurrences(positions)
