"""A folder of slides in, a run folder with a diagnosis for each slide out."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from medvlp.config.runs import RunFolder
from medvlp.errors import FeatureError, UsageError
from medvlp.io import json_sha256
from medvlp.jobs.runner import JobItem, run_items
from medvlp.knowledge.store import read_graph
from medvlp.pipelines.case_folder import (
    picture_folder,
    read_case_result,
    result_path,
    write_case_folder,
)
from medvlp.pipelines.cases import items_of, missing_model
from medvlp.pipelines.confidence import load_calibrations, unused_calibration
from medvlp.pipelines.judge import Certainty, DiagnoseSettings, SlideJudge
from medvlp.pipelines.run_outputs import RunSettings, claim_run_folder, write_run_outputs
from medvlp.slides.survey import slide_content_sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from medvlp.config.task import Task
    from medvlp.jobs.progress import ProgressSink
    from medvlp.jobs.runner import JobReport, LeaseSettings
    from medvlp.models.bundle import Bundle
    from medvlp.pipelines.discover import Discovery
    from medvlp.types import Case

__all__ = ["diagnose_slides"]


def diagnose_slides(
    discovery: Discovery,
    bundles: Sequence[Bundle],
    tasks: Sequence[Task],
    settings: DiagnoseSettings,
    out: Path,
    *,
    progress: ProgressSink,
    lease: LeaseSettings,
) -> JobReport:
    """Judge every slide with every model and task, and write the run folder.

    A slide is finished when its folder below ``cases/`` stands; finished slides are taken as they
    are. Several processes may share ``out``: each slide is published once, and each process writes
    the tables over all that is there when it ends.

    Args:
        discovery: The cases.
        bundles: Models with image and text tower.
        tasks: Tasks for slides.
        settings: Settings of the run.
        out: The run folder.
        progress: Shows rate and time left.
        lease: How long a silent process keeps its slide.

    Returns:
        What became of each case.

    Raises:
        UsageError: MV1110 if the folder holds a run with other parameters, MV1002 if two models or
            tasks share a name, MV1521 if a calibration fits none of them.
        KnowledgeError: If the graph cannot be read.
    """
    started, clock = datetime.now(UTC), time.monotonic()
    run = RunFolder(out)
    _check_names("model", [bundle.name for bundle in bundles])
    _check_names("task", [task.name for task in tasks])
    judges = _make_judges(bundles, tasks, settings, settings.features or out)
    parameters_sha256 = json_sha256([judge.parameters() for judge in judges])
    claim_run_folder(out, parameters_sha256)

    def is_done(item: JobItem[Case]) -> bool:
        case = item.payload
        if case.modality != "slide" or not result_path(run, case).exists():
            return False
        result = read_case_result(run, case)
        if result.slide_sha256 != slide_content_sha256(case.path, case.companions):
            raise FeatureError(
                "MV1305",
                f"the result of {case.case_id} was made from a slide with hash "
                f"{result.slide_sha256[:12]}, and the slide has changed since",
                hint=f"delete cases/{case.case_key} and its features, or use another --out",
            )
        return True

    def work(item: JobItem[Case], note_stage: Callable[[str], None]) -> None:
        case = item.payload
        if case.modality != "slide":
            note_stage("choose model")
            raise missing_model(case)
        findings = [
            judge.judge(
                case, picture_folder(judge.task.name, judge.bundle.name, len(judges)), note_stage
            )
            for judge in judges
        ]
        note_stage("write result")
        write_case_folder(
            run,
            case,
            findings,
            parameters_sha256=parameters_sha256,
            limits=settings.embed.limits,
        )

    report = run_items(
        items_of(discovery),
        work,
        is_done=is_done,
        state_folder=out / ".medvlp" / "zero-shot",
        progress=progress,
        lease=lease,
    )
    record = RunSettings(
        started_at=started.isoformat(timespec="seconds"),
        seconds=time.monotonic() - clock,
        parameters_sha256=parameters_sha256,
    )
    write_run_outputs(run, discovery, judges, report, record)
    return report


def _make_judges(
    bundles: Sequence[Bundle],
    tasks: Sequence[Task],
    settings: DiagnoseSettings,
    feature_root: Path,
) -> list[SlideJudge]:
    """Return every model with every task, each with its calibration."""
    certainty = Certainty(
        calibrations=load_calibrations(settings.calibrations),
        graph=None if settings.graph is None else read_graph(settings.graph),
        confidence=settings.confidence,
    )
    judges = [
        SlideJudge(bundle, task, settings, feature_root, certainty)
        for bundle in bundles
        for task in tasks
    ]
    used = [judge.calibration for judge in judges]
    for loaded in certainty.calibrations:
        if loaded not in used:
            raise unused_calibration(loaded, [judge.identity for judge in judges])
    return judges


def _check_names(kind: str, names: Sequence[str]) -> None:
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise UsageError(
            "MV1002",
            f"{kind} name {min(repeated)!r} is given twice",
            expected=f"{kind}s with names of their own",
        )
