"""How far runs have come, read from their folders while they train, without torch."""

from __future__ import annotations

import csv
import json
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from medvlp.errors import UsageError
from medvlp.training.checkpoints.names import CHECKPOINTS_FOLDER, list_checkpoints, newest_step
from medvlp.training.run_names import PROGRESS_FILE, RESULT_FOLDERS, STATE_FOLDER

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["RunStatus", "find_runs", "read_status"]

SILENT_AFTER_S = 180.0
"""A run that trains gives a sign of life every 15 s; after this time it is taken for dead."""

_CONFIG, _METRICS = "config.yaml", "logs/metrics.csv"
_SUBMITTED = "slurm/config.yaml"
"""The settings of a run that 'medvlp submit' has handed over, which has not begun."""
_TAIL_BYTES = 2 * 2**20


@dataclass(frozen=True)
class RunStatus:
    """How far a run has come.

    Attributes:
        folder: The run's folder.
        name: What the run is called.
        recipe: What it trains.
        state: ``running``, ``stopped`` (taken up by the same command), ``failed``, ``finished``,
            ``silent`` (no sign of life for three minutes, so it was probably killed) or
            ``not begun``.
        why: What stopped it, or why it failed.
        step: Optimiser steps that were finished.
        steps: Steps of the whole run; None where that is not known.
        epoch: Epoch in progress.
        epochs: Epochs of the whole run; None where steps decide.
        seconds_left: At the rate since it began or was taken up last; None where it is not known.
        sign_age_s: Seconds since its last sign of life.
        restarts: How often it was taken up.
        slurm_job: Its job, or nothing.
        checkpoints: Steps whose states are kept.
        newest_checkpoint: Step that it would be taken up at.
        metrics_step: Step of the last line of the logs.
        metrics: Last value of everything that is logged while it trains.
        validation_step: Step of the last validation.
        validation: Last value of everything that validation logs.
    """

    folder: Path
    name: str
    recipe: str
    state: str
    why: str
    step: int | None
    steps: int | None
    epoch: int | None
    epochs: int | None
    seconds_left: float | None
    sign_age_s: float | None
    restarts: int
    slurm_job: str
    checkpoints: tuple[int, ...]
    newest_checkpoint: int | None
    metrics_step: int | None
    metrics: dict[str, float]
    validation_step: int | None
    validation: dict[str, float]


def find_runs(path: Path) -> list[Path]:
    """Return the folders of runs that a path stands for: itself, or those that lie in it.

    Args:
        path: Folder of a run, or a folder of such folders.

    Raises:
        UsageError: MV1713 if it is neither.
    """
    if _is_run(path):
        return [path]
    found = sorted(child for child in path.iterdir() if _is_run(child)) if path.is_dir() else []
    if not found:
        what = "holds no run" if path.is_dir() else "is no folder"
        raise UsageError(
            "MV1713",
            f"{path} {what}",
            expected=f"a folder with {_CONFIG}, as 'medvlp train' writes it to run.folder, or a "
            "folder of such folders",
        )
    return found


def read_status(folder: Path, *, now: float | None = None) -> RunStatus:
    """Read how far a run has come; what is missing or being written is left out.

    Args:
        folder: The run's folder.
        now: Seconds since 1970; the clock by default.
    """
    now = time.time() if now is None else now
    config = _read_config(folder / _CONFIG) or _read_config(folder / _SUBMITTED)
    notes = _read_json(folder / STATE_FOLDER / PROGRESS_FILE)
    training, validation = _last_values(folder / _METRICS)
    kept = folder / CHECKPOINTS_FOLDER
    updated = _number(notes.get("updated"))
    age = max(now - updated, 0.0) if updated is not None else None
    state = _state(folder, str(notes.get("state", "")), age)
    return RunStatus(
        folder=folder,
        name=str((config.get("run") or {}).get("name", "")),
        recipe=str(config.get("recipe", "")),
        state=state,
        why=str(notes.get("why", "")),
        step=_integer(notes.get("step")),
        steps=_integer(notes.get("steps")),
        epoch=_integer(notes.get("epoch")),
        epochs=_integer(notes.get("epochs")),
        seconds_left=_seconds_left(notes) if state == "running" else None,
        sign_age_s=age,
        restarts=max((_integer(notes.get("starts")) or 1) - 1, 0),
        slurm_job=str(notes.get("slurm_job", "")),
        checkpoints=tuple(step for step, _ in list_checkpoints(kept)),
        newest_checkpoint=newest_step(kept),
        metrics_step=max((step for step, _ in training.values()), default=None),
        metrics={name: value for name, (_, value) in training.items()},
        validation_step=max((step for step, _ in validation.values()), default=None),
        validation={name: value for name, (_, value) in validation.items()},
    )


def _is_run(path: Path) -> bool:
    was_submitted = (path / _SUBMITTED).with_name("job.sbatch").is_file()
    return was_submitted or (path / _CONFIG).is_file()


def _state(folder: Path, noted: str, age: float | None) -> str:
    if any((folder / name).exists() for name in RESULT_FOLDERS):
        return "finished"
    if not noted:
        return "not begun"
    if noted == "running" and (age is None or age > SILENT_AFTER_S):
        return "silent"
    return noted


def _seconds_left(notes: dict[str, Any]) -> float | None:
    step, steps = _number(notes.get("step")), _number(notes.get("steps"))
    began, updated = _number(notes.get("began_here")), _number(notes.get("updated"))
    first = _number(notes.get("began_here_at_step"))
    if step is None or steps is None or began is None or updated is None or first is None:
        return None
    if step <= first:
        return None
    return (steps - step) * (updated - began) / (step - first)


_Values = dict[str, tuple[int, float]]


def _last_values(path: Path) -> tuple[_Values, _Values]:
    """Return step and last value of what training and what validation logs, by name."""
    training: _Values = {}
    validation: _Values = {}
    header, lines = _tail(path)
    for line in csv.DictReader(lines, fieldnames=header):
        step = _integer_text(line.get("step"))
        for name, text in line.items():
            value = _float_text(text)
            if step is None or value is None or name in {"step", "epoch", None}:
                continue
            into = validation if name.startswith(("validation/", "selection/")) else training
            into[name] = (step, value)
    return training, validation


def _tail(path: Path) -> tuple[list[str], list[str]]:
    """Return the header of a CSV file and its last lines; one that is being written is left out."""
    try:
        with path.open("rb") as file:
            first = file.readline()
            begin = max(path.stat().st_size - _TAIL_BYTES, len(first))
            file.seek(begin)
            rest = file.read().decode("utf-8", "replace")
    except OSError:
        return [], []
    lines = rest.splitlines(keepends=True)
    if begin > len(first):
        lines = lines[1:]
    return next(csv.reader([first.decode("utf-8", "replace")]), []), [
        line for line in lines if line.endswith("\n")
    ]


def _read_config(path: Path) -> dict[str, Any]:
    try:
        found = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    return found if isinstance(found, dict) else {}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _float_text(text: object) -> float | None:
    try:
        value = float(text) if isinstance(text, str) and text else math.nan
    except ValueError:
        return None
    return value if not math.isnan(value) else None


def _integer_text(text: object) -> int | None:
    return int(text) if isinstance(text, str) and text.isdigit() else None
