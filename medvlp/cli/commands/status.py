"""``medvlp status RUN ...``."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from medvlp.training.status import RunStatus

__all__ = ["status"]


def status(*runs: Path, json_output: Annotated[bool, Parameter(name="--json")] = False) -> int:
    """Tell how far trainings have come: state, step, time left, losses, speed, checkpoints.

    Args:
        runs: Folders of runs (run.folder of their configurations), or folders of such folders.
        json_output: Print a list as JSON for programs.
    """
    from medvlp.errors import UsageError
    from medvlp.training.status import find_runs, read_status

    if not runs:
        raise UsageError("MV1713", "no run was named", expected="the folder of a run")
    folders = [folder for run in runs for folder in find_runs(run)]
    found = [read_status(folder) for folder in folders]
    if json_output:
        records = [_record(each) for each in found]
        sys.stdout.write(json.dumps(records, indent=1, default=str, allow_nan=False) + "\n")
    elif len(found) == 1:
        _write_facts(found[0])
    else:
        _write_table(found)
    return 0


def _record(one: RunStatus) -> dict[str, object]:
    """Return what there is to tell; JSON has no word for an infinite loss, which becomes null."""
    record = asdict(one)
    for values in (record["metrics"], record["validation"]):
        values |= {name: None for name, value in values.items() if not math.isfinite(value)}
    return record


def _write_facts(one: RunStatus) -> None:
    facts = list(_facts(one))
    width = max(len(name) for name, _ in facts)
    for name, text in facts:
        sys.stdout.write(f"{name:<{width}}  {text}\n")


def _facts(one: RunStatus) -> Iterator[tuple[str, str]]:
    yield "run", f"{one.name} ({one.recipe})" if one.recipe else one.name
    yield "state", f"{one.state}: {one.why}" if one.why else one.state
    if one.step is not None:
        yield "step", _of(one.step, one.steps)
        yield "epoch", _of(one.epoch, one.epochs)
    if one.seconds_left is not None:
        yield "time left", duration(one.seconds_left)
    if one.sign_age_s is not None:
        yield "last sign", f"{duration(one.sign_age_s)} ago"
    yield "restarts", str(one.restarts)
    if one.slurm_job:
        yield "SLURM job", one.slurm_job
    kept = ", ".join(map(str, one.checkpoints)) or "none"
    newest = f" (goes on after {one.newest_checkpoint})" if one.newest_checkpoint else ""
    yield "checkpoints", f"{kept}{newest}"
    for name, value in one.metrics.items():
        yield name, f"{value:.6g}"
    for name, value in one.validation.items():
        yield name, f"{value:.6g} (step {one.validation_step})"


def _write_table(runs: Sequence[RunStatus]) -> None:
    rows = [("RUN", "STATE", "STEP", "TIME LEFT", "LAST SIGN", "LOSS", "SAMPLES/S", "CHECKPOINT")]
    for one in runs:
        loss, speed = one.metrics.get("train/loss"), one.metrics.get("speed/samples_per_s")
        rows.append(
            (
                one.folder.name,
                one.state,
                _of(one.step, one.steps),
                "" if one.seconds_left is None else duration(one.seconds_left),
                "" if one.sign_age_s is None else f"{duration(one.sign_age_s)} ago",
                "" if loss is None else f"{loss:.4g}",
                "" if speed is None else f"{speed:.4g}",
                "" if one.newest_checkpoint is None else str(one.newest_checkpoint),
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        sys.stdout.write("  ".join(cells).rstrip() + "\n")


def _of(number: int | None, total: int | None) -> str:
    if number is None:
        return ""
    return f"{number} of {total}" if total is not None else str(number)


def duration(seconds: float) -> str:
    """Return a time in the two largest units that it has, such as ``3 h 05 min``.

    Args:
        seconds: At least 0.
    """
    whole = round(seconds)
    for size, name, smaller, small in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= size:
            return f"{whole // size} {name} {whole % size // smaller:02d} {small}"
    return f"{whole} s"
