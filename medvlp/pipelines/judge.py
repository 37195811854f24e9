"""One model with one task: from a slide to its verdict."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from medvlp import __version__
from medvlp.config.runs import PredictionRow
from medvlp.config.task import FittedThreshold, SlideScale, task_settings
from medvlp.embedding.tiles import EmbedSettings
from medvlp.errors import ConfigError, MedvlpError
from medvlp.pipelines.case_folder import Finding
from medvlp.pipelines.confidence import (
    Identity,
    LoadedCalibration,
    check_threshold,
    make_node_rule,
    match_calibration,
    report_confidence,
)
from medvlp.pipelines.embed import SlideEmbedder, model_key
from medvlp.zeroshot.classifier import build_classifier
from medvlp.zeroshot.heads import judge_slide

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from medvlp.config.task import Task
    from medvlp.knowledge.graph import KnowledgeGraph
    from medvlp.models.bundle import Bundle
    from medvlp.types import Case
    from medvlp.zeroshot.classifier import TextClassifier
    from medvlp.zeroshot.heads import SlideVerdict

__all__ = ["RANDOM_WEIGHTS", "Certainty", "DiagnoseSettings", "SlideJudge", "task_embed_settings"]

RANDOM_WEIGHTS = "The weights of this model are random: its answers mean nothing."


@dataclass(frozen=True, kw_only=True)
class DiagnoseSettings:
    """How a run is carried out, beside models and tasks."""

    embed: EmbedSettings
    """Tissue, batch size and limits; the scale of the tiles comes from the task."""

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


def task_embed_settings(task: Task, settings: EmbedSettings) -> EmbedSettings:
    """Return the settings of embedding with the tiles that a task asks for.

    Raises:
        ConfigError: MV1002 if the task is not one for slides.
    """
    if not isinstance(task.scale, SlideScale):
        raise ConfigError(
            "MV1002",
            f"task {task.name} is for {task.modality}",
            expected="a task with modality slide and a scale in mpp and tile_px",
        )
    tiling = replace(
        settings.tiling,
        mpp=task.scale.mpp,
        tile_px=task.scale.tile_px,
        overlap=task.scale.overlap,
    )
    return replace(settings, tiling=tiling)


class SlideJudge:
    """One model with one task: features and a verdict for each slide.

    Args:
        bundle: The model.
        task: The task.
        settings: Settings of the run.
        feature_root: Folder that holds ``features/<model>/``.
        certainty: What turns verdicts into confidences, nodes and prediction sets.

    Raises:
        ConfigError: MV1516 if the task's scale is not the model's and that was not allowed; MV1521
            if its threshold was fitted for other scores; MV1525 or MV1526 if the graph does not fit
            its classes.
    """

    def __init__(
        self,
        bundle: Bundle,
        task: Task,
        settings: DiagnoseSettings,
        feature_root: Path,
        certainty: Certainty | None = None,
    ) -> None:
        self.bundle = bundle
        self.task = task
        embed = task_embed_settings(task, settings.embed)
        if not settings.allow_scale:
            _check_scale(bundle, task, embed)
        self.embedder = SlideEmbedder(
            bundle.image_encoder,
            embed,
            feature_root / "features" / model_key(bundle.name),
            need_projected=True,
        )
        self.classifier: TextClassifier = build_classifier(
            bundle.text_encoder.embed, task, bundle.logit_scale
        )
        self.identity = Identity(
            model=bundle.name,
            weights_sha256=bundle.image_encoder.weights_sha256,
            task=task,
            classifier_sha256=self.classifier.fingerprint,
        )
        if isinstance(task.threshold, FittedThreshold):
            check_threshold(task.threshold.fitted, task.threshold.file.name, self.identity)
        self.certainty = certainty or Certainty()
        self.calibration = match_calibration(self.certainty.calibrations, self.identity)
        self.nodes = make_node_rule(task, self.certainty.graph, self.certainty.confidence)

    def parameters(self) -> dict[str, object]:
        """Return what decides the verdicts, as plain values for hashing."""
        embed = self.embedder.settings
        return {
            "model": self.bundle.name,
            "weights": self.bundle.image_encoder.weights_sha256,
            "classifier": self.classifier.fingerprint,
            "precision": self.bundle.image_encoder.precision,
            "task": task_settings(self.task),
            "tiling": asdict(embed.tiling),
            "tissue": asdict(embed.tissue),
            "max_failed_share": embed.max_failed_share,
            "calibration": self.calibration.sha256 if self.calibration else None,
            "graph": self.certainty.graph.content_sha256 if self.certainty.graph else None,
            "confidence": self.nodes.confidence if self.nodes else None,
            "version": __version__,
        }

    def judge(self, case: Case, folder: str, note_stage: Callable[[str], None]) -> Finding:
        """Survey, encode and judge one slide.

        Args:
            case: The slide.
            folder: Subfolder for the pictures of this model and task.
            note_stage: Told what is being done, for the failure table.
        """
        note_stage("open slide")
        survey = self.embedder.survey(case)
        self._check_not_fitted_on(survey.content_sha256)
        features = self.embedder.load_or_embed(case, survey, note_stage)
        note_stage("judge slide")
        row = PredictionRow(
            case_id=case.case_id,
            model=self.bundle.name,
            task=self.task.name,
            modality=case.modality,
            status="no-tissue",
            n_units=len(features.coords) + len(features.failed_coords),
            n_failed=len(features.failed_coords),
        )
        verdict, notes = None, tuple[str, ...]()
        if len(features.coords):
            verdict = judge_slide(
                features.features,
                features.coords,
                features.meta.step_px0,
                self.classifier,
                self.task,
            )
            row = replace(
                row,
                status="diagnosed",
                prediction=verdict.prediction,
                confidence=verdict.confidence,
                n_used=verdict.n_used,
                probabilities=dict(verdict.probabilities),
                scores=dict(verdict.scores),
                node=self.task.classes[verdict.prediction].concept,
            )
            row, notes = report_confidence(
                row,
                verdict,
                self.task,
                calibration=self.calibration,
                nodes=self.nodes,
                content_sha256=survey.content_sha256,
            )
        return Finding(
            row=row,
            task=self.task,
            survey=survey,
            features=features,
            verdict=verdict,
            notes=(*self._notes(verdict), *notes),
            folder=folder,
        )

    def _check_not_fitted_on(self, content_sha256: str) -> None:
        threshold = self.task.threshold
        if not isinstance(threshold, FittedThreshold):
            return
        if content_sha256 in threshold.fitted.cases.content_sha256:
            raise MedvlpError(
                "MV1523",
                f"the threshold of task {self.task.name} was fitted on this slide",
                expected="slides that are not in the set of the threshold",
                hint=f"leave the slide out, or fit {threshold.file.name} on other slides",
            )

    def _notes(self, verdict: SlideVerdict | None) -> tuple[str, ...]:
        rule = (verdict.rule,) if verdict is not None and verdict.rule else ()
        return (*rule, RANDOM_WEIGHTS) if self.bundle.image_encoder.is_random else rule


def _check_scale(bundle: Bundle, task: Task, embed: EmbedSettings) -> None:
    encoder = bundle.image_encoder
    wanted = embed.tiling
    for name, model_value, task_value in (
        ("mpp", encoder.mpp, wanted.mpp),
        ("tile_px", encoder.tile_px, wanted.tile_px),
    ):
        if model_value is not None and abs(model_value - task_value) > 1e-6 * task_value:
            raise ConfigError(
                "MV1516",
                f"task {task.name} asks for {name} {task_value:g}, but model {bundle.name} was "
                f"trained at {model_value:g}",
                expected="the same scale",
                hint="change the scale of the task, or pass --allow-scale",
            )
