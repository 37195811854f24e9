"""What a run does for its loaders: start their server early, and keep the list of bad samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightning.pytorch.callbacks import Callback

from medvlp.data.loading import start_loader_server
from medvlp.data.quarantine import Quarantine

if TYPE_CHECKING:
    from pathlib import Path

    import lightning.pytorch as pl

__all__ = ["CareForLoaders"]


class CareForLoaders(Callback):
    """Starts loading while the model is built, and lists samples that could not be read.

    Args:
        folder: Folder of the run; it gets ``quarantine.csv`` where there are such samples.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Start the server of loader processes, and take up the list of bad samples.

        Args:
            trainer: The trainer.
            pl_module: The module in training.
            stage: What the trainer is about to do.
        """
        data = getattr(trainer, "datamodule", None)
        if getattr(data, "num_workers", 0):
            start_loader_server()
        quarantine = _quarantine_of(trainer)
        if quarantine is not None:
            quarantine.open(self._folder, trainer.global_rank)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Write the list of all ranks, and say how many samples are in it.

        Args:
            trainer: The trainer.
            pl_module: The module in training.
            stage: What ended.
        """
        self._close(trainer)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Write the list, as far as it goes.

        Args:
            trainer: The trainer.
            pl_module: The module in training.
            exception: What ended the run.
        """
        self._close(trainer)

    def _close(self, trainer: pl.Trainer) -> None:
        quarantine = _quarantine_of(trainer)
        if quarantine is not None and trainer.is_global_zero:
            quarantine.close()


def _quarantine_of(trainer: pl.Trainer) -> Quarantine | None:
    found = getattr(getattr(trainer, "datamodule", None), "quarantine", None)
    return found if isinstance(found, Quarantine) else None
