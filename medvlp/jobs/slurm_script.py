"""The sbatch script of a training job: what this job wants, then the body that all sites share.

Values reach two readers. Lines that begin with ``#SBATCH`` are read by sbatch, which knows quotes
and backslashes but no end of a line within a value; everything else is read by bash.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from medvlp.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["BatchJob", "read_body", "render_script"]

_OPTIONS = {"requeue": "", "open-mode": "append", "signal": "SIGUSR1@300"}
"""A job that is stopped goes on in the same log; it is told five minutes before its time is up."""


@dataclass(frozen=True, kw_only=True)
class BatchJob:
    """What one job wants.

    Attributes:
        options: Long options of sbatch without dashes; an empty value is a flag.
        arguments: What follows ``medvlp train fit``.
        env: Environment variables.
        modules: Modules to load.
        venv: Virtual environment; empty for what PATH finds.
        setup: Lines of shell, run as they are.
        srun_options: Further words for srun.
        container: Words before ``medvlp``, which start a container.
    """

    options: Mapping[str, str]
    arguments: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    modules: Sequence[str] = ()
    venv: str = ""
    setup: Sequence[str] = ()
    srun_options: Sequence[str] = ()
    container: Sequence[str] = ()


def read_body() -> str:
    """Return the part of the script that starts training, and what follows when it ends."""
    return (resources.files("medvlp.jobs") / "train_job.sh").read_text(encoding="utf-8")


def render_script(job: BatchJob, body: str) -> str:
    """Return the script of a job.

    Args:
        job: What the job wants.
        body: What ``read_body`` returned.

    Raises:
        UsageError: If a value cannot stand in a line of options (MV1161).
    """
    options = {name: _quoted(name, value) for name, value in {**_OPTIONS, **job.options}.items()}
    head = [
        "#!/usr/bin/env bash",
        "# Written by 'medvlp submit'; can be submitted again with: sbatch FILE",
        *(f"#SBATCH --{name}{value and '='}{value}" for name, value in options.items()),
        "",
        *_environment(job),
        f"srun_options=({shlex.join(job.srun_options)})",
        f"container=({shlex.join(job.container)})",
        f"set -- {shlex.join(job.arguments)}",
        "",
    ]
    return "\n".join([*head, body])


def _quoted(name: str, value: str) -> str:
    """Return a value as sbatch reads it between quotes."""
    if not value.isprintable():
        raise UsageError(
            "MV1161",
            f"{value!r} cannot be given to sbatch as --{name}",
            expected="a text of one line, without control characters",
        )
    if value and all(c.isalnum() or c in "._,:@/+=%-" for c in value):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"' if value else ""


def _environment(job: BatchJob) -> Iterator[str]:
    """Yield the lines that prepare the job; one that fails ends it, and is not tried again."""
    if job.modules or job.venv or job.setup:
        yield "unset MEDVLP_SETUP  # of the shell that submits"
    for name, value in job.env.items():
        yield f"export {name}={shlex.quote(value)}"
    for module in job.modules:
        quoted = shlex.quote(module)
        yield f"module load {quoted} || {_give_up(f'module {module} cannot be loaded')}"
    if job.venv:
        path = shlex.quote(str(Path(job.venv) / "bin" / "activate"))
        yield f"source {path} || {_give_up(f'{job.venv} is not a virtual environment')}"
    yield from job.setup


def _give_up(why: str) -> str:
    return f"{{ echo {shlex.quote(why)}; exit 2; }}"
