"""The learning rate of a run, step by step, as Lightning wants it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler

from medvlp.training.optimization import learning_rate_factor

if TYPE_CHECKING:
    import lightning.pytorch as pl

    from medvlp.training.optimization import ScheduleSettings

__all__ = ["scheduled", "steps_per_epoch"]


def scheduled(
    optimizer: torch.optim.Optimizer, trainer: pl.Trainer, settings: ScheduleSettings
) -> OptimizerLRScheduler:
    """Return an optimiser with its schedule over all steps of a run.

    Args:
        optimizer: The optimiser.
        trainer: Who knows how many steps there will be.
        settings: How the learning rate runs.
    """
    total_steps = int(trainer.estimated_stepping_batches)
    epoch = None if settings.warmup_epochs is None else steps_per_epoch(trainer)
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: learning_rate_factor(step, total_steps, settings, steps_per_epoch=epoch),
    )
    return {
        "optimizer": optimizer,
        "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
    }


def steps_per_epoch(trainer: pl.Trainer) -> int:
    """Return the number of optimiser steps of an epoch; a last partial accumulation counts.

    Args:
        trainer: A trainer that has its data. Where a run is given in steps alone, it has not looked
            at their number yet, and is told to.
    """
    if math.isinf(trainer.num_training_batches):
        trainer.fit_loop.setup_data()
    return math.ceil(trainer.num_training_batches / trainer.accumulate_grad_batches)
