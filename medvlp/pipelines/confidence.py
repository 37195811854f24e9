"""What a verdict becomes with a calibration and a graph: confidence, node and prediction set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from medvlp.config.calibrations import read_confidence_calibration
from medvlp.config.runs import CalibrationRecord
from medvlp.config.task import FINDING_HEADS, task_settings
from medvlp.errors import ConfigError
from medvlp.io import content_sha256, json_sha256
from medvlp.zeroshot.calibration import calibrated_probabilities, case_logits
from medvlp.zeroshot.conformal import prediction_sets
from medvlp.zeroshot.findings import deciding_classes
from medvlp.zeroshot.hierarchy import build_hierarchy
from medvlp.zeroshot.tiles import softmax

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from medvlp.config.calibrations import (
        CalibratedModel,
        CalibratedTask,
        ConfidenceCalibration,
        FindingThresholds,
        TileThreshold,
    )
    from medvlp.config.runs import PredictionRow
    from medvlp.config.task import Task
    from medvlp.zeroshot.hierarchy import ClassHierarchy, Ontology

__all__ = [
    "DEFAULT_CONFIDENCE",
    "Identity",
    "LoadedCalibration",
    "NodeRule",
    "Verdict",
    "check_threshold",
    "load_calibrations",
    "make_node_rule",
    "match_calibration",
    "report_confidence",
    "unused_calibration",
]

DEFAULT_CONFIDENCE = 0.9
"""Least probability of the node that a case is reported at, where a graph is given."""

_SAME_CASE = (
    "This case is in the calibration set: its confidence and its set are those of no new case."
)


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What decides the scores of a model with a task."""

    model: str
    weights_sha256: str
    task: Task
    classifier_sha256: str

    @property
    def settings_sha256(self) -> str:
        """Hash of all settings of the task."""
        return json_sha256(task_settings(self.task))


@dataclass(frozen=True)
class LoadedCalibration:
    """A calibration and the hash of its file."""

    name: str
    sha256: str
    content: ConfidenceCalibration

    def record(self) -> CalibrationRecord:
        """Return what ``run.json`` says of it."""
        found = self.content
        return CalibrationRecord(
            model=found.model.name,
            task=found.task.name,
            source_sha256=self.sha256,
            temperature=found.temperature.value,
            alpha=found.sets.alpha,
            method=found.sets.method,
            num_cases=found.cases.number,
            coverage=found.sets.coverage,
            ece_left_out=found.temperature.ece_left_out,
        )


class Verdict(Protocol):
    """What the heads of a task say about a case; see those of ``medvlp.zeroshot``."""

    @property
    def prediction(self) -> str:
        """The chosen class, or the findings in one text."""

    @property
    def confidence(self) -> float:
        """How sure the deciding head is, 0 to 1; not calibrated."""

    @property
    def probabilities(self) -> Mapping[str, float]:
        """Score of each class that the deciding head looks at, 0 to 1."""

    @property
    def scores(self) -> Mapping[str, float]:
        """Named results of all heads."""

    @property
    def rule(self) -> str:
        """How the prediction came about, in words."""

    @property
    def n_used(self) -> int:
        """Number of units that counted."""


@dataclass(frozen=True)
class NodeRule:
    """Where a case is reported: the deepest node of at least this probability."""

    hierarchy: ClassHierarchy
    confidence: float


def load_calibrations(paths: Sequence[Path]) -> tuple[LoadedCalibration, ...]:
    """Read calibration files.

    Raises:
        ConfigError: MV1520 and others of ``read_confidence_calibration``.
    """
    return tuple(
        LoadedCalibration(path.name, content_sha256(path), read_confidence_calibration(path))
        for path in paths
    )


def make_node_rule(
    task: Task, ontology: Ontology | None, confidence: float | None
) -> NodeRule | None:
    """Return the rule for nodes, or None where neither a graph nor a confidence is given.

    There is none for a task whose findings can be there at once: its probabilities are no
    distribution that could be summed up the graph.

    Raises:
        ConfigError: MV1525 or MV1526 if the graph does not fit the task.
    """
    if (ontology is None and confidence is None) or task.heads[0] in FINDING_HEADS:
        return None
    concepts = {name: task.classes[name].concept for name in deciding_classes(task)}
    wanted = DEFAULT_CONFIDENCE if confidence is None else confidence
    return NodeRule(build_hierarchy(concepts, ontology), wanted)


def match_calibration(
    calibrations: Sequence[LoadedCalibration], identity: Identity
) -> LoadedCalibration | None:
    """Return the calibration that was fitted for a model and a task; the last of several."""
    found = None
    for loaded in calibrations:
        content = loaded.content
        if not _differences(content.model, content.task, identity, with_settings=True):
            found = loaded
    return found


def unused_calibration(loaded: LoadedCalibration, identities: Sequence[Identity]) -> ConfigError:
    """Return the error of a calibration that fits no model and task of the run."""
    content = loaded.content
    found = [
        _differences(content.model, content.task, identity, with_settings=True)
        for identity in identities
    ]
    nearest = min(found, key=len, default=["there is no model with a task"])
    return ConfigError(
        "MV1521",
        f"{loaded.name} was fitted for model {content.model.name} with task {content.task.name}; "
        + ("; ".join(nearest) or "another calibration that is given fits the same"),
        expected="the model, the task and the prompts that it was fitted for",
        hint="calibrate again with 'medvlp calibrate' on a run of this model and task",
    )


def check_threshold(
    fitted: TileThreshold | FindingThresholds, name: str, identity: Identity
) -> None:
    """Refuse thresholds of tiles or of findings that were fitted for other scores.

    Raises:
        ConfigError: MV1521 if model, prompts or classes differ.
    """
    found = _differences(fitted.model, fitted.task, identity, with_settings=False)
    if fitted.kind == "tile-threshold" and fitted.positive != identity.task.positive:
        found.append(f"it is for class {fitted.positive!r}, not {identity.task.positive!r}")
    if found:
        raise ConfigError(
            "MV1521",
            f"the threshold of task {identity.task.name} is from {name}; " + "; ".join(found),
            expected="a threshold fitted for this model with these prompts",
            hint="fit it again with 'medvlp calibrate', --fit threshold or --thresholds",
        )


def _differences(
    model: CalibratedModel, task: CalibratedTask, identity: Identity, *, with_settings: bool
) -> list[str]:
    """Say what of a model and a task is not what a calibration was fitted for."""
    pairs = [
        ("weights", model.weights_sha256, identity.weights_sha256),
        ("prompts or logit scale", task.classifier_sha256, identity.classifier_sha256),
    ]
    if with_settings:
        pairs.append(("settings of the task", task.settings_sha256, identity.settings_sha256))
    found = [
        f"the {what} have hash {theirs[:12]} there and {ours[:12]} here"
        for what, theirs, ours in pairs
        if theirs != ours
    ]
    classes = deciding_classes(identity.task)
    if with_settings and task.classes != classes:
        found.append(f"its classes are {list(task.classes)}, not {list(classes)}")
    return found


def report_confidence(
    row: PredictionRow,
    verdict: Verdict,
    task: Task,
    *,
    calibration: LoadedCalibration | None,
    nodes: NodeRule | None,
    content_sha256: str,
) -> tuple[PredictionRow, tuple[str, ...]]:
    """Fill confidence, probabilities, node and prediction set of a row.

    The prediction stays that of the rule. Prediction sets are made of the scores as they are and
    not of the calibrated ones: the temperature was fitted on the same cases as the threshold of the
    sets, and would cost them their guarantee.

    Args:
        row: A row with prediction and scores.
        verdict: The verdict of the task's first head.
        task: The task.
        calibration: The calibration of this model and task, if there is one.
        nodes: Where the case is reported, if that is asked for.
        content_sha256: Hash of the case, to tell whether it is a calibration case.

    Returns:
        The row, and sentences for the report.
    """
    if calibration is None and nodes is None:
        return row, ()
    names = deciding_classes(task)
    shares = [[verdict.probabilities[name] for name in names]]
    logits = case_logits(shares, [verdict.n_used], head=task.heads[0], min_ratio=task.min_ratio)
    probabilities = softmax(logits)[0]
    notes: list[str] = []
    if calibration is not None:
        fitted = calibration.content
        chosen = _prediction_set(probabilities, fitted)
        probabilities = calibrated_probabilities(logits, fitted.temperature.value)[0]
        row = replace(
            row,
            probabilities=dict(zip(names, probabilities.tolist(), strict=True)),
            confidence=float(probabilities[names.index(verdict.prediction)]),
            prediction_set=tuple(n for n, held in zip(names, chosen, strict=True) if held),
        )
        if content_sha256 in fitted.cases.content_sha256:
            notes.append(_SAME_CASE)
    if nodes is not None:
        choice = nodes.hierarchy.choose(probabilities, nodes.confidence)
        row = replace(
            row, node=choice.node, node_path=choice.path, node_confidence=choice.confidence
        )
        if calibration is None:
            notes.append("No calibration was given: the confidence of the node is not calibrated.")
    return row, tuple(notes)


def _prediction_set(
    probabilities: NDArray[np.float64], fitted: ConfidenceCalibration
) -> list[bool]:
    threshold = np.inf if fitted.sets.threshold is None else fitted.sets.threshold
    found: list[bool] = prediction_sets(probabilities[None], threshold, fitted.sets.method)[
        0
    ].tolist()
    return found
