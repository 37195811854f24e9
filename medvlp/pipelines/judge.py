"""One model with one task, whatever the modality: the parts that all kinds of cases share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from medvlp import __version__
from medvlp.config.runs import ModelRecord, PredictionRow
from medvlp.config.task import FittedThreshold, task_settings
from medvlp.embedding.radiographs import RadiographSettings
from medvlp.embedding.tiles import EmbedSettings
from medvlp.embedding.volumes import ScanSettings
from medvlp.errors import MedvlpError
from medvlp.pipelines.confidence import (
    Identity,
    LoadedCalibration,
    Verdict,
    check_threshold,
    make_node_rule,
    match_calibration,
    report_confidence,
)
from medvlp.zeroshot.classifier import build_classifier

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from medvlp.config.selection import SelectionRecord
    from medvlp.config.task import Task
    from medvlp.knowledge.graph import KnowledgeGraph
    from medvlp.pipelines.case_folder import CaseFinding
    from medvlp.types import Case, Modality
    from medvlp.zeroshot.classifier import TextClassifier

__all__ = [
    "RANDOM_WEIGHTS",
    "Asked",
    "CaseJudge",
    "Certainty",
    "DiagnoseSettings",
    "JudgingModel",
    "PromptJudge",
]

_NO_NODES = (
    "Findings of this task can be there at once, so none is reported at a node of the graph."
)

RANDOM_WEIGHTS = "The weights of this model are random: its answers mean nothing."


@dataclass(frozen=True, kw_only=True)
class DiagnoseSettings:
    """How a run is carried out, beside models and tasks."""

    embed: EmbedSettings = field(default_factory=EmbedSettings)
    """Tissue, batch size and limits; the scale of the tiles comes from the task."""

    scans: ScanSettings = field(default_factory=ScanSettings)
    """What is accepted of scans and masks, batch size and limits; boxes come from the model."""

    radiographs: RadiographSettings = field(default_factory=RadiographSettings)
    """Window and limits of X-rays; their size comes from the model."""

    allow_scale: bool = False
    """Accept a task whose scale is not the one that the model was trained at."""

    features: Path | None = None
    """Folder of an earlier ``medvlp embed`` whose features are reused; the run's own by default."""

    calibrations: tuple[Path, ...] = ()
    """Files of ``medvlp calibrate``; each must fit one of the models with one of the tasks."""

    graph: Path | None = None
    """Knowledge graph whose nodes cases are reported at."""

    confidence: float | None = None
    """Least probability of the node that a case is reported at; 0.9 where a graph is given."""


@dataclass(frozen=True, kw_only=True)
class Certainty:
    """What turns verdicts into confidences, nodes and prediction sets, read from its files."""

    calibrations: tuple[LoadedCalibration, ...] = ()
    """Calibrations of several models and tasks."""

    graph: KnowledgeGraph | None = None
    """The graph above the concepts of the classes."""

    confidence: float | None = None
    """Least probability of a node."""


@dataclass(frozen=True, kw_only=True)
class JudgingModel:
    """What a judge needs to know of a model, whatever it takes.

    Attributes:
        record: What ``run.json`` says of it.
        precision: Arithmetic of its encoder.
        is_random: Whether its weights were never trained.
        choice: What its weights were chosen on; None where that is not on record.
    """

    record: ModelRecord
    precision: str
    is_random: bool
    choice: SelectionRecord | None = None


class Asked(Protocol):
    """What a model is asked by a task, such as the classifier that prompts make."""

    @property
    def fingerprint(self) -> str:
        """Hash of everything on the side of the question that decides a verdict."""

    @property
    def logit_scale(self) -> float | None:
        """Multiplier of cosines, None where none are compared."""

    @property
    def prompts(self) -> Mapping[str, tuple[str, ...]]:
        """Class name to the texts that stand for it."""

    @property
    def rule(self) -> str:
        """How the texts became what the image is compared with, in words."""


class CaseJudge(ABC):
    """One model with one task: from a case to its verdict.

    Args:
        model: The model.
        task: The task.
        asked: What the model is asked.
        certainty: What turns verdicts into confidences, nodes and prediction sets.

    Raises:
        ConfigError: MV1521 if the threshold of the task was fitted for other scores; MV1525 or
            MV1526 if the graph does not fit its classes.
    """

    def __init__(
        self, model: JudgingModel, task: Task, asked: Asked, certainty: Certainty | None
    ) -> None:
        self.model = model
        self.task = task
        self.asked = asked
        self.identity = Identity(
            model=model.record.name,
            weights_sha256=model.record.weights_sha256,
            task=task,
            classifier_sha256=self.asked.fingerprint,
        )
        if isinstance(task.threshold, FittedThreshold):
            check_threshold(task.threshold.fitted, task.threshold.file.name, self.identity)
        self.certainty = certainty or Certainty()
        self.calibration = match_calibration(self.certainty.calibrations, self.identity)
        self.nodes = make_node_rule(task, self.certainty.graph, self.certainty.confidence)

    @abstractmethod
    def content_sha256(self, case: Case) -> str:
        """Return the hash of a case as it lies there now."""

    @abstractmethod
    def judge(self, case: Case, folder: str, note_stage: Callable[[str], None]) -> CaseFinding:
        """Look at a case, encode it and judge it.

        Args:
            case: The case.
            folder: Subfolder for the pictures of this model and task.
            note_stage: Told what is being done, for the failure table.
        """

    @abstractmethod
    def deciding_settings(self) -> dict[str, object]:
        """Return the settings of reading and encoding that decide the verdicts."""

    @abstractmethod
    def other_settings(self) -> dict[str, object]:
        """Return the settings of reading and encoding that do not decide the verdicts."""

    @property
    def modality(self) -> Modality:
        """What kind of cases it judges."""
        return self.model.record.modality

    def parameters(self) -> dict[str, object]:
        """Return what decides the verdicts, as plain values for hashing."""
        return {
            "model": self.model.record.name,
            "weights": self.model.record.weights_sha256,
            "classifier": self.asked.fingerprint,
            "precision": self.model.precision,
            "task": task_settings(self.task),
            "calibration": self.calibration.sha256 if self.calibration else None,
            "graph": self.certainty.graph.content_sha256 if self.certainty.graph else None,
            "confidence": self.nodes.confidence if self.nodes else None,
            "version": __version__,
            **self.deciding_settings(),
        }

    def configuration(self) -> dict[str, object]:
        """Return every setting, for ``run.json``."""
        return {
            "model": self.model.record.name,
            "task": self.task.name,
            "modality": self.modality,
            "classifier_sha256": self.asked.fingerprint,
            "calibration_sha256": self.calibration.sha256 if self.calibration else None,
            "confidence": self.nodes.confidence if self.nodes else None,
            "precision": self.model.precision,
            **self.deciding_settings(),
            **self.other_settings(),
        }

    def check_not_fitted_on(self, content_sha256: str) -> None:
        """Refuse a case that the threshold of the task was fitted on.

        Raises:
            MedvlpError: MV1523.
        """
        threshold = self.task.threshold
        if not isinstance(threshold, FittedThreshold):
            return
        if content_sha256 in threshold.fitted.cases.content_sha256:
            raise MedvlpError(
                "MV1523",
                f"the threshold of task {self.task.name} was fitted on this case",
                expected="cases that are not in the set of the threshold",
                hint=f"leave the case out, or fit {threshold.file.name} on others",
            )

    def report(
        self,
        case: Case,
        verdict: Verdict | None,
        *,
        n_units: int,
        n_failed: int,
        content_sha256: str,
        findings: tuple[str, ...] | None = None,
    ) -> tuple[PredictionRow, tuple[str, ...]]:
        """Make the line of the prediction table, and the sentences that go with it.

        Args:
            case: The case.
            verdict: What the task says; None where there was nothing to judge.
            n_units: Units planned.
            n_failed: Units that could not be read.
            content_sha256: Hash of the case, to tell whether it is a calibration case.
            findings: What is there, of a task whose findings can be there at once.

        Raises:
            MedvlpError: MV1523 if the threshold of the task was fitted on the case.
        """
        self.check_not_fitted_on(content_sha256)
        row = PredictionRow(
            case_id=case.case_id,
            model=self.model.record.name,
            task=self.task.name,
            modality=case.modality,
            status="no-tissue",
            n_units=n_units,
            n_failed=n_failed,
        )
        random = (RANDOM_WEIGHTS,) if self.model.is_random else ()
        if verdict is None:
            return row, random
        chosen = self.task.classes.get(verdict.prediction)
        row = replace(
            row,
            status="diagnosed",
            prediction=verdict.prediction,
            findings=findings,
            confidence=verdict.confidence,
            n_used=verdict.n_used,
            probabilities=dict(verdict.probabilities),
            scores=dict(verdict.scores),
            node=chosen.concept if chosen else None,
        )
        row, notes = report_confidence(
            row,
            verdict,
            self.task,
            calibration=self.calibration,
            nodes=self.nodes,
            content_sha256=content_sha256,
        )
        rule = (verdict.rule,) if verdict.rule else ()
        wanted = self.certainty.graph is not None or self.certainty.confidence is not None
        no_nodes = (_NO_NODES,) if wanted and self.nodes is None else ()
        return row, (*rule, *random, *notes, *no_nodes)


class PromptJudge(CaseJudge):
    """A judge that compares embeddings of images with those of the prompts of its task.

    Args:
        model: The model.
        task: The task.
        embed_text: Texts to unit vectors, shape ``(n, D)``, float32.
        certainty: What turns verdicts into confidences, nodes and prediction sets.

    Raises:
        ConfigError: As :class:`CaseJudge`, and what :func:`build_classifier` raises.
    """

    def __init__(
        self,
        model: JudgingModel,
        task: Task,
        embed_text: Callable[[Sequence[str]], NDArray[np.float32]],
        certainty: Certainty | None,
    ) -> None:
        self.classifier: TextClassifier = build_classifier(
            embed_text, task, model.record.logit_scale
        )
        super().__init__(model, task, self.classifier, certainty)
