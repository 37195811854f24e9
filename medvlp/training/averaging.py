"""A running average of the weights, which often judges better than the weights of the last step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from lightning.pytorch.callbacks import Callback
from pydantic import Field

from medvlp.config.strict import StrictModel
from medvlp.errors import UsageError
from medvlp.training.selecting import selection_of
from medvlp.training.sharded.tensors import is_divided

if TYPE_CHECKING:
    import lightning.pytorch as pl

__all__ = ["AverageSettings", "KeepAverage"]


class AverageSettings(StrictModel):
    """An exponential moving average of the weights.

    Attributes:
        decay: Share of the average that stays at a step; the rest comes from the weights.
        warm_up: Begin with a smaller share, ``(1 + n) / (10 + n)`` at the n-th update, so that the
            first weights are soon forgotten.
        every_steps: Optimiser steps from update to update.
        validate_with: Whose figures validation gives.
        result_of: What the result of the run is made of. Where a step is chosen by a figure, the
            weights that had it are taken, whatever this says.
    """

    decay: Annotated[float, Field(ge=0, lt=1)] = 0.9999
    warm_up: bool = True
    every_steps: Annotated[int, Field(ge=1)] = 1
    validate_with: Literal["average", "weights"] = "average"
    result_of: Literal["average", "weights"] = "average"


class KeepAverage(Callback):
    """Keeps the average, part of the run's state, and puts it in the place of the weights.

    Numbers that are no weights, such as the statistics of batch norms, are those of the last step:
    they are averages already.

    Args:
        settings: How it is made and used.
    """

    def __init__(self, settings: AverageSettings) -> None:
        self._settings = settings
        self._average: dict[str, torch.Tensor] = {}
        self._loaded: dict[str, torch.Tensor] = {}
        self._updates = 0
        self._step = 0
        self._put_aside: dict[str, torch.Tensor] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin with the weights, or with the average of the state that is taken up.

        Args:
            trainer: The trainer.
            pl_module: The module in training.

        Raises:
            UsageError: MV1871 where the weights are divided among the ranks.
            ValueError: If the state is that of another module.
        """
        weights = _trained(pl_module)
        if any(is_divided(weight) for weight in weights.values()):
            raise UsageError(
                "MV1871",
                "run.average is set, and the weights are divided among the ranks",
                expected="no run.average, or a trainer.strategy that keeps the weights whole",
            )
        self._step = trainer.global_step
        if not self._loaded:
            self._average = {name: weight.detach().clone() for name, weight in weights.items()}
            return
        if self._loaded.keys() != weights.keys():
            raise ValueError("the average of the state has other weights than the module")
        self._average = {
            name: self._loaded[name].to(weight.device, weight.dtype)
            for name, weight in weights.items()
        }
        self._loaded = {}

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: object
    ) -> None:
        """Update the average after a step.

        Args:
            trainer: The trainer.
            pl_module: The module in training.
        """
        step, settings = trainer.global_step, self._settings
        if step == self._step:  # gradients are being added up
            return
        self._step = step
        if step % settings.every_steps:
            return
        self._updates += 1
        share = settings.decay
        if settings.warm_up:
            share = min(share, (1 + self._updates) / (10 + self._updates))
        weights = _trained(pl_module)
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self._average.values()),
                [weights[name].detach() for name in self._average],
                1.0 - share,
            )

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Validate with the average where that is asked for.

        Args:
            trainer: The trainer.
            pl_module: The module in training.
        """
        if self._settings.validate_with == "average" and self._updates:
            self._put_aside = _swap(pl_module, self._average)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Go on with the weights.

        Args:
            trainer: The trainer.
            pl_module: The module in training.
        """
        if self._put_aside:
            _swap(pl_module, self._put_aside)
            self._put_aside = {}

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put the average in the place of the weights, before the result is written.

        Args:
            trainer: The trainer.
            pl_module: The module in training.
        """
        is_chosen = selection_of(trainer).step is not None
        if self._settings.result_of == "average" and self._updates and not is_chosen:
            _swap(pl_module, self._average)

    def state_dict(self) -> dict[str, Any]:
        """Return the average and how many updates it has had."""
        return {"average": self._average or self._loaded, "updates": self._updates}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what the state of the run holds.

        Args:
            state_dict: What :meth:`state_dict` returned.
        """
        self._loaded = dict(state_dict["average"])
        self._updates = int(state_dict["updates"])


def _trained(module: pl.LightningModule) -> dict[str, torch.nn.Parameter]:
    """Return the weights that the optimiser changes, by name, whether they rest or not."""
    optimizers = module.trainer.optimizers
    changed = {id(p) for own in optimizers for g in own.param_groups for p in g["params"]}
    return {name: p for name, p in module.named_parameters() if id(p) in changed}


@torch.no_grad()
def _swap(module: pl.LightningModule, values: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Give weights other values, and return those they had."""
    weights = dict(module.named_parameters())
    before = {name: weights[name].detach().clone() for name in values}
    for name, value in values.items():
        weights[name].copy_(value)
    return before
