"""What started this process of a run, what it was given to run on, and how it tells of its end."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import torch

from medvlp.errors import UsageError, WorkerError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medvlp.errors import MedvlpError

__all__ = ["check_launch", "exit_code", "launched_rank", "was_started_again"]

EXIT_FAILED = 1
EXIT_REFUSED = 2

_VARIABLES = ("RANK", "SLURM_PROCID", "LOCAL_RANK")
_GPU_VARIABLES = ("SLURM_GPUS_ON_NODE", "SLURM_STEP_GPUS", "SLURM_JOB_GPUS")
_PASSING = frozenset({"MV1105", "MV1106", "MV1712", "MV1820"})
_NOT_STARTED_BY_SRUN = ("bash", "interactive")


def launched_rank() -> int:
    """Return the rank that a launcher (torchrun, srun, Lightning) gave this process, else 0.

    In a shell on a node, what srun says is the shell's.
    """
    is_in_shell = os.environ.get("SLURM_JOB_NAME") in _NOT_STARTED_BY_SRUN
    names = (name for name in _VARIABLES if not (is_in_shell and name == "SLURM_PROCID"))
    stated = (os.environ.get(name, "") for name in names)
    return next((int(value) for value in stated if value.isdigit()), 0)


def was_started_again() -> bool:
    """Tell whether this is a later start of a SLURM job that was requeued."""
    return os.environ.get("SLURM_RESTART_COUNT", "0") not in {"", "0"}


def exit_code(error: MedvlpError) -> int:
    """Return the exit code of a run that an error has ended.

    Args:
        error: The error.

    Returns:
        1 where another try may help, as with a disk that was full or a network that failed; 2 where
        the same command would meet the same error again, so that a job is not started again.
    """
    may_pass = isinstance(error, WorkerError) or error.code in _PASSING
    return EXIT_FAILED if may_pass else EXIT_REFUSED


def check_launch(trainer: Mapping[str, object]) -> None:
    """Refuse processes and devices that do not go together, before anything is built or written.

    Args:
        trainer: The settings ``accelerator``, ``devices`` and ``num_nodes``.

    Raises:
        UsageError: MV1180 if there is no GPU where one was asked for, MV1181 if there are fewer
            than processes, MV1182 if SLURM started another number of processes.
    """
    accelerator = str(trainer.get("accelerator", "auto"))
    visible = torch.cuda.device_count() if accelerator in {"auto", "gpu", "cuda"} else 0
    has_other = accelerator in {"auto", "gpu"} and torch.backends.mps.is_available()
    if not visible and not has_other:
        _check_no_gpu_is_meant(accelerator)
    per_node = _number_of_devices(trainer.get("devices", "auto"), visible)
    if visible and per_node > visible:
        raise UsageError(
            "MV1181",
            f"trainer.devices={per_node}, and a process on {socket.gethostname()} sees {visible} "
            "GPUs",
            expected=f"at most {visible}",
            hint="one process a GPU; with SLURM --gpus-per-node as many as --ntasks-per-node, and "
            "not --gpus-per-task, which shows each process one GPU only",
        )
    _check_slurm(per_node, trainer.get("num_nodes", 1))


def _check_no_gpu_is_meant(accelerator: str) -> None:
    given = [f"{name}={os.environ[name]}" for name in _GPU_VARIABLES if os.environ.get(name)]
    asked = accelerator in {"gpu", "cuda"}
    if not asked and (accelerator != "auto" or not given):
        return
    why = f"trainer.accelerator={accelerator}" if asked else f"SLURM gave GPUs ({given[0]})"
    raise UsageError(
        "MV1180",
        f"{why}, and torch sees no GPU on {socket.gethostname()}",
        expected="a GPU that torch can use",
        hint="ask SLURM for them with --gpus-per-node; 'medvlp doctor' tells what torch sees; "
        "--trainer.accelerator=cpu trains without",
    )


def _number_of_devices(devices: object, visible: int) -> int:
    """Return how many processes a node is to have."""
    if isinstance(devices, list | tuple):
        return len(devices)
    text = str(devices)
    if text in {"auto", "-1"}:
        return visible or 1
    if "," in text:
        return len([part for part in text.split(",") if part.strip()])
    return int(text) if text.isdigit() else 1


def _check_slurm(per_node: int, num_nodes: object) -> None:
    """Compare with what srun started; a shell on a node is left alone."""
    given = os.environ.get
    total = given("SLURM_NTASKS")
    if total is None or given("SLURM_JOB_NAME") in _NOT_STARTED_BY_SRUN:
        return
    tasks, nodes = given("SLURM_NTASKS_PER_NODE"), given("SLURM_NNODES", "1")
    if tasks is None and total == "1":
        return
    if (tasks, nodes) != (str(per_node), str(num_nodes)):
        started = f"{tasks} on each of {nodes} nodes" if tasks else f"{total} on {nodes} nodes"
        raise UsageError(
            "MV1182",
            f"SLURM started {started}, the settings say {per_node} on each of {num_nodes}",
            expected="--ntasks-per-node equal to trainer.devices, --nodes to trainer.num_nodes",
            hint="slurm/train.sbatch takes both from the job",
        )
