"""Steps and epochs of a run as Lightning wants them: the learning rate, and when to validate."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch.utils.data import DataLoader

from medvlp.training.optimization import learning_rate_factor

if TYPE_CHECKING:
    from collections.abc import Callable

    import lightning.pytorch as pl

    from medvlp.training.optimization import OptimizerSettings, ScheduleSettings

__all__ = ["is_fused", "scheduled", "steps_per_epoch", "validate_after_epoch"]


def is_fused(settings: OptimizerSettings, trainer: pl.Trainer) -> bool:
    """Tell whether one kernel changes many weights.

    Args:
        settings: What was asked for.
        trainer: Who knows the device and the precision.
    """
    if settings.fused is not None:
        return settings.fused
    strategy = getattr(trainer, "strategy", None)
    is_gpu = strategy is not None and strategy.root_device.type == "cuda"
    return is_gpu and trainer.precision != "16-mixed"


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

    def factor(last_share: float) -> Callable[[int], float]:
        return lambda step: learning_rate_factor(
            step, total_steps, settings, steps_per_epoch=epoch, last_share=last_share
        )

    shares = [settings.last_share_of(group["lr"]) for group in optimizer.param_groups]
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, [factor(share) for share in shares])
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


def validate_after_epoch(trainer: pl.Trainer) -> None:
    """Let validation follow the epoch that begins, however many batches it has.

    Batches of groups can be a few more or fewer from epoch to epoch. Lightning counts them in the
    first: it ends longer epochs there, and after shorter ones it would not validate. A validation
    that is wanted at another time stays there.

    Args:
        trainer: The trainer, whose loader is at the epoch that begins.
    """
    if trainer.val_check_interval != 1.0 or isinstance(trainer.val_check_interval, int):
        return
    loader = trainer.train_dataloader
    if isinstance(loader, DataLoader) and trainer.check_val_every_n_epoch is not None:
        trainer.val_check_batch = min(int(trainer.num_training_batches), len(loader))
