"""Models and tasks brought together by modality: every model judges every task of its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medvlp.errors import UsageError
from medvlp.knowledge.store import read_graph
from medvlp.models.any_bundle import AnyBundle, model_modality
from medvlp.models.radiograph.bundle import RadiographBundle, radiograph_towers
from medvlp.models.volume.bundle import VolumeBundle
from medvlp.pipelines.confidence import load_calibrations, unused_calibration
from medvlp.pipelines.embed import model_key
from medvlp.pipelines.judge import CaseJudge, Certainty, DiagnoseSettings
from medvlp.pipelines.judge_radiographs import radiograph_judge
from medvlp.pipelines.judge_scans import ScanJudge, make_desk
from medvlp.pipelines.judge_slides import SlideJudge
from medvlp.pipelines.radiograph_desk import RadiographDesk

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from medvlp.config.task import Task
    from medvlp.types import Modality

__all__ = ["check_modalities", "choose_judges"]


def check_modalities(
    models: Sequence[tuple[str, Modality]], tasks: Sequence[tuple[str, Modality]]
) -> None:
    """Refuse a model without a task of its modality, and a task without a model.

    Args:
        models: Name and modality of each model.
        tasks: Name and modality of each task.

    Raises:
        UsageError: MV1130 for a model, MV1131 for a task.
    """
    asked = {modality for _, modality in tasks}
    for name, modality in models:
        if modality not in asked:
            raise UsageError(
                "MV1130",
                f"model {name} takes {modality} cases, and no task given is for them",
                expected=f"a task of modality {modality} for it; those given are " + _listed(tasks),
                hint="pass a further --task, or leave the model out",
            )
    served = {modality for _, modality in models}
    for name, modality in tasks:
        if modality not in served:
            raise UsageError(
                "MV1131",
                f"task {name} is for {modality} cases, and no model given takes them",
                expected=f"a model of modality {modality} for it; those given are "
                + _listed(models),
                hint="pass a further --model, or leave the task out",
            )


def choose_judges(
    models: Sequence[AnyBundle],
    tasks: Sequence[Task],
    settings: DiagnoseSettings,
    feature_root: Path,
) -> list[CaseJudge]:
    """Return every model with every task of its modality, each with its calibration.

    Args:
        models: The models, in the order of their rows.
        tasks: The tasks.
        settings: Settings of the run.
        feature_root: Folder that holds ``features/<model>/``.

    Raises:
        UsageError: MV1002 if two models or tasks share a name, MV1130 or MV1131 if a model or a
            task stays without the other.
        ConfigError: MV1521 if a calibration fits none of them, MV1516 if scales differ.
        KnowledgeError: If the graph cannot be read.
    """
    _check_names("model", [model.name for model in models])
    _check_names("task", [task.name for task in tasks])
    check_modalities(
        [(model.name, model_modality(model)) for model in models],
        [(task.name, task.modality) for task in tasks],
    )
    certainty = Certainty(
        calibrations=load_calibrations(settings.calibrations),
        graph=None if settings.graph is None else read_graph(settings.graph),
        confidence=settings.confidence,
    )
    judges = [
        judge
        for model in models
        for judge in _judges_of(model, tasks, settings, feature_root, certainty)
    ]
    used = [judge.calibration for judge in judges]
    for loaded in certainty.calibrations:
        if loaded not in used:
            raise unused_calibration(loaded, [judge.identity for judge in judges])
    return judges


def _judges_of(
    model: AnyBundle,
    tasks: Sequence[Task],
    settings: DiagnoseSettings,
    feature_root: Path,
    certainty: Certainty,
) -> list[CaseJudge]:
    """Return a model with every task of its modality."""
    fitting = [task for task in tasks if task.modality == model_modality(model)]
    if isinstance(model, VolumeBundle):
        desk = make_desk(model, settings, feature_root)
        return [
            ScanJudge(model, task, settings, feature_root, certainty, desk=desk) for task in fitting
        ]
    if isinstance(model, RadiographBundle) or model_modality(model) == "radiograph":
        found = model if isinstance(model, RadiographBundle) else radiograph_towers(model)
        folder = feature_root / "features" / model_key(found.name)
        at_hand = RadiographDesk(found, settings.radiographs, folder)
        return [radiograph_judge(at_hand, task, certainty) for task in fitting]
    return [SlideJudge(model, task, settings, feature_root, certainty) for task in fitting]


def _listed(named: Sequence[tuple[str, Modality]]) -> str:
    return ", ".join(f"{name} ({modality})" for name, modality in named)


def _check_names(kind: str, names: Sequence[str]) -> None:
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise UsageError(
            "MV1002",
            f"{kind} name {min(repeated)!r} is given twice",
            expected=f"{kind}s with names of their own",
        )
