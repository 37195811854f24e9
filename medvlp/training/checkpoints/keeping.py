"""Keep the state of a run while it trains, so that it can be taken up at any step, exactly.

What a step does depends on the weights, the optimiser, the schedule, the batch and the random
numbers of the step. The first three are in the state. The batch is a function of the place in the
order of samples. The random numbers are a function of seed, step and rank, drawn anew before each
step, so no state of a generator has to be kept, on no device.
"""

from __future__ import annotations

import logging
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback

from medvlp.data.loading import OrderedLoader
from medvlp.data.randomness import step_seed
from medvlp.distributed import any_rank, row_counts
from medvlp.errors import OutputError
from medvlp.training.checkpoints.folder import CHECKPOINTS_FOLDER, checkpoint_path
from medvlp.training.checkpoints.origin import changed_parts, program_parts
from medvlp.training.checkpoints.outcomes import SaveOutcomes
from medvlp.training.checkpoints.place import PlaceInOrder, place_of
from medvlp.training.checkpoints.plugin import StateFolders
from medvlp.training.checkpoints.same_run import (
    check_same_run,
    check_same_step,
    check_takers,
)
from medvlp.training.checkpoints.stop_signals import StoppedRun, StopSignals
from medvlp.training.checkpoints.timing import SaveClock, ends_now, validates_next
from medvlp.training.wandb_rows import release_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medvlp.training.checkpoints.settings import CheckpointSettings

__all__ = ["KeepState"]

logger = logging.getLogger(__name__)

_KEY = "medvlp"
"""Where our part of the state stands."""


class KeepState(Callback):
    """Writes the state of a run, and ends the run when a signal asks for it.

    Args:
        folder: The run's folder.
        plugin: What writes the state for the trainer.
        settings: When the state is kept.
        seed: Seed of the run.
        config: The resolved configuration without what may differ when a run is taken up.
    """

    def __init__(
        self,
        folder: Path,
        plugin: StateFolders,
        settings: CheckpointSettings,
        *,
        seed: int,
        config: Mapping[str, Any],
    ) -> None:
        self._folder = folder / CHECKPOINTS_FOLDER
        self.plugin = plugin
        self._settings = settings
        self._seed = seed
        self._config = dict(config)
        self._signals = StopSignals()
        self._clock = SaveClock(settings)
        self._finished = 0
        self._place = PlaceInOrder()
        self._num_put_off = 0
        self._is_put_off = False
        self._logs_are_due = False
        self._stopped: StoppedRun | None = None
        self._outcomes = SaveOutcomes(plugin, settings.failures_allowed)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Look at a state that is taken up before Lightning loads the first weight from it.

        Args:
            trainer: The trainer.
            pl_module: The module in training.
            stage: What begins.
        """
        self.plugin.check = lambda state: self._take_up(trainer, state)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add what a run must share to be taken up, and the place in the order of samples.

        Args:
            trainer: The trainer.
            pl_module: The module in training.
            checkpoint: The state.
        """
        own = {"order": place_of(trainer.train_dataloader), "program": program_parts()}
        checkpoint[_KEY] = {**self._shared(), **own}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take over the signals, now that Lightning has set its own handlers.

        Args:
            trainer: The trainer.
            pl_module: The module in training.

        Raises:
            DataError: If a state was taken up, but not on all ranks (MV1712), or without its place
                in the order of samples (MV1711).
        """
        self._place.check_handed_over(trainer.train_dataloader)
        check_same_step(row_counts(trainer.global_step, pl_module.device), self._folder)
        self._signals.install()
        self._finished = trainer.global_step
        self._clock.restart(trainer.global_step)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: object, batch_idx: int
    ) -> None:
        """Draw the random numbers of the step from seed, step and rank.

        Args:
            trainer: The trainer.
            pl_module: The module in training.
            batch: The batch.
            batch_idx: Number of the batch in the epoch.
        """
        self._after_logging(trainer)
        total = trainer.fit_loop.epoch_loop.total_batch_idx
        seed = step_seed(self._seed, total, trainer.global_rank)
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Note the batch as trained on; keep the state where it is time or a signal has come.

        Between a batch and the validation that follows it the state is not kept: a run that is
        taken up there would pass over the validation, and with it what is chosen by its figures.
        Nor is it after the last batch, which the result follows: a run that is taken up there would
        pass over the end of training, and with it the weights that were chosen. Where validation
        follows every step, this is done after the validation.

        Args:
            trainer: The trainer.
            pl_module: The module in training.
            outputs: What the step returned.
            batch: The batch.
            batch_idx: Number of the batch in the epoch.
        """
        loader = trainer.train_dataloader
        if isinstance(loader, OrderedLoader):
            loader.order.advance()
        step = trainer.global_step
        self._is_put_off = False
        if step == self._finished:  # gradients are being added up: no step has been finished
            return
        self._finished = step
        self._outcomes.look()
        if ends_now(trainer):
            return
        if validates_next(trainer, batch_idx):
            self._is_put_off = self._num_put_off > 0
            self._num_put_off += 1
            return
        self._num_put_off = 0
        self._keep_or_end(trainer, step)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Do what was put off at the step before as well.

        Args:
            trainer: The trainer.
            pl_module: The module in training.

        Raises:
            StoppedRun: As asked.
        """
        if self._is_put_off and not trainer.sanity_checking:
            self._is_put_off = False
            self._keep_or_end(trainer, trainer.global_step)
            self._after_logging(trainer)

    def _keep_or_end(self, trainer: pl.Trainer, step: int) -> None:
        is_asked = bool(self._signals.received)
        if self._clock.looks(step) and any_rank(is_asked or self._outcomes.is_hopeless):
            self._end(trainer)
        elif self._clock.is_due(step) and not any_rank(self.plugin.is_writing):
            self._save(trainer)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop where that was asked for.

        Args:
            trainer: The trainer.
            pl_module: The module in training.

        Raises:
            StoppedRun: As asked.
        """
        self._after_logging(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop where that was asked for.

        Args:
            trainer: The trainer.
            pl_module: The module in training.

        Raises:
            StoppedRun: As asked.
        """
        self._after_logging(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Wait for the disk and give the signals back.

        Args:
            trainer: The trainer.
            pl_module: The module in training.
        """
        self._let_go()

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Wait for the disk and give the signals back.

        Args:
            trainer: The trainer.
            pl_module: The module in training.
            exception: What ended the run.
        """
        self._let_go()

    def _shared(self) -> dict[str, Any]:
        return {"seed": self._seed, "config": self._config}

    def _take_up(self, trainer: pl.Trainer, state: Mapping[str, Any]) -> None:
        """Refuse a state of other settings or other data, and tell of another program.

        Raises:
            DataError: MV1709 or MV1752, naming what differs.
        """
        stored = dict(state.get(_KEY, {}))
        place, changed = stored.pop("order", None), changed_parts(stored.pop("program", {}))
        check_same_run(stored, self._shared())
        own = (callback.state_key for callback in trainer.callbacks)  # type: ignore[attr-defined]
        check_takers(state.get("callbacks", {}), own)
        self._place.take_up(place, getattr(trainer, "datamodule", None))
        if changed and trainer.is_global_zero:
            logger.warning("the run goes on with another program: %s", "; ".join(changed))

    def _save(self, trainer: pl.Trainer) -> None:
        self._outcomes.look()  # the state before may have failed since the ranks last looked
        step = trainer.global_step
        self.plugin.keep = self._settings.keep
        trainer.save_checkpoint(checkpoint_path(self._folder, step))
        self._outcomes.expect(step)
        self._clock.restart(step)
        self._logs_are_due = True

    def _end(self, trainer: pl.Trainer) -> None:
        """End the run: with its state where it was asked to stop, else for a disk that refuses.

        Raises:
            MedvlpError: On all ranks, if the state cannot be written.
        """
        is_asked = any_rank(bool(self._signals.received))
        if is_asked:
            self._outcomes.wait()
            self._save(trainer)
            self._outcomes.wait()
        failure = self._outcomes.failure
        if not is_asked or any_rank(failure is not None):
            raise failure or OutputError("MV1106", "rank 0 could not write the state of the run")
        why = self._signals.received or "a signal to another rank"
        self._stopped = StoppedRun(trainer.global_step, why, trainer.global_rank)

    def _let_go(self) -> None:
        """Let the state reach the disk that is being written, and give the signals back."""
        try:
            self._outcomes.wait()
        finally:
            self.plugin.close()
            self._signals.restore()

    def _after_logging(self, trainer: pl.Trainer) -> None:
        """Write the lines of the steps whose state is kept, which are not logged again; then stop.

        Lightning logs a step after the callbacks have seen its end, so this is done a little later.
        """
        if self._logs_are_due:
            for own in trainer.loggers:
                own.save()
            self._logs_are_due = False
        release_rows(trainer.loggers, self._outcomes.step_on_disk)
        if self._stopped is not None:
            raise self._stopped
