"""What each head makes of the units of a case; one function per rule, chosen by name.

Units are the tiles of a slide, the boxes of a scan, or the one image of a radiograph.
Letters: C classes, F findings that are judged one by one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from medvlp.config.task import FINDING_HEADS
from medvlp.zeroshot.pooling import detection_ratio, pool_mean, pool_top_j, subtype_ratio
from medvlp.zeroshot.tiles import softmax

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from medvlp.config.task import Task

__all__ = [
    "FINDING_SEPARATOR",
    "NO_FINDING",
    "Finding",
    "TileScores",
    "apply_heads",
    "deciding_classes",
]

FINDING_SEPARATOR = "; "
"""What stands between findings in the text of a prediction."""

NO_FINDING = "none"
"""The prediction where nothing is found and the task has no normal class."""


@dataclass(frozen=True)
class TileScores:
    """Scores of the units that count.

    Attributes:
        cosines: Cosine with each class, shape ``(n_used, C)``.
        probabilities: Softmax over the classes, shape ``(n_used, C)``.
        logit_scale: Multiplier of cosines.
        class_names: Names of the C columns.
        units: What the units are called, for rules in words.
        pair_names: Names of the findings that are judged one by one.
        pair_differences: Cosine for a finding minus cosine against it, shape ``(n_used, F)``.
        pair_probabilities: Softmax over for and against, shape ``(n_used, F)``.
    """

    cosines: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    logit_scale: float
    class_names: tuple[str, ...]
    units: str = "tiles"
    pair_names: tuple[str, ...] = ()
    pair_differences: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    pair_probabilities: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))


@dataclass(frozen=True)
class Finding:
    """What one head found; ``found`` is None where it chooses one class."""

    prediction: str
    probabilities: dict[str, float]
    scores: dict[str, float]
    rule: str
    found: tuple[str, ...] | None = None

    @property
    def confidence(self) -> float:
        """Probability of the chosen class, or of the least sure answer about a finding."""
        if self.found is None:
            return self.probabilities[self.prediction]
        return min(p if name in self.found else 1 - p for name, p in self.probabilities.items())


def deciding_classes(task: Task) -> tuple[str, ...]:
    """Return the classes that the first head can choose, in the order of its probabilities.

    For a detection the positive class comes first.

    Args:
        task: The task.
    """
    names = task.class_names
    if task.heads[0] in FINDING_HEADS:
        return task.finding_names
    if task.heads[0] == "subtype-ratio":
        return tuple(name for name in names if name != task.normal)
    if task.heads[0] in {"detection-ratio", "segmentation"}:
        return (str(task.positive), _negative(task))
    return names


def _negative(task: Task) -> str:
    """Return the class that a case without the positive one belongs to."""
    if task.normal is not None:
        return task.normal
    return next(name for name in task.class_names if name != task.positive)


def apply_heads(tiles: TileScores, task: Task) -> tuple[Finding, dict[str, float]]:
    """Apply all heads of a task.

    Args:
        tiles: Scores of at least one unit.
        task: The task.

    Returns:
        What the first head found, and the named scores of all heads; top-j scores are among them
        whenever the task lists ``top_j``.
    """
    findings = [_HEADS[head](tiles, task, head) for head in task.heads]
    scores = {name: value for finding in findings for name, value in finding.scores.items()}
    if task.top_j:
        scores |= _top_j_scores(tiles, task)
    return findings[0], scores


def _judge_ratio(tiles: TileScores, task: Task, head: str) -> Finding:
    """Positive where more than ``min_ratio`` of the tiles are; heads of one positive class."""
    positive, negative = str(task.positive), _negative(task)
    ratio = detection_ratio(
        tiles.probabilities[:, tiles.class_names.index(positive)], task.tile_threshold
    )
    return Finding(
        prediction=positive if ratio > task.min_ratio else negative,
        probabilities={positive: ratio, negative: 1 - ratio},
        scores={head: ratio},
        rule=f"{positive} if more than {task.min_ratio:g} of the tiles have a probability above "
        f"{task.tile_threshold:g}",
    )


def _judge_subtype(tiles: TileScores, task: Task, head: str) -> Finding:
    names = tiles.class_names
    found = subtype_ratio(
        tiles.probabilities, names.index(str(task.normal)), undecided=task.undecided
    )
    shares = dict(zip(names, found.counted_shares.tolist(), strict=True))
    shares.pop(str(task.normal))
    return Finding(
        prediction=names[found.label],
        probabilities=shares,
        scores=_by_class(head, names, found.fractions),
        rule=found.rule,
    )


def _judge_top_j(tiles: TileScores, task: Task, head: str) -> Finding:
    j = task.top_j[0]
    counted = min(j, len(tiles.cosines))
    rule = f"highest {task.aggregate} of the {counted} best {tiles.units}"
    pooled = pool_top_j(tiles.cosines, j)
    return _pooled_finding(tiles, pooled, _top_j_scores(tiles, task), rule)


def _top_j_scores(tiles: TileScores, task: Task) -> dict[str, float]:
    scores: dict[str, float] = {}
    for j in task.top_j:
        pooled = pool_top_j(tiles.cosines, j, task.aggregate)
        scores |= _by_class(f"top-{j}", tiles.class_names, pooled)
    return scores


def _judge_mean(tiles: TileScores, task: Task, head: str) -> Finding:
    pooled = pool_mean(tiles.cosines)
    scores = _by_class(head, tiles.class_names, pooled)
    return _pooled_finding(tiles, pooled, scores, f"highest mean of all {tiles.units}")


def _pooled_finding(
    tiles: TileScores, pooled: NDArray[np.float64], scores: dict[str, float], rule: str
) -> Finding:
    probabilities = softmax(tiles.logit_scale * pooled)
    names = tiles.class_names
    return Finding(
        prediction=names[int(pooled.argmax())],
        probabilities=dict(zip(names, probabilities.tolist(), strict=True)),
        scores=scores,
        rule=rule,
    )


def _judge_pairs(tiles: TileScores, task: Task, head: str) -> Finding:
    """Yes or no for each finding by itself, where its pooled probability is above its threshold."""
    pool = _POOL_UNITS[task.unit_pooling]
    pooled = pool(tiles.pair_probabilities)
    names = tiles.pair_names
    found = tuple(n for n, p in zip(names, pooled, strict=True) if p > task.finding_threshold(n))
    nothing = NO_FINDING if task.normal is None else task.normal
    against = "its absence" if head == "present-absent" else str(task.normal)
    thresholds = {task.finding_threshold(name) for name in names}
    above = f"{thresholds.pop():g}" if len(thresholds) == 1 else "its threshold"
    which = "the largest" if task.unit_pooling == "max" else "the mean"
    return Finding(
        prediction=FINDING_SEPARATOR.join(found) or nothing,
        probabilities=dict(zip(names, pooled.tolist(), strict=True)),
        scores=_by_class(head, names, pool(tiles.pair_differences)),
        rule=f"each finding against {against}, there if {which} probability of all {tiles.units} "
        f"is above {above}",
        found=found,
    )


def _by_class(head: str, names: tuple[str, ...], values: NDArray[np.float64]) -> dict[str, float]:
    return {f"{head}_{name}": float(value) for name, value in zip(names, values, strict=True)}


_POOL_UNITS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "max": lambda values: np.asarray(values.max(axis=0)),
    "mean": pool_mean,
}
_HEADS: dict[str, Callable[[TileScores, Task, str], Finding]] = {
    "detection-ratio": _judge_ratio,
    "segmentation": _judge_ratio,
    "subtype-ratio": _judge_subtype,
    "top-j": _judge_top_j,
    "mean": _judge_mean,
    "present-absent": _judge_pairs,
    "multi-label": _judge_pairs,
}
