"""Weights & Biases over restarts: one run, each step logged once.

A run that is taken up does some steps again. Online, rows are sent at once under the number of
their step, and W&B refuses a step that it has. Offline nobody looks on, so a row is held until the
state of a later step is on the disk: then its step is never done again.
"""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

from lightning.pytorch.loggers import WandbLogger

from medvlp.io import write_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["WandbRows", "release_rows", "wandb_run_id"]

_FILE = "wandb.json"


def wandb_run_id(folder: Path) -> str:
    """Return the id under which a run is known to W&B; a new run gets one that stays.

    Args:
        folder: Where the run notes what it must know when it is taken up.

    Raises:
        OutputError: MV1104 to MV1106 where the id cannot be written.
    """
    path = folder / _FILE
    try:
        known = json.loads(path.read_text(encoding="utf-8"))["id"]
    except (OSError, ValueError, KeyError, TypeError):
        known = ""
    if isinstance(known, str) and known.isalnum():
        return known
    chosen = secrets.token_hex(4)
    write_json(path, {"id": chosen})
    return chosen


class WandbRows(WandbLogger):
    """Logs one row per step; made on rank 0 only.

    Args:
        experiment: The run of W&B.
        holds: Whether rows are held until :meth:`release`.
    """

    def __init__(self, experiment: Any, *, holds: bool) -> None:  # noqa: ANN401  # W&B's run
        super().__init__(experiment=experiment)
        self._holds = holds
        self._rows: dict[int, dict[str, Any]] = {}
        self._newest = 0

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log values of a step.

        Args:
            metrics: Values by name.
            step: Steps before this one; None joins the values to the newest row.
        """
        self._newest = self._newest if step is None else step
        self._rows.setdefault(self._newest, {}).update(metrics)
        if not self._holds:
            self.release()

    def release(self, step: int | None = None) -> None:
        """Pass on the rows that are held.

        Args:
            step: Rows of steps before it; None passes on all.
        """
        for at in sorted(self._rows):
            if step is None or at < step:
                row = self._rows.pop(at)
                self.experiment.log({**row, "trainer/global_step": at}, step=at)

    def finalize(self, status: str) -> None:
        """Pass on all rows of a run that has finished; those of another are done again.

        Args:
            status: How the run ended, as Lightning says.
        """
        if status == "success":
            self.release()
        super().finalize(status)


def release_rows(loggers: list[Any], step: int | None) -> None:
    """Pass on rows of steps that are not done again.

    Args:
        loggers: Loggers of a run, of any kind.
        step: Step of the newest state on the disk; None where there is none.
    """
    for logger in loggers if step is not None else ():
        if isinstance(logger, WandbRows):
            logger.release(step)
