"""A folder of cases in, a run folder with a diagnosis for each case out."""

from __future__ import annotations

import time
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from medvlp.config.runs import RunFolder
from medvlp.errors import FeatureError
from medvlp.io import json_sha256
from medvlp.jobs.runner import JobItem, run_items
from medvlp.pipelines.case_folder import (
    picture_folder,
    read_case_result,
    result_path,
    write_case_folder,
)
from medvlp.pipelines.cases import items_of, missing_model
from medvlp.pipelines.choose_judges import choose_judges
from medvlp.pipelines.run_outputs import RunSettings, claim_run_folder, write_run_outputs
from medvlp.volumes.organ_masks import mask_content_sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from medvlp.config.task import Task
    from medvlp.jobs.progress import ProgressSink
    from medvlp.jobs.runner import JobReport, LeaseSettings
    from medvlp.models.any_bundle import AnyBundle
    from medvlp.pipelines.discover import Discovery
    from medvlp.pipelines.judge import CaseJudge, DiagnoseSettings
    from medvlp.types import Case, Modality

__all__ = ["diagnose_cases"]

_NOUNS = {"slide": "slide", "ct": "scan", "radiograph": "image"}


def diagnose_cases(
    discovery: Discovery,
    models: Sequence[AnyBundle],
    tasks: Sequence[Task],
    settings: DiagnoseSettings,
    out: Path,
    *,
    progress: ProgressSink,
    lease: LeaseSettings,
) -> JobReport:
    """Judge every case with every model and task of its modality, and write the run folder.

    A case is finished when its folder below ``cases/`` stands; finished cases are taken as they
    are. Several processes may share ``out``: each case is published once, and each process writes
    the tables over all that is there when it ends. A case whose modality no model takes fails with
    MV1109, and the others go on.

    Args:
        discovery: The cases.
        models: Models of images and texts.
        tasks: Tasks; each model judges those of its modality.
        settings: Settings of the run.
        out: The run folder.
        progress: Shows rate and time left.
        lease: How long a silent process keeps its case.

    Returns:
        What became of each case.

    Raises:
        UsageError: MV1110 if the folder holds a run with other parameters, MV1002 if two models or
            tasks share a name, MV1130 or MV1131 if a model has no task or a task no model, MV1521
            if a calibration fits none of them.
        KnowledgeError: If the graph cannot be read.
    """
    started, clock = datetime.now(UTC), time.monotonic()
    run = RunFolder(out)
    judges = choose_judges(models, tasks, settings, settings.features or out)
    panels: dict[Modality, list[CaseJudge]] = defaultdict(list)
    for judge in judges:
        panels[judge.modality].append(judge)
    parameters_sha256 = json_sha256([judge.parameters() for judge in judges])
    claim_run_folder(out, parameters_sha256)

    def is_done(item: JobItem[Case]) -> bool:
        case = item.payload
        if case.modality not in panels or not result_path(run, case).exists():
            return False
        _check_unchanged(run, case, panels[case.modality][0])
        return True

    def work(item: JobItem[Case], note_stage: Callable[[str], None]) -> None:
        case = item.payload
        if case.modality not in panels:
            note_stage("choose model")
            raise missing_model(case)
        panel = panels[case.modality]
        findings = [
            judge.judge(
                case,
                picture_folder(judge.task.name, judge.model.record.name, len(panel)),
                note_stage,
            )
            for judge in panel
        ]
        note_stage("write result")
        write_case_folder(run, case, findings, parameters_sha256=parameters_sha256)

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


def _check_unchanged(run: RunFolder, case: Case, judge: CaseJudge) -> None:
    """Refuse a finished result whose case, or the mask of whose case, has changed since.

    Raises:
        FeatureError: MV1305.
    """
    result = read_case_result(run, case)
    mask_now = ""
    if result.mask_sha256 and case.mask is not None:
        mask_now = mask_content_sha256(case.mask)
    for what, before, now in (
        (_NOUNS[case.modality], result.content_sha256, judge.content_sha256(case)),
        ("mask", result.mask_sha256, mask_now),
    ):
        if before != now:
            raise FeatureError(
                "MV1305",
                f"the result of {case.case_id} was made from a {what} with hash {before[:12]}, and "
                f"the {what} has changed since",
                hint=f"delete cases/{case.case_key} and its features, or use another --out",
            )
