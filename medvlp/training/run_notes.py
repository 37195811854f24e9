"""A run notes how far it has come, for ``medvlp status`` and for nobody else."""

from __future__ import annotations

import json
import logging
import math
import os
import time
from typing import TYPE_CHECKING, Any

from lightning.pytorch.callbacks import Callback

from medvlp.errors import MedvlpError
from medvlp.io import write_json
from medvlp.training.checkpoints.stop_signals import StoppedRun
from medvlp.training.run_names import PROGRESS_FILE, STATE_FOLDER

if TYPE_CHECKING:
    from pathlib import Path

    import lightning.pytorch as pl

__all__ = ["NoteProgress"]

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_NOTES = 15.0


class NoteProgress(Callback):
    """Writes ``state/progress.json`` on rank 0, at most every 15 s while the run trains.

    Args:
        folder: The run's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / STATE_FOLDER / PROGRESS_FILE
        self._noted_at = -math.inf
        self._first: dict[str, Any] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count the start.

        Args:
            trainer: The trainer.
            pl_module: The module in training.
        """
        before = _read(self._path)
        starts = before.get("starts")
        self._first = {
            "starts": (starts if isinstance(starts, int) else 0) + 1,
            "began": before.get("began", time.time()),
            "began_here": time.time(),
            "began_here_at_step": trainer.global_step,
            "processes": trainer.world_size,
            "steps": _finite(trainer.estimated_stepping_batches),
            "epochs": _finite(-1 if trainer.max_epochs is None else trainer.max_epochs),
            "slurm_job": os.environ.get("SLURM_JOB_ID", ""),
        }
        self._note(trainer, "running")

    def on_train_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        """Note the step.

        Args:
            trainer: The trainer.
        """
        self._note_at_times(trainer)

    def on_validation_batch_end(self, trainer: pl.Trainer, *_: object) -> None:
        """Give a sign of life.

        Args:
            trainer: The trainer.
        """
        self._note_at_times(trainer)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Note that the run has finished.

        Args:
            trainer: The trainer.
            pl_module: The module in training.
        """
        self._note(trainer, "finished")

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Note how the run ended.

        Args:
            trainer: The trainer.
            pl_module: The module in training.
            exception: What ended it.
        """
        if isinstance(exception, StoppedRun):
            self._note(trainer, "stopped", exception.why)
        elif isinstance(exception, KeyboardInterrupt):
            self._note(trainer, "stopped", "interrupted")
        else:
            told = str(exception) if isinstance(exception, MedvlpError) else repr(exception)
            self._note(trainer, "failed", told[:1000])

    def _note_at_times(self, trainer: pl.Trainer) -> None:
        if time.monotonic() - self._noted_at >= _SECONDS_BETWEEN_NOTES:
            self._note(trainer, "running")

    def _note(self, trainer: pl.Trainer, state: str, why: str = "") -> None:
        if not trainer.is_global_zero or not self._first:
            return
        self._noted_at = time.monotonic()
        record = {
            "state": state,
            "why": why,
            "step": trainer.global_step,
            "epoch": trainer.current_epoch,
            "updated": time.time(),
            **self._first,
        }
        try:
            write_json(self._path, record)
        except MedvlpError as error:  # the run does not depend on it
            logger.warning("how far the run has come is not noted: %s", error)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _finite(number: float) -> int | None:
    return int(number) if math.isfinite(number) and number >= 0 else None
