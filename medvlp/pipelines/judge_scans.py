"""One model with one task: from a CT scan to its verdict."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from medvlp.config.runs import ModelRecord
from medvlp.config.task import CtScale
from medvlp.errors import ConfigError
from medvlp.pipelines.embed import model_key
from medvlp.pipelines.embed_scans import ScanEmbedder
from medvlp.pipelines.judge import Certainty, DiagnoseSettings, JudgingModel, PromptJudge
from medvlp.pipelines.scan_desk import ScanDesk
from medvlp.pipelines.scan_folder import ScanFinding, scan_notes
from medvlp.volumes.case_scan import case_content_sha256
from medvlp.zeroshot.units import judge_units

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from medvlp.config.task import Task
    from medvlp.models.volume.bundle import VolumeBundle
    from medvlp.types import Case, VolumePreprocessing

__all__ = ["ScanJudge", "make_desk", "scale_differences"]


class ScanJudge(PromptJudge):
    """One model with one task: boxes, features and a verdict for each scan.

    The boxes are those of the model, since a network takes boxes of one size only. A task states
    the scale that it is meant for; where that is another and ``allow_scale`` is set, the report
    says so.

    Args:
        bundle: The model.
        task: The task.
        settings: Settings of the run.
        feature_root: Folder that holds ``features/<model>/``.
        certainty: What turns verdicts into confidences, nodes and prediction sets.
        desk: Shared by the tasks of one model, so that a scan is looked at once; its own by
            default.

    Raises:
        ConfigError: MV1002 if the task is not for CT; MV1516 if its scale is not the model's and
            that was not allowed; and as :class:`CaseJudge`.
        ModelError: MV1448 if the model has no texts.
    """

    def __init__(
        self,
        bundle: VolumeBundle,
        task: Task,
        settings: DiagnoseSettings,
        feature_root: Path,
        certainty: Certainty | None = None,
        *,
        desk: ScanDesk | None = None,
    ) -> None:
        self.bundle = bundle
        self.scale_notes = _check_scale(bundle, task, allow_scale=settings.allow_scale)
        self.desk = desk or make_desk(bundle, settings, feature_root)
        self.embedder = self.desk.embedder
        embed_text = bundle.require_text().embed
        super().__init__(_judging_model(bundle), task, embed_text, certainty)

    def content_sha256(self, case: Case) -> str:
        """Return the hash of a scan as it lies there now."""
        return case_content_sha256(case)

    def deciding_settings(self) -> dict[str, object]:
        """Return boxes, window, and what is accepted of scans and masks."""
        settings = self.embedder.settings
        return {
            "preprocessing": asdict(self.bundle.volume_encoder.preprocessing),
            "rules": asdict(settings.rules),
            "organ_finder": settings.organ_finder,
        }

    def other_settings(self) -> dict[str, object]:
        """Return batch size and limits."""
        settings = self.embedder.settings
        return {"batch_size": settings.batch_size, "limits": asdict(settings.limits)}

    def judge(self, case: Case, folder: str, note_stage: Callable[[str], None]) -> ScanFinding:
        """Survey, encode and judge one scan.

        Args:
            case: The scan.
            folder: Subfolder for the pictures of this model and task.
            note_stage: Told what is being done, for the failure table.
        """
        note_stage("open scan")
        survey = self.desk.survey(case)
        self.check_not_fitted_on(survey.content_sha256)
        features = self.embedder.load_or_embed(case, survey, note_stage)
        note_stage("judge scan")
        verdict = None
        if len(features.units):
            verdict = judge_units(features.features, features.units, self.classifier, self.task)
        row, notes = self.report(
            case,
            verdict,
            n_units=len(features.units),
            n_failed=0,
            content_sha256=survey.content_sha256,
            findings=verdict.findings if verdict else None,
        )
        return ScanFinding(
            case=case,
            row=row,
            survey=survey,
            features=features,
            verdict=verdict,
            desk=self.desk,
            notes=(*notes, *self.scale_notes, *scan_notes(features)),
            folder=folder,
        )


def make_desk(bundle: VolumeBundle, settings: DiagnoseSettings, feature_root: Path) -> ScanDesk:
    """Return where a model looks at scans.

    Args:
        bundle: The model.
        settings: Settings of the run.
        feature_root: Folder that holds ``features/<model>/``.
    """
    folder = feature_root / "features" / model_key(bundle.name)
    return ScanDesk(
        ScanEmbedder(bundle.volume_encoder, settings.scans, folder, need_projected=True)
    )


def scale_differences(scale: CtScale, preprocessing: VolumePreprocessing) -> list[str]:
    """Say where a task is meant for other boxes than a model takes.

    Args:
        scale: The scale of the task; what it leaves open is not compared.
        preprocessing: How the model wants scans.
    """
    wanted: list[tuple[str, Sequence[float] | str | None, Sequence[float] | str | None]] = [
        ("spacing_mm", scale.spacing_mm, preprocessing.spacing_mm),
        ("window_hu", scale.window_hu, preprocessing.window_hu),
        ("region", scale.region, preprocessing.region),
    ]
    if scale.box_mm is not None:
        wanted.append(("box_mm", scale.box_mm, preprocessing.box_mm))
    return [
        f"{name} {_text(of_task)} and not {_text(of_model)}"
        for name, of_task, of_model in wanted
        if not _agree(of_task, of_model)
    ]


def _agree(one: Sequence[float] | str | None, other: Sequence[float] | str | None) -> bool:
    if isinstance(one, str) or isinstance(other, str) or one is None or other is None:
        return one == other
    return all(abs(a - b) <= 1e-6 * max(abs(a), abs(b)) for a, b in zip(one, other, strict=True))


def _text(value: Sequence[float] | str | None) -> str:
    if value is None:
        return "the whole scan"
    if isinstance(value, str):
        return value
    return "(" + ", ".join(f"{number:g}" for number in value) + ")"


def _check_scale(bundle: VolumeBundle, task: Task, *, allow_scale: bool) -> tuple[str, ...]:
    """Return what the report says of a task of another scale, where that is allowed.

    Raises:
        ConfigError: MV1002 or MV1516.
    """
    if not isinstance(task.scale, CtScale):
        raise ConfigError(
            "MV1002",
            f"task {task.name} is for {task.modality}",
            expected="a task with modality ct and a scale in spacing_mm and window_hu",
        )
    found = scale_differences(task.scale, bundle.volume_encoder.preprocessing)
    if not found:
        return ()
    if allow_scale:
        return (f"Task {task.name} asks for {'; '.join(found)}; the boxes are those of the model.",)
    raise ConfigError(
        "MV1516",
        f"task {task.name} asks for {found[0]}, which model {bundle.name} takes",
        expected="the same scale",
        hint="change the scale of the task, or pass --allow-scale to judge the model's own boxes",
    )


def _judging_model(bundle: VolumeBundle) -> JudgingModel:
    encoder = bundle.volume_encoder
    return JudgingModel(
        record=ModelRecord(
            name=bundle.name,
            modality="ct",
            weights_sha256=encoder.weights_sha256,
            embedding_dim=encoder.dim,
            logit_scale=bundle.logit_scale,
            licence=bundle.meta.license,
        ),
        precision=encoder.precision,
        is_random=encoder.is_random,
        choice=bundle.meta.provenance.selection,
    )
