"""The files of a whole run: tables, ``run.json`` and the report, over all finished cases."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medvlp import __version__
from medvlp.config.run_tables import write_run_tables
from medvlp.config.runs import ModelRecord, RunFolder, RunRecord, TaskRecord, write_run_record
from medvlp.config.task import FittedThreshold, task_settings
from medvlp.errors import UsageError
from medvlp.io import AlreadyPublishedError, content_sha256, publish_file
from medvlp.pipelines.case_folder import read_case_result, result_path
from medvlp.pipelines.cases import case_rows, failure_rows
from medvlp.pipelines.choices import run_selections
from medvlp.reporting.page import write_report

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from medvlp.config.task import Task
    from medvlp.jobs.runner import JobReport
    from medvlp.pipelines.discover import Discovery
    from medvlp.pipelines.judge import CaseJudge

__all__ = ["RunSettings", "claim_run_folder", "write_run_outputs"]

_LIBRARIES = (
    *("torch", "timm", "open_clip_torch", "monai"),
    *("openslide-python", "openslide-bin", "pillow", "pydicom", "imagecodecs"),
)


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """When and with what a run was carried out.

    Attributes:
        started_at: Start, ISO 8601 in UTC.
        seconds: How long this process took.
        parameters_sha256: Hash of models, tasks and settings.
    """

    started_at: str
    seconds: float
    parameters_sha256: str


def claim_run_folder(out: Path, parameters_sha256: str) -> None:
    """Write down what a run folder is for, or check that it is for the same.

    Raises:
        UsageError: MV1110 if the folder holds a run with other models, tasks or settings.
    """
    state = out / ".medvlp"
    state.mkdir(parents=True, exist_ok=True)
    path = state / "parameters.json"
    try:
        with publish_file(path, replace=False) as partial:
            partial.write_text(json.dumps({"sha256": parameters_sha256}) + "\n", encoding="utf-8")
    except AlreadyPublishedError:
        found = json.loads(path.read_text(encoding="utf-8"))["sha256"]
        if found != parameters_sha256:
            raise UsageError(
                "MV1110",
                f"{out} holds a run with other models, tasks or settings ({found[:12]})",
                expected=f"a new folder, or the run {parameters_sha256[:12]} to go on with",
                hint="choose another --out; features can be reused with --features",
            ) from None


def write_run_outputs(
    run: RunFolder,
    discovery: Discovery,
    judges: Sequence[CaseJudge],
    report: JobReport,
    settings: RunSettings,
) -> None:
    """Write ``predictions``, ``failures``, ``cases``, ``run.json`` and ``report.html``.

    Args:
        run: The run folder.
        discovery: The cases.
        judges: Models with tasks, in the order of their rows.
        report: What became of each case.
        settings: When and with what the run was carried out.
    """
    results = {
        case.case_id: read_case_result(run, case)
        for case in discovery.cases
        if result_path(run, case).exists()
    }
    failures = failure_rows(report)
    failed = {row.case_id for row in failures}
    predictions = [
        row
        for case in discovery.cases
        if case.case_id in results and case.case_id not in failed
        for row in results[case.case_id].rows
    ]
    cases = case_rows(discovery)
    record = RunRecord(
        medvlp_version=__version__,
        started_at=settings.started_at,
        models=_model_records(judges),
        tasks=_task_records(judges),
        calibrations=tuple(judge.calibration.record() for judge in judges if judge.calibration),
        selections=run_selections(judges),
        configuration={"judges": [judge.configuration() for judge in judges]},
        versions=_versions(),
        hashes={"parameters": settings.parameters_sha256} | _graph_hash(judges),
        counts={
            "cases": len(cases),
            "predicted": len(predictions),
            "failed": len(failures),
            "skipped files": len(discovery.skipped),
        },
        timings_s={"total": round(settings.seconds, 3)},
    )
    write_run_tables(run.path, predictions, failures, cases)
    write_run_record(run.path, record)
    details = {case_id: result.details for case_id, result in results.items()}
    write_report(run.path, record, predictions, failures, cases, details=details)


def _model_records(judges: Sequence[CaseJudge]) -> tuple[ModelRecord, ...]:
    return tuple({judge.model.record.name: judge.model.record for judge in judges}.values())


def _task_records(judges: Sequence[CaseJudge]) -> tuple[TaskRecord, ...]:
    first = {judge.task.name: judge for judge in reversed(judges)}
    return tuple(
        TaskRecord(
            name=name,
            modality=judge.task.modality,
            heads=judge.task.heads,
            settings_sha256=judge.identity.settings_sha256,
            scale=_scale(judge.task),
            logit_scale=judge.asked.logit_scale,
            normal=judge.task.normal,
            prompts=judge.asked.prompts,
            prompt_rule=judge.asked.rule,
            threshold=_threshold(judge.task),
            settings=task_settings(judge.task),
        )
        for name, judge in sorted(first.items())
    )


def _scale(task: Task) -> dict[str, object]:
    """Return the physical scale as in the task file; what it leaves open is left out."""
    return task.scale.model_dump(mode="json", exclude_none=True) if task.scale else {}


def _threshold(task: Task) -> dict[str, object]:
    """Return the threshold of tiles or those of findings, and the set that they come from."""
    if not isinstance(task.threshold, FittedThreshold):
        return {"value": task.tile_threshold, "from": "the task"}
    fitted = task.threshold.fitted
    told: dict[str, object] = {
        "from": task.threshold.file.name,
        "sha256": content_sha256(task.threshold.file),
        "set": fitted.cases.model_dump(mode="json"),
    }
    if fitted.kind == "finding-thresholds":
        values = {name: task.finding_threshold(name) for name in task.finding_names}
        return told | {"values": values, "rule": fitted.rule}
    return told | {"value": fitted.threshold, "youden_index": fitted.youden_index}


def _graph_hash(judges: Sequence[CaseJudge]) -> dict[str, str]:
    graphs = [judge.certainty.graph for judge in judges if judge.certainty.graph is not None]
    return {"graph": graphs[0].content_sha256} if graphs else {}


def _versions() -> dict[str, str]:
    found = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    return {"python": platform.python_version(), **found}
