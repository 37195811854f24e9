"""A line for each step and rank: which samples it saw and what it lost, to compare runs by."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import torch
from lightning.pytorch.callbacks import Callback

if TYPE_CHECKING:
    import lightning.pytorch as pl

__all__ = ["TRACE_FOLDER", "TraceSteps"]

TRACE_FOLDER = "trace"


class TraceSteps(Callback):
    """Appends to ``trace/rank_K.jsonl``; a run that is taken up writes its steps again.

    A line holds ``step`` (batches since the run began), ``samples`` (their ids) and ``loss`` as a
    hexadecimal number, so that equal means equal in every bit.

    Args:
        folder: The run's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / TRACE_FOLDER
        self._file: IO[str] | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Open the file of this rank.

        Args:
            trainer: The trainer.
            pl_module: The module in training.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"rank_{trainer.global_rank}.jsonl"
        _drop_unfinished_line(path)
        self._file = path.open("a", encoding="utf-8")

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,  # noqa: ANN401  # what Lightning hands on: a tensor or a dictionary
        batch: object,
        batch_idx: int,
    ) -> None:
        """Write the line of a step.

        Args:
            trainer: The trainer.
            pl_module: The module in training.
            outputs: What the step returned.
            batch: The batch.
            batch_idx: Number of the batch in the epoch.
        """
        if self._file is None:
            return
        loss = outputs["loss"] if isinstance(outputs, dict) else outputs
        samples = getattr(batch, "sample_id", ())
        line = {
            "step": trainer.fit_loop.epoch_loop.total_batch_idx,
            "samples": samples.tolist() if isinstance(samples, torch.Tensor) else list(samples),
            "loss": float(loss).hex(),
        }
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Close the file.

        Args:
            trainer: The trainer.
            pl_module: The module in training.
            stage: What ended.
        """
        self._close()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Close the file.

        Args:
            trainer: The trainer.
            pl_module: The module in training.
            exception: What ended the run.
        """
        self._close()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _drop_unfinished_line(path: Path) -> None:
    """Cut off the end of a file whose writer was killed within a line."""
    if path.exists():
        told = path.read_bytes()
        os.truncate(path, told.rfind(b"\n") + 1)
