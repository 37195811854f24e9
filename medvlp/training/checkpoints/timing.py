"""When the state of a run is due, and when it is put off until a validation is over."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from medvlp.distributed import any_rank

if TYPE_CHECKING:
    import lightning.pytorch as pl

    from medvlp.training.checkpoints.settings import CheckpointSettings

__all__ = ["SaveClock", "ends_now", "validates_next"]


class SaveClock:
    """Says when the next state is due, by steps and by the clock.

    Args:
        settings: When the state is kept.
    """

    def __init__(self, settings: CheckpointSettings) -> None:
        self._settings = settings
        self._last_step = 0
        self._last_time = time.monotonic()

    def restart(self, step: int) -> None:
        """Count from here.

        Args:
            step: Optimiser steps that were finished.
        """
        self._last_step, self._last_time = step, time.monotonic()

    def looks(self, step: int) -> bool:
        """Say whether the ranks look at each other's flags after this step.

        Args:
            step: Optimiser steps that were finished.
        """
        return step % self._settings.look_every == 0

    def is_due(self, step: int) -> bool:
        """Say whether the state is due; the clock that is first decides for all ranks.

        Args:
            step: Optimiser steps that were finished.
        """
        every_steps, every_minutes = self._settings.every_steps, self._settings.every_minutes
        if every_steps is not None and step - self._last_step >= every_steps:
            return True
        if every_minutes is None or not self.looks(step):
            return False
        return any_rank(time.monotonic() - self._last_time >= 60 * every_minutes)


def validates_next(trainer: pl.Trainer, batch_idx: int) -> bool:
    """Tell whether validation follows the batch that has just been trained on.

    Args:
        trainer: The trainer.
        batch_idx: Number of the batch in the epoch.
    """
    every, after = trainer.check_val_every_n_epoch, trainer.val_check_batch
    if not trainer.enable_validation or after is None:
        return False
    if every is not None and (trainer.current_epoch + 1) % every:
        return False
    if math.isinf(after):
        return trainer.is_last_batch
    place = trainer.fit_loop.epoch_loop.total_batch_idx if every is None else batch_idx
    return (place + 1) % int(after) == 0


def ends_now(trainer: pl.Trainer) -> bool:
    """Tell whether the batch that has just been trained on was the last one of the run.

    Args:
        trainer: The trainer.
    """
    if 0 <= trainer.max_steps <= trainer.global_step:
        return True
    epochs = trainer.max_epochs
    return epochs is not None and 0 <= epochs <= trainer.current_epoch + trainer.is_last_batch
