"""A finished run as a calibration sees it: one model with one task, and the cases it judged."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medvlp.config.calibrations import CalibratedModel, CalibratedTask
from medvlp.config.run_tables import read_case_rows, read_predictions
from medvlp.config.runs import PredictionRow, RunFolder
from medvlp.config.task import parse_task
from medvlp.errors import UsageError
from medvlp.pipelines.case_folder import picture_folder
from medvlp.zeroshot.findings import deciding_classes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from medvlp.config.task import Task

__all__ = ["JudgedCase", "JudgedRun", "read_judged_run"]


@dataclass(frozen=True, kw_only=True)
class JudgedCase:
    """One case of a run.

    Attributes:
        row: Its line of the prediction table.
        folder: Its folder, where pictures and tile scores lie.
        content_sha256: Hash of the content that was judged.
    """

    row: PredictionRow
    folder: Path
    content_sha256: str


@dataclass(frozen=True, kw_only=True)
class JudgedRun:
    """One model with one task of a finished run.

    Attributes:
        name: Name of the run folder.
        model: The model.
        task: The task as a calibration names it.
        rules: The task with its settings; a threshold from a file is not read.
        cases: The cases with a prediction, by case id.
    """

    name: str
    model: CalibratedModel
    task: CalibratedTask
    rules: Task
    cases: dict[str, JudgedCase]


def read_judged_run(folder: Path, *, model: str | None, task: str | None) -> JudgedRun:
    """Read one model with one task of a finished run.

    Args:
        folder: The run folder.
        model: Name of the model; not needed where the run has one.
        task: Name of the task; not needed where the run has one.

    Raises:
        UsageError: MV1522 if the folder is no finished run, if model or task must be chosen or are
            not there, or if its confidences are calibrated already.
        MedvlpError: If a table of the run cannot be read.
    """
    run = RunFolder(folder)
    record = _read_json(run.run_json, folder)
    try:
        judge = _choose(record["configuration"]["judges"], model, task)
        if judge["calibration_sha256"] is not None:
            raise _refusal(
                f"the confidences of {folder.name} are calibrated already",
                "run 'medvlp zero-shot' without --calibration and calibrate that run",
            )
        told = next(found for found in record["tasks"] if found["name"] == judge["task"])
        weights = next(found for found in record["models"] if found["name"] == judge["model"])
        rules = _rules(told["settings"])
        return JudgedRun(
            name=folder.resolve().name,
            model=CalibratedModel(name=judge["model"], weights_sha256=weights["weights_sha256"]),
            task=CalibratedTask(
                name=judge["task"],
                settings_sha256=told["settings_sha256"],
                classifier_sha256=judge["classifier_sha256"],
                head=rules.heads[0],
                classes=deciding_classes(rules),
            ),
            rules=rules,
            cases=_cases(run, judge["model"], judge["task"], _num_colleagues(record, judge)),
        )
    except (KeyError, TypeError, StopIteration) as error:
        raise _refusal(
            f"run.json of {folder.name} lacks what a calibration needs ({error})",
            "run 'medvlp zero-shot' again with this version, into a new folder",
        ) from error


def _refusal(what: str, hint: str) -> UsageError:
    return UsageError("MV1522", what, expected="a finished run of 'medvlp zero-shot'", hint=hint)


def _read_json(path: Path, folder: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _refusal(
            f"{folder} holds no readable {path.name} ({type(error).__name__})",
            "give the run folder, the one with run.json and predictions.csv",
        ) from error
    if not isinstance(record, dict):
        raise _refusal(f"{path.name} of {folder} is no record of a run", "give a run folder")
    return record


def _choose(
    judges: Sequence[dict[str, Any]], model: str | None, task: str | None
) -> dict[str, Any]:
    """Return the model with the task that was asked for, or the only one."""
    fitting = [
        judge
        for judge in judges
        if model in (None, judge["model"]) and task in (None, judge["task"])
    ]
    if len(fitting) == 1:
        return fitting[0]
    known = ", ".join(f"{judge['model']} with {judge['task']}" for judge in judges)
    raise _refusal(
        f"the run holds {known}; {len(fitting)} of them fit --model {model} and --task {task}",
        "name one with --model and --task",
    )


def _num_colleagues(record: dict[str, Any], judge: dict[str, Any]) -> int:
    """Return how many models with tasks judged the same cases."""
    judges = record["configuration"]["judges"]
    return sum(other["modality"] == judge["modality"] for other in judges)


def _rules(settings: dict[str, Any]) -> Task:
    """Return the task; its prompt file and threshold file are known by name only."""
    plain = dict(settings)
    ensemble = plain.get("prompts", {}).get("ensemble")
    if isinstance(ensemble, dict) and isinstance(ensemble.get("file"), dict):
        named = {**ensemble, "file": ensemble["file"]["name"]}
        plain["prompts"] = {"ensemble": named}
    if isinstance(plain.get("book"), dict):
        plain["book"] = plain["book"]["name"]
    fitted = plain.get("threshold")
    if isinstance(fitted, dict):
        plain["threshold"] = fitted.get("value", 0.5)
        plain["classes"] = {
            name: {**spec, "threshold": fitted.get("values", {}).get(name, spec.get("threshold"))}
            for name, spec in plain["classes"].items()
        }
    return parse_task(plain, source="run.json")


def _cases(run: RunFolder, model: str, task: str, num_judges: int) -> dict[str, JudgedCase]:
    """Return the cases with a prediction; the hash of each is in its result."""
    keys = {row.case_id: row.case_key for row in read_case_rows(run.path)}
    below = picture_folder(task, model, num_judges)
    cases = {}
    for row in read_predictions(run.path):
        if (row.model, row.task) != (model, task) or row.prediction is None:
            continue
        folder = run.case_folder(keys[row.case_id])
        result = _read_json(folder / "result.json", run.path)
        cases[row.case_id] = JudgedCase(
            row=row, folder=folder / below, content_sha256=result["content_sha256"]
        )
    return cases
