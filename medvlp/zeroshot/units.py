"""Judge a case by the embeddings of its units: boxes of a scan, or the one image of a radiograph.

All classes are judged from one pass over the images: the text side is embedded once per run, and a
unit is compared with all of it. None of the numbers is a calibrated probability of disease.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvlp.zeroshot.feature_checks import check_features
from medvlp.zeroshot.findings import TileScores, apply_heads
from medvlp.zeroshot.tiles import sigmoid, softmax, tile_cosines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from medvlp.config.task import Task
    from medvlp.zeroshot.classifier import TextClassifier

__all__ = ["CaseVerdict", "judge_units"]

_WORDS = {
    "ct": (("box", "boxes"), "scan"),
    "radiograph": (("image", "images"), "radiograph"),
}


@dataclass(frozen=True)
class CaseVerdict:
    """What a task says about one scan or image; letters: U units, K classes that are judged.

    Attributes:
        prediction: Name of the chosen class. Where several findings can be there at once
            (``present-absent``, ``multi-label``): the findings in the order of the task, joined
            with ``"; "``, else the normal class of the task, else ``none``.
        findings: The findings that are there, in the order of the task, empty for none of them;
            None where the deciding head chooses one class.
        confidence: ``probabilities[prediction]``; with several findings the probability of the
            least sure of its answers (``p`` where a finding is there, ``1 - p`` where it is not).
        probabilities: Class to softmax of the pooled cosines (one class is chosen; they sum to 1),
            or finding to its own probability (they do not).
        scores: Named results of all heads: ``mean_<class>``, ``top-<j>_<class>`` (cosines),
            ``present-absent_<class>``, ``multi-label_<class>`` (differences of cosines).
        unit_probabilities: The same for every unit by itself, shape ``(U, K)``, float32.
        unit_names: Names of the rows, as they were given.
        class_names: Names of the columns, the keys of ``probabilities`` in their order.
        strongest_units: Class to the unit with its largest probability; the first of equal ones.
        rule: How the prediction came about, in words.
        n_used: Number of units.
    """

    prediction: str
    findings: tuple[str, ...] | None
    confidence: float
    probabilities: Mapping[str, float]
    scores: Mapping[str, float]
    unit_probabilities: NDArray[np.float32]
    unit_names: tuple[str, ...]
    class_names: tuple[str, ...]
    strongest_units: Mapping[str, str]
    rule: str
    n_used: int


def judge_units(
    features: ArrayLike,
    unit_names: Sequence[str],
    classifier: TextClassifier,
    task: Task,
    *,
    normalize: bool = False,
) -> CaseVerdict:
    """Judge a case by the heads of a task; the first head decides, all of them give scores.

    Args:
        features: Projected, unit-length embeddings of the units, shape ``(U, D)``, U > 0.
        unit_names: Names of the units in the same order, such as ``left kidney``.
        classifier: The text classifier of this task.
        task: The task; its modality is ``ct`` or ``radiograph``.
        normalize: Whether features of another length than 1 are brought to unit length; by default
            they are refused, since they are a sign of unprojected features.

    Raises:
        FeatureError: MV1511 for another width than the classifier's, MV1512 for values that are not
            finite, MV1513 for features that are not of unit length.
        ValueError: If there are no units, their names do not fit, or task and classifier do not
            belong together.

    Source:
        CT-CLIP, github.com/ibrahimethemhamamci/CT-CLIP, pairs of present and absent; RenalCLIP,
        github.com/dt-yuhui/RenalCLIP, named classes.
    """
    _check_task(task, classifier)
    units, case = _WORDS[task.modality]
    rows = check_features(
        features, classifier.weights.shape[0], normalize=normalize, units=units, case=case
    )
    names = tuple(unit_names)
    if len(names) != len(rows):
        raise ValueError(f"there are {len(rows)} features but {len(names)} names of units")
    scored = _score_units(rows, classifier, units[1])
    first, scores = apply_heads(scored, task)
    judged = tuple(first.probabilities)
    per_unit = scored.pair_probabilities if first.found is not None else scored.probabilities
    strongest = per_unit.argmax(axis=0)
    return CaseVerdict(
        prediction=first.prediction,
        findings=first.found,
        confidence=first.confidence,
        probabilities=first.probabilities,
        scores=scores,
        unit_probabilities=per_unit.astype(np.float32),
        unit_names=names,
        class_names=judged,
        strongest_units={name: names[row] for name, row in zip(judged, strongest, strict=True)},
        rule=f"{task.heads[0]}: {first.rule}",
        n_used=len(rows),
    )


def _score_units(rows: NDArray[np.float32], classifier: TextClassifier, units: str) -> TileScores:
    if classifier.nearest is None:
        cosines = tile_cosines(rows, classifier.weights)
    else:
        cosines = classifier.nearest.cosines(rows)
    pairs = classifier.pairs
    differences = np.zeros((len(rows), 0)) if pairs is None else pairs.differences(rows)
    return TileScores(
        cosines=cosines,
        probabilities=softmax(classifier.logit_scale * cosines),
        logit_scale=classifier.logit_scale,
        class_names=classifier.class_names,
        units=units,
        pair_names=() if pairs is None else pairs.names,
        pair_differences=differences,
        pair_probabilities=sigmoid(classifier.logit_scale * differences),
    )


def _check_task(task: Task, classifier: TextClassifier) -> None:
    if task.modality not in _WORDS:
        raise ValueError(f"task {task.name} judges modality {task.modality!r}, not scans or images")
    found = classifier.pairs.names if classifier.pairs is not None else ()
    if task.classifier_classes != classifier.class_names or task.finding_names != found:
        raise ValueError(
            f"classifier has classes {classifier.class_names} and findings {found}, task "
            f"{task.name} has {task.classifier_classes} and {task.finding_names}"
        )
