"""Which of the processes of a run this is, before they have been joined."""

from __future__ import annotations

import os

__all__ = ["launched_rank"]

_VARIABLES = ("RANK", "SLURM_PROCID", "LOCAL_RANK")


def launched_rank() -> int:
    """Return the rank that a launcher (torchrun, srun, Lightning) gave this process, else 0."""
    stated = (os.environ.get(name, "") for name in _VARIABLES)
    return next((int(value) for value in stated if value.isdigit()), 0)
