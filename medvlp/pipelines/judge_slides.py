"""One model with one task: from a slide to its verdict."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from medvlp.config.runs import ModelRecord
from medvlp.config.task import SlideScale
from medvlp.errors import ConfigError
from medvlp.pipelines.embed import SlideEmbedder, model_key
from medvlp.pipelines.judge import Certainty, DiagnoseSettings, JudgingModel, PromptJudge
from medvlp.pipelines.slide_folder import SlideFinding
from medvlp.slides.survey import slide_content_sha256
from medvlp.zeroshot.heads import judge_slide

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from medvlp.config.task import Task
    from medvlp.embedding.tiles import EmbedSettings
    from medvlp.models.bundle import Bundle
    from medvlp.types import Case

__all__ = ["SlideJudge", "task_embed_settings"]


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


class SlideJudge(PromptJudge):
    """One model with one task: features and a verdict for each slide.

    Args:
        bundle: The model.
        task: The task.
        settings: Settings of the run.
        feature_root: Folder that holds ``features/<model>/``.
        certainty: What turns verdicts into confidences, nodes and prediction sets.

    Raises:
        ConfigError: MV1516 if the task's scale is not the model's and that was not allowed; and as
            :class:`CaseJudge`.
    """

    def __init__(
        self,
        bundle: Bundle,
        task: Task,
        settings: DiagnoseSettings,
        feature_root: Path,
        certainty: Certainty | None = None,
    ) -> None:
        embed = task_embed_settings(task, settings.embed)
        if not settings.allow_scale:
            _check_scale(bundle, task, embed)
        self.bundle = bundle
        self.embedder = SlideEmbedder(
            bundle.image_encoder,
            embed,
            feature_root / "features" / model_key(bundle.name),
            need_projected=True,
        )
        super().__init__(_judging_model(bundle), task, bundle.text_encoder.embed, certainty)

    def content_sha256(self, case: Case) -> str:
        """Return the hash of a slide as it lies there now."""
        return slide_content_sha256(case.path, case.companions)

    def deciding_settings(self) -> dict[str, object]:
        """Return tiles, tissue and how many tiles may fail."""
        embed = self.embedder.settings
        return {
            "tiling": asdict(embed.tiling),
            "tissue": asdict(embed.tissue),
            "max_failed_share": embed.max_failed_share,
        }

    def other_settings(self) -> dict[str, object]:
        """Return batch size and limits."""
        embed = self.embedder.settings
        return {"batch_size": embed.batch_size, "limits": asdict(embed.limits)}

    def judge(self, case: Case, folder: str, note_stage: Callable[[str], None]) -> SlideFinding:
        """Survey, encode and judge one slide.

        Args:
            case: The slide.
            folder: Subfolder for the pictures of this model and task.
            note_stage: Told what is being done, for the failure table.
        """
        note_stage("open slide")
        survey = self.embedder.survey(case)
        self.check_not_fitted_on(survey.content_sha256)
        features = self.embedder.load_or_embed(case, survey, note_stage)
        note_stage("judge slide")
        verdict = None
        if len(features.coords):
            verdict = judge_slide(
                features.features,
                features.coords,
                features.meta.step_px0,
                self.classifier,
                self.task,
            )
        row, notes = self.report(
            case,
            verdict,
            n_units=len(features.coords) + len(features.failed_coords),
            n_failed=len(features.failed_coords),
            content_sha256=survey.content_sha256,
        )
        return SlideFinding(
            case=case,
            row=row,
            task=self.task,
            survey=survey,
            features=features,
            verdict=verdict,
            limits=self.embedder.settings.limits,
            notes=notes,
            folder=folder,
        )


def _judging_model(bundle: Bundle) -> JudgingModel:
    encoder = bundle.image_encoder
    return JudgingModel(
        record=ModelRecord(
            name=bundle.name,
            modality="slide",
            weights_sha256=encoder.weights_sha256,
            embedding_dim=encoder.dim,
            logit_scale=bundle.logit_scale,
            licence=bundle.meta.license if bundle.meta else "",
        ),
        precision=encoder.precision,
        is_random=encoder.is_random,
        choice=bundle.meta.provenance.selection if bundle.meta else None,
    )


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
