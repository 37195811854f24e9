"""The task file: what to look for, at which scale, with which words and which rule.

A task is data, not a model: the same task runs with any model of its modality. The file is strict
(:mod:`medvlp.config.strict`), and settings that do not go together are refused when it is loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import model_validator

from medvlp.config.calibrations import read_finding_thresholds, read_tile_threshold
from medvlp.config.documents import PlainValue, read_yaml
from medvlp.config.strict import parse_model
from medvlp.config.task_records import (
    FINDING_HEADS,
    PAIR_HEADS,
    PLACEHOLDER,
    ClassSpec,
    CtScale,
    FittedThreshold,
    Head,
    PromptSettings,
    PromptSource,
    SlideScale,
    TaskFields,
    ThresholdSource,
)
from medvlp.config.task_rules import check_task
from medvlp.errors import ConfigError, nearest_name
from medvlp.io import content_sha256

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = [
    "FINDING_HEADS",
    "PAIR_HEADS",
    "PLACEHOLDER",
    "ClassSpec",
    "CtScale",
    "FittedThreshold",
    "Head",
    "PromptSettings",
    "PromptSource",
    "SlideScale",
    "Task",
    "ThresholdSource",
    "load_task",
    "parse_task",
    "task_settings",
]


class Task(TaskFields):
    """A zero-shot task, as in ``TASK.yaml``, whose settings go together."""

    @model_validator(mode="after")
    def _check_together(self) -> Task:
        check_task(self)
        return self


def load_task(path: Path) -> Task:
    """Read a task file.

    A prompt file, a book of findings and a file with a threshold that the task names are looked for
    below the folder of the task file.

    Args:
        path: The ``TASK.yaml``.

    Raises:
        ConfigError: MV1004 or MV1005 if the file is unreadable or no YAML, MV1001 for an unknown
            key, MV1002 for a bad or missing value, MV15xx for settings that do not go together,
            MV1520 for a threshold file that is none, or of another kind than the task needs, MV1521
            for one that lacks a finding.
    """
    task = parse_task(read_yaml(path), source=str(path))
    found: dict[str, Any] = {}
    source = task.prompts.ensemble
    if isinstance(source, PromptSource) and source.file is not None:
        placed = source.model_copy(update={"file": path.parent / source.file})
        found["prompts"] = PromptSettings(ensemble=placed)
    if task.book is not None:
        found["book"] = path.parent / task.book
    if isinstance(task.threshold, ThresholdSource):
        file = path.parent / task.threshold.file
        read = read_tile_threshold if task.modality == "slide" else read_finding_thresholds
        found["threshold"] = FittedThreshold(file=file, fitted=read(file))
        _check_findings(task, found["threshold"])
    return task.model_copy(update=found) if found else task


def _check_findings(task: Task, source: FittedThreshold) -> None:
    """Refuse thresholds of findings that lack one which has no threshold of its own."""
    fitted = source.fitted
    if fitted.kind == "tile-threshold":
        return
    own = [name for name in task.finding_names if task.classes[name].threshold is None]
    lacking = [name for name in own if name not in fitted.findings]
    if lacking:
        raise ConfigError(
            "MV1521",
            f"the thresholds of task {task.name} are from {source.file.name}, which holds none for "
            f"{lacking[0]!r}{nearest_name(lacking[0], fitted.findings)}",
            expected=f"thresholds fitted for its findings {own}",
            hint="fit them again with 'medvlp calibrate --thresholds'",
        )


def parse_task(document: PlainValue | Mapping[str, Any], *, source: str) -> Task:
    """Make a task of plain values, as a YAML document holds them.

    Args:
        document: The values.
        source: Name of the file or of the caller, for messages.

    Raises:
        ConfigError: As :func:`load_task`.
    """
    return parse_model(document, Task, source=source)


def task_settings(task: Task) -> dict[str, Any]:
    """Return all settings of a task as plain values, files by name and content.

    Two tasks that say the same have equal settings wherever their files lie.

    Args:
        task: The task; prompt files that it names are read.

    Raises:
        MedvlpError: MV1101 if a file that it names cannot be read.
    """
    settings = task.model_dump(mode="json", by_alias=True)
    source = task.prompts.ensemble
    if isinstance(source, PromptSource) and source.file is not None:
        settings["prompts"]["ensemble"]["file"] = _named_content(source.file)
    if task.book is not None:
        settings["book"] = _named_content(task.book)
    if isinstance(task.threshold, FittedThreshold):
        told: dict[str, Any] = {"from": _named_content(task.threshold.file)}
        if task.finding_thresholds is None:
            told["value"] = task.tile_threshold
        else:
            told["values"] = {name: task.finding_threshold(name) for name in task.finding_names}
        settings["threshold"] = told
    return settings


def _named_content(file: Path) -> dict[str, str]:
    return {"name": file.name, "sha256": content_sha256(file)}
