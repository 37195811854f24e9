"""From a site's profile and a request to what a job of SLURM wants."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medvlp.errors import UsageError
from medvlp.jobs.slurm_script import BatchJob

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medvlp.config.site import SiteProfile

__all__ = ["JobRequest", "choose_gpus", "describe_job", "job_name"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, kw_only=True)
class JobRequest:
    """What is asked for.

    Attributes:
        name: The job's name.
        nodes: Number of nodes.
        gpus_per_node: GPUs of a node, one process each.
        folder: Where script and log go, absolute.
        start_in: The folder that the job starts in, absolute.
        arguments: What follows ``medvlp train fit``.
    """

    name: str
    nodes: int
    gpus_per_node: int
    folder: Path
    start_in: Path
    arguments: Sequence[str]

    @property
    def log_pattern(self) -> str:
        """Path of the log, as sbatch expands it.

        Raises:
            UsageError: If sbatch would read the folder as something else (MV1161).
        """
        if "\\" in str(self.folder):
            raise UsageError(
                "MV1161",
                f"{str(self.folder)!r} holds a backslash, which changes what sbatch makes of it",
                expected="a run.folder without backslashes",
            )
        return str(self.folder).replace("%", "%%") + "/%x-%j.log"

    def log(self, number: int) -> Path:
        """Return the path of the log of the job with this number."""
        return self.folder / f"{self.name}-{number}.log"


def choose_gpus(given: int | None, site: SiteProfile) -> int:
    """Return how many GPUs of a node are used.

    Args:
        given: What the command line says.
        site: The site.

    Raises:
        UsageError: If neither says it (MV1165).
    """
    chosen = given or site.gpus_per_node
    if chosen is None:
        raise UsageError(
            "MV1165",
            "neither --gpus-per-node nor the site profile says how many GPUs a node has",
            expected="--gpus-per-node 8, or gpus_per_node: 8 in the site profile",
        )
    return chosen


def job_name(given: str | None, run_name: str) -> str:
    """Return a name that can be part of a file name.

    Args:
        given: What the command line says; must be such a name.
        run_name: Name of the run, which becomes one.

    Raises:
        UsageError: If the given name is not valid (MV1002).
    """
    if given is None:
        return re.sub(r"[^A-Za-z0-9._-]+", "_", run_name).lstrip("._-")[:100] or "medvlp-train"
    if not _NAME.fullmatch(given):
        raise UsageError(
            "MV1002",
            f"--name {given!r} is not valid",
            expected="letters, digits, '.', '_' and '-', at most 100",
        )
    return given


def describe_job(site: SiteProfile, request: JobRequest) -> BatchJob:
    """Return what the job wants of SLURM and of its shell.

    Args:
        site: The site.
        request: What is asked for.
    """
    options = {
        "job-name": request.name,
        "nodes": str(request.nodes),
        "ntasks-per-node": str(request.gpus_per_node),
        "output": request.log_pattern,
        "chdir": str(request.start_in),
        **_gpu_option(site, request.gpus_per_node),
    }
    stated = {
        "clusters": site.cluster,
        "partition": site.partition,
        "account": site.account,
        "qos": site.qos,
        "time": site.time,
        "cpus-per-task": site.cpus_per_task,
        "mem": site.mem,
    }
    options |= {name: str(value) for name, value in stated.items() if value is not None}
    further = (option.removeprefix("--").partition("=") for option in site.sbatch)
    options |= {name: value for name, _, value in further}
    srun_options, container = _container_words(site)
    return BatchJob(
        options=options,
        arguments=request.arguments,
        env={"MEDVLP_MAX_RESTARTS": str(site.max_restarts), **site.env},
        modules=site.modules,
        venv=site.venv or "",
        setup=site.setup,
        srun_options=srun_options,
        container=container,
    )


def _gpu_option(site: SiteProfile, count: int) -> dict[str, str]:
    kind = f"{site.gpu_gres}:" if site.gpu_gres else ""
    requests = {
        "gpus-per-node": {"gpus-per-node": f"{kind}{count}"},
        "gres": {"gres": f"gpu:{kind}{count}"},
        "none": {},
    }
    return requests[site.gpu_request]


def _container_words(site: SiteProfile) -> tuple[list[str], list[str]]:
    """Return further words for srun, and words before ``medvlp``."""
    if site.container is None:
        return [], []
    kind, image, options = site.container.kind, site.container.image, site.container.options
    if kind == "pyxis":
        return [f"--container-image={image}", *options], []
    start = ["start"] if kind == "enroot" else ["exec", "--nv"]
    return [], [kind, *start, *options, image]
