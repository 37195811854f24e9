"""The task file: what to look for, at which scale, with which words and which rule.

A task is data, not a model: the same task runs with any model of its modality. The file is strict
(:mod:`medvlp.config.strict`), and settings that do not go together are refused when it is loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import model_validator

from medvlp.config.documents import PlainValue, read_yaml
from medvlp.config.strict import parse_model
from medvlp.config.task_records import (
    PLACEHOLDER,
    ClassSpec,
    CtScale,
    Head,
    PromptSettings,
    PromptSource,
    SlideScale,
    TaskFields,
)
from medvlp.config.task_rules import check_task

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = [
    "PLACEHOLDER",
    "ClassSpec",
    "CtScale",
    "Head",
    "PromptSettings",
    "PromptSource",
    "SlideScale",
    "Task",
    "load_task",
    "parse_task",
]


class Task(TaskFields):
    """A zero-shot task, as in ``TASK.yaml``, whose settings go together."""

    @model_validator(mode="after")
    def _check_together(self) -> Task:
        check_task(self)
        return self


def load_task(path: Path) -> Task:
    """Read a task file.

    A prompt file that the task names is looked for below the folder of the task file.

    Args:
        path: The ``TASK.yaml``.

    Raises:
        ConfigError: MV1004 or MV1005 if the file is unreadable or no YAML, MV1001 for an unknown
            key, MV1002 for a bad or missing value, MV15xx for settings that do not go together.
    """
    task = parse_task(read_yaml(path), source=str(path))
    source = task.prompts.ensemble
    if not isinstance(source, PromptSource) or source.file is None:
        return task
    found = source.model_copy(update={"file": path.parent / source.file})
    return task.model_copy(update={"prompts": PromptSettings(ensemble=found)})


def parse_task(document: PlainValue | Mapping[str, Any], *, source: str) -> Task:
    """Make a task of plain values, as a YAML document holds them.

    Args:
        document: The values.
        source: Name of the file or of the caller, for messages.

    Raises:
        ConfigError: As :func:`load_task`.
    """
    return parse_model(document, Task, source=source)
