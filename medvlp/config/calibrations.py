"""Calibration files: what was fitted on which cases, for one model and one task, as JSON.

Three kinds: ``confidence`` holds a temperature and the threshold of prediction sets, as
``medvlp calibrate RUN LABELS.csv`` writes them for ``medvlp zero-shot --calibration``;
``tile-threshold`` holds the probability above which a tile is positive, and ``finding-thresholds``
those above which findings are there, for a task to name under ``threshold``. All list the contents
of their cases, so that no case is judged by itself.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from pydantic import Field

from medvlp.config.documents import read_text_file
from medvlp.config.strict import StrictModel, parse_model
from medvlp.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "CalibratedModel",
    "CalibratedTask",
    "CalibrationCases",
    "ConfidenceCalibration",
    "FindingThreshold",
    "FindingThresholds",
    "PredictionSets",
    "ReportedNodes",
    "Temperature",
    "ThresholdRule",
    "TileThreshold",
    "read_confidence_calibration",
    "read_finding_thresholds",
    "read_tile_threshold",
]

_MAX_BYTES = 64 * 2**20

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]


class CalibratedModel(StrictModel):
    """The model that the scores came from."""

    name: str
    """Name of the model in the tables of its run."""
    weights_sha256: str
    """Hash of its weights."""


class CalibratedTask(StrictModel):
    """The task that the scores answer."""

    name: str
    """Name of the task."""
    settings_sha256: str
    """Hash of all its settings."""
    classifier_sha256: str
    """Hash of the text classifier: class columns, names, logit scale, prompts to screen."""
    head: str
    """The rule that decides."""
    classes: Annotated[tuple[str, ...], Field(min_length=2)]
    """Classes that the rule can choose, in order."""


class CalibrationCases(StrictModel):
    """The cases that a calibration was fitted on."""

    run: str
    """Name of the run folder that they were judged in."""
    labels_sha256: str
    """Hash of the table of labels or masks."""
    number: Annotated[int, Field(gt=0)]
    """How many cases."""
    num_groups: Annotated[int, Field(gt=0)]
    """How many groups, such as patients, they belong to."""
    class_counts: dict[str, Count]
    """Cases, or tiles, of each class."""
    left_out: dict[str, Count]
    """Rows of the table, and cases of the run, that were not used, by reason."""
    content_sha256: tuple[str, ...]
    """Hash of the content of each case, sorted."""
    split: str = ""
    """Name of their part of the data; empty where the table has no column for it."""
    on_test: bool = False
    """Whether they are test cases, which a user has allowed."""


class Temperature(StrictModel):
    """The temperature, and what it is worth."""

    value: Positive
    """Divisor of the logits of a case."""
    rule: Literal["likelihood", "all-right", "no-information"]
    """How it was found."""
    accuracy: Share
    """Share of the cases that are predicted rightly."""
    nll_before: float
    """Mean negative log-likelihood of the scores as they are, in nats."""
    nll_after: float
    """The same at the temperature."""
    nll_left_out: float
    """The same on left-out folds, at the temperature of the other folds."""
    ece_before: Share
    """Expected calibration error of the scores as they are."""
    ece_after: Share
    """The same at the temperature."""
    ece_left_out: Share
    """The same on left-out folds, at the temperature of the other folds."""


class PredictionSets(StrictModel):
    """The threshold of prediction sets, and what they are worth on left-out folds."""

    method: Literal["lac", "aps"]
    """How a set is made of the scores of a case."""
    alpha: Annotated[float, Field(gt=0, lt=1)]
    """Error rate: a set misses the true class at most so often."""
    threshold: float | None
    """Largest score of a class in a set; null where there are too few cases: all classes then."""
    required_cases: Count
    """Cases that the error rate needs."""
    coverage: Share
    """Share of left-out cases whose set holds their class."""
    coverage_low: Share
    """Lower end of its binomial interval (95 %)."""
    coverage_high: Share
    """Upper end of the same."""
    mean_size: Positive
    """Mean number of classes in a set, left-out cases."""
    share_of_full_sets: Share
    """Share of left-out cases whose set holds every class."""


class ReportedNodes(StrictModel):
    """Where cases are reported in a graph, and how often rightly, on left-out folds."""

    graph_sha256: str
    """Hash of the graph; empty where the nodes are the classes."""
    confidence: Share
    """Least probability of a node."""
    right: Share
    """Share of left-out cases whose class is at or below their node."""
    right_low: Share
    """Lower end of its binomial interval (95 %)."""
    right_high: Share
    """Upper end of the same."""
    share_at_class: Share
    """Share of left-out cases that are reported at a single class."""
    share_at_root: Share
    """Share of left-out cases that are reported at the root, which says nothing."""


class ConfidenceCalibration(StrictModel):
    """How the scores of a model and a task become probabilities and prediction sets."""

    kind: Literal["confidence"] = "confidence"
    medvlp_version: str
    """Version that wrote the file."""
    model: CalibratedModel
    task: CalibratedTask
    cases: CalibrationCases
    temperature: Temperature
    sets: PredictionSets
    nodes: ReportedNodes | None = None


class TileThreshold(StrictModel):
    """The probability above which a tile is positive, by Youden's index on slides with masks."""

    kind: Literal["tile-threshold"] = "tile-threshold"
    medvlp_version: str
    """Version that wrote the file."""
    model: CalibratedModel
    task: CalibratedTask
    cases: CalibrationCases
    positive: str
    """Class that the threshold is for."""
    threshold: Annotated[float, Field(gt=0, lt=1)]
    """A tile is positive above it."""
    youden_index: Annotated[float, Field(ge=-1, le=1)]
    """Sensitivity plus specificity minus 1 over the tiles of the set."""
    auroc: Share
    """Area under the ROC curve over the tiles of the set."""


ThresholdRule = Literal["max-f1", "youden", "mcc"]
"""What is largest at the threshold of a finding: F1, sensitivity + specificity - 1, or Matthews'
correlation."""


class FindingThreshold(StrictModel):
    """The threshold of one finding, and what it was fitted on."""

    threshold: Annotated[float, Field(gt=0, lt=1)]
    """The finding is there above it."""
    is_fitted: bool
    """False where nothing could be fitted, and the threshold is the one of the run."""
    why: str = ""
    """Why it was not fitted."""
    value: float | None = None
    """The figure of the rule at the threshold, on the cases that it was fitted on."""
    value_before: float | None = None
    """The same at the threshold of the run."""
    num_positive: Count
    """Cases with label 1."""
    num_negative: Count
    """Cases with label 0."""
    num_uncertain: Count
    """Cases with label -1, which were left out."""
    num_unlabelled: Count
    """Cases without a label, which were left out."""


class FindingThresholds(StrictModel):
    """The probabilities above which findings are there, each fitted by itself on labelled cases."""

    kind: Literal["finding-thresholds"] = "finding-thresholds"
    medvlp_version: str
    """Version that wrote the file."""
    model: CalibratedModel
    task: CalibratedTask
    cases: CalibrationCases
    rule: ThresholdRule
    """What is largest at each threshold."""
    findings: Annotated[dict[str, FindingThreshold], Field(min_length=1)]
    """The thresholds, by class of the task."""


_Kind = TypeVar("_Kind", ConfidenceCalibration, TileThreshold, FindingThresholds)


def read_confidence_calibration(path: Path) -> ConfidenceCalibration:
    """Read what ``medvlp calibrate`` wrote for ``--calibration``.

    Args:
        path: The JSON file.

    Raises:
        ConfigError: MV1004 if the file cannot be read, MV1520 if it is no such file, MV1001 or
            MV1002 for a key or a value that is wrong.
    """
    return _read(path, ConfidenceCalibration, "confidence")


def read_tile_threshold(path: Path) -> TileThreshold:
    """Read a threshold of tiles that a task names.

    Args:
        path: The JSON file.

    Raises:
        ConfigError: As :func:`read_confidence_calibration`.
    """
    return _read(path, TileThreshold, "tile-threshold")


def read_finding_thresholds(path: Path) -> FindingThresholds:
    """Read thresholds of findings that a task names.

    Args:
        path: The JSON file.

    Raises:
        ConfigError: As :func:`read_confidence_calibration`.
    """
    return _read(path, FindingThresholds, "finding-thresholds")


def _read(path: Path, model: type[_Kind], kind: str) -> _Kind:
    try:
        document = json.loads(read_text_file(path, max_bytes=_MAX_BYTES))
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            "MV1520", f"{path} is not valid JSON ({error})", expected=f"a calibration of {kind}"
        ) from error
    found = document.get("kind") if isinstance(document, dict) else None
    if found != kind:
        raise ConfigError(
            "MV1520",
            f"{path} is {'no calibration' if found is None else f'a calibration of {found!r}'}",
            expected=f"a calibration of {kind}",
            hint="write it with 'medvlp calibrate'",
        )
    return parse_model(document, model, source=str(path))
