"""A site profile: what a cluster wants to be told, so that a run's configuration need not know it.

It is looked for at ``--site FILE``, then where MEDVLP_SITE points, then in
``~/.config/medvlp/site.yaml``. All keys are optional::

    partition: gpu
    account: my-project
    time: "24:00:00"
    gpus_per_node: 8
    cpus_per_task: 14
    gpu: h100-sxm
    venv: /shared/venvs/medvlp
    modules: [cuda/12.8]
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from medvlp.config.strict import StrictModel, load_yaml_model, matching, rule_error

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Container", "SiteProfile", "Speeds", "Time", "find_site", "load_site"]

VARIABLE = "MEDVLP_SITE"

_TIME = r"\d+(:\d{1,2}){0,2}|\d+-\d+(:\d{1,2}){0,2}|UNLIMITED"
Word = Annotated[
    str,
    Field(max_length=200),
    matching(
        r"[A-Za-z0-9_][A-Za-z0-9_.,:@/+=%*\[\]-]*", "one word of letters, digits and ._,:@/+-"
    ),
]
Time = Annotated[str, matching(_TIME, 'minutes, "hours:minutes:seconds" or "days-hours"')]
Memory = Annotated[str, matching(r"\d+[KMGT]?", 'such as "480G"; "0" is all of a node')]
Name = Annotated[str, matching(r"[A-Za-z_][A-Za-z0-9_]*", "the name of a variable")]
Text = Annotated[str, Field(max_length=4000), matching(r"[^\0]*", "a text without null characters")]
Line = Annotated[
    str,
    Field(min_length=1, max_length=1000),
    matching(r"[^\x00-\x1f\x7f]+", "one line, without tabs and other control characters"),
]
Option = Annotated[
    str,
    Field(max_length=1000),
    matching(r"--[a-z][a-z-]*(=[^\x00-\x1f\x7f]+)?", "an option such as --constraint=h100"),
]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1, le=4096)]

_OURS = {
    *("account", "array", "clusters", "cpus-per-task", "gres", "gpus", "gpus-per-node"),
    *("gpus-per-task", "job-name", "mem", "nodes", "no-requeue", "ntasks", "ntasks-per-node"),
    *("open-mode", "output", "error", "parsable", "partition", "qos", "requeue", "signal"),
    *("test-only", "time", "wait", "wrap"),
}


class Container(StrictModel):
    """The container that training runs in; medvlp is installed inside.

    Attributes:
        kind: ``apptainer``, ``singularity`` or ``enroot`` start it themselves; ``pyxis`` is the
            plug-in of SLURM that gives srun the option ``--container-image``.
        image: Path or address of the image.
        options: Further words for ``apptainer exec`` or ``enroot start``, or for srun with pyxis.
    """

    kind: Literal["apptainer", "singularity", "enroot", "pyxis"]
    image: Line
    options: tuple[Line, ...] = ()


class Speeds(StrictModel):
    """What estimates of time assume of this cluster in place of the data sheets.

    Attributes:
        node_gb_per_s: Between GPUs of a node, one direction of one GPU, in GB/s.
        network_gb_per_s: Between nodes, one direction of one GPU's share, in GB/s.
        samples_per_core: Samples that one core of a processor reads and decodes in a second, as
            benchmarks/loader.py measures it.
        mfu: Share of the GPU's peak that training reaches.
    """

    node_gb_per_s: Positive | None = None
    network_gb_per_s: Positive | None = None
    samples_per_core: Positive | None = None
    mfu: Annotated[float, Field(gt=0, le=1)] | None = None


class SiteProfile(StrictModel):
    """What a cluster wants to be told.

    Attributes:
        cluster: Name of the cluster, where there are several (``--clusters``).
        partition: Partition of the jobs.
        account: Account that pays.
        qos: Quality of service.
        time: Wall time of one start of a job; a job that is not done goes on in its next start.
        gpus_per_node: GPUs of a node, one process each; None for ``--gpus-per-node`` of submit.
        gpu_request: How GPUs are asked for: ``--gpus-per-node``, ``--gres=gpu``, or not at all.
        gpu_gres: Type within that request, such as ``h100`` in ``--gres=gpu:h100:8``.
        cpus_per_task: Cores of a process; its loader processes run there too.
        mem: Memory of a node.
        gpu: Model of the GPU, for estimates; a name of medvlp.config.gpus.
        speeds: What estimates assume in place of the data sheets.
        venv: Virtual environment that medvlp is installed in.
        container: Container that medvlp is installed in; not together with ``venv``.
        modules: Modules to load.
        setup: Lines of shell that run as they are on the first node, before training.
        env: Environment variables of the job.
        sbatch: Further options of sbatch.
        max_restarts: How often a job may start again.
    """

    cluster: Word | None = None
    partition: Word | None = None
    account: Word | None = None
    qos: Word | None = None
    time: Time | None = None
    gpus_per_node: Count | None = None
    gpu_request: Literal["gpus-per-node", "gres", "none"] = "gpus-per-node"
    gpu_gres: Word | None = None
    cpus_per_task: Count | None = None
    mem: Memory | None = None
    gpu: Word = "h100-sxm"
    speeds: Speeds = Speeds()
    venv: Line | None = None
    container: Container | None = None
    modules: tuple[Line, ...] = ()
    setup: tuple[Text, ...] = ()
    env: dict[Name, Text] = Field(default_factory=dict)
    sbatch: tuple[Option, ...] = ()
    max_restarts: Annotated[int, Field(ge=0, le=10_000)] = 20

    @model_validator(mode="after")
    def _check_together(self) -> SiteProfile:
        if self.venv is not None and self.container is not None:
            raise rule_error(
                "MV1002",
                "venv and container are both given, and medvlp can run in one of them only",
                expected="one of the two",
                at="venv",
            )
        for option in self.sbatch:
            name = option[2:].partition("=")[0]
            if name in _OURS:
                raise rule_error(
                    "MV1002",
                    f"{option!r} is decided by 'medvlp submit' or by a key of its own",
                    expected="an option that has no key of its own",
                    at="sbatch",
                )
        return self


def find_site(given: Path | None, environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return the file of the site's profile; None where there is none.

    Args:
        given: The file that the command line names.
        environment: Environment variables.
    """
    if given is not None:
        return given
    if environment.get(VARIABLE):
        return Path(environment[VARIABLE])
    base = environment.get("XDG_CONFIG_HOME") or str(Path(environment.get("HOME", "~")) / ".config")
    path = Path(base).expanduser() / "medvlp" / "site.yaml"
    return path if path.is_file() else None


def load_site(path: Path | None) -> SiteProfile:
    """Read a site's profile.

    Args:
        path: The file; None gives a profile that leaves all to SLURM's own defaults.

    Raises:
        ConfigError: If the file cannot be read (MV1004, MV1005) or a key or value is wrong
            (MV1001, MV1002).
    """
    return SiteProfile() if path is None else load_yaml_model(path, SiteProfile)
