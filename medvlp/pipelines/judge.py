"""One model with one task: from a slide to its verdict."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from medvlp import __version__
from medvlp.config.runs import PredictionRow
from medvlp.config.task import SlideScale
from medvlp.embedding.tiles import EmbedSettings
from medvlp.errors import ConfigError
from medvlp.pipelines.case_folder import Finding
from medvlp.pipelines.embed import SlideEmbedder, model_key
from medvlp.zeroshot.classifier import build_classifier
from medvlp.zeroshot.heads import judge_slide

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from medvlp.config.task import Task
    from medvlp.models.bundle import Bundle
    from medvlp.types import Case
    from medvlp.zeroshot.classifier import TextClassifier
    from medvlp.zeroshot.heads import SlideVerdict

__all__ = ["RANDOM_WEIGHTS", "DiagnoseSettings", "SlideJudge", "task_embed_settings"]

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

    Raises:
        ConfigError: MV1516 if the task's scale is not the model's and that was not allowed.
    """

    def __init__(
        self, bundle: Bundle, task: Task, settings: DiagnoseSettings, feature_root: Path
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

    def parameters(self) -> dict[str, object]:
        """Return what decides the verdicts, as plain values for hashing."""
        embed = self.embedder.settings
        return {
            "model": self.bundle.name,
            "weights": self.bundle.image_encoder.weights_sha256,
            "classifier": self.classifier.fingerprint,
            "precision": self.bundle.image_encoder.precision,
            "task": self.task.model_dump(mode="json"),
            "tiling": asdict(embed.tiling),
            "tissue": asdict(embed.tissue),
            "max_failed_share": embed.max_failed_share,
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
        verdict = None
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
        return Finding(
            row=row,
            task=self.task,
            survey=survey,
            features=features,
            verdict=verdict,
            notes=self._notes(verdict),
            folder=folder,
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
