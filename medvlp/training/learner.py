"""What the modules of all recipes do alike: figures, losses that are numbers, one schedule."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, TypeVar

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler

from medvlp.errors import MedvlpError, UsageError
from medvlp.training.freezing import rest_tower
from medvlp.training.layer_decay import layer_shares
from medvlp.training.optimization import OptimizerSettings, ScheduleSettings, build_optimizer
from medvlp.training.stepping import is_fused, scheduled, validate_after_epoch
from medvlp.training.towers import TowerSettings, prepare_towers, towers_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from lightning.pytorch.core.optimizer import LightningOptimizer

    from medvlp.losses.report import LossReport
    from medvlp.training.freezing import Epochs

__all__ = ["Learner", "check_text_length"]

_STEPS_BETWEEN_CHECKS = 20
_DataT = TypeVar("_DataT")
_TOWERS = TowerSettings()


class Learner(pl.LightningModule, ABC):
    """A module that a recipe trains.

    Args:
        subject: What is trained, for messages, such as ``objective 'clip'``.
        compared: What a step compares with each other, such as ``pairs``.
        optimizer: How weights are changed.
        schedule: How the learning rate runs.
        towers: How towers compute.
    """

    def __init__(
        self,
        *,
        subject: str,
        compared: str,
        optimizer: OptimizerSettings,
        schedule: ScheduleSettings,
        towers: TowerSettings = _TOWERS,
    ) -> None:
        super().__init__()
        self._subject = subject
        self._compared = compared
        self._optimizer_settings = optimizer
        self._schedule = schedule
        self._tower_settings = towers

    joins_ranks: ClassVar[bool] = True
    """Whether a step compares what all processes have loaded, so that the batch can be spread."""

    leaves_unused: ClassVar[bool] = False
    """Whether some weights may have no gradient in some steps, though their tower does not rest."""

    divides: ClassVar[bool] = False
    """Whether a step enters networks by ``forward`` alone, so that their weights can be divided."""

    @abstractmethod
    def network(self) -> torch.nn.Module:
        """Return what is trained, which ``configure_model`` builds.

        Raises:
            RuntimeError: If no trainer has taken the module yet.
        """

    def resting(self) -> Sequence[tuple[torch.nn.Module, Epochs]]:
        """Return towers that may rest, and in how many epochs from the first they do."""
        return ()

    def further_weights(self) -> Iterable[tuple[str, torch.nn.Parameter]]:
        """Return weights beside the network that are trained too, by name."""
        return ()

    def on_fit_start(self) -> None:
        """Prepare the towers; refuse several processes where a step sees only one's share.

        Raises:
            UsageError: MV1706; MV1870 if a tower has no blocks to prepare.
        """
        if self.trainer.world_size > 1 and not self.joins_ranks:
            raise UsageError(
                "MV1706",
                f"{self._subject} cannot run on {self.trainer.world_size} processes: each would "
                f"compare its own {self._compared} only",
                expected="trainer.devices=1 and trainer.num_nodes=1",
            )
        prepare_towers(towers_of(self.network()), self._tower_settings)

    def on_train_start(self) -> None:
        """Put towers to rest where a run goes on within an epoch, whose start is not told again."""
        self._rest()

    def on_train_epoch_start(self) -> None:
        """Put towers to rest or wake them up; let validation follow epochs of any length."""
        self._rest()
        validate_after_epoch(self.trainer)

    def _rest(self) -> None:
        for tower, epochs in self.resting():
            rest_tower(tower, epochs, self.current_epoch)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return AdamW and its schedule over all steps of the run."""
        settings, network = self._optimizer_settings, self.network()
        shares = {}
        if settings.layer_decay < 1.0:
            shares = layer_shares(network, towers_of(network), settings.layer_decay)
        optimizer = build_optimizer(
            network,
            settings,
            further=self.further_weights(),
            shares=shares,
            fused=is_fused(settings, self.trainer),
        )
        return scheduled(optimizer, self.trainer, self._schedule)

    def optimizer_step(
        self,
        epoch: int,
        batch_idx: int,
        optimizer: torch.optim.Optimizer | LightningOptimizer,
        optimizer_closure: Callable[[], object] | None = None,
    ) -> None:
        """Let the optimiser make its step, then bring weights back into their bounds.

        Gradients are let go of at once: Lightning would keep them until the next loss is known, in
        memory beside all that its computation holds.

        Args:
            epoch: Number of the epoch.
            batch_idx: Number of the batch in the epoch.
            optimizer: The optimiser.
            optimizer_closure: Computes loss and gradients.
        """
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        optimizer.zero_grad()
        self.bound_weights()

    def bound_weights(self) -> None:  # most recipes have nothing to bound
        """Bring weights back into their bounds after a step, such as a logit scale."""

    def data_of(self, kind: type[_DataT]) -> _DataT:
        """Return the data that the trainer reads.

        Args:
            kind: What it must be.

        Raises:
            TypeError: If it is something else.
        """
        data = getattr(self.trainer, "datamodule", None)
        if not isinstance(data, kind):
            found = type(data).__name__
            msg = f"{type(self).__name__} is trained on {kind.__name__}, got {found}"
            raise TypeError(msg)
        return data

    def tell(self, name: str, value: float) -> None:
        """Log a figure of the whole validation, which every rank has computed alike.

        Args:
            name: Name of the figure, without ``validation/``.
            value: The figure.
        """
        self.log(f"validation/{name}", value, sync_dist=True, reduce_fx="max")

    def descend(self, report: LossReport, batch_idx: int, batch_size: int) -> torch.Tensor:
        """Log the loss of a training step and its parts, and return it.

        Args:
            report: The loss.
            batch_idx: Number of the batch in the epoch.
            batch_size: Number of samples.

        Raises:
            MedvlpError: If the loss is NaN or infinite (MV1703), looked at every 20 steps.
        """
        if batch_idx % _STEPS_BETWEEN_CHECKS == 0 and not bool(torch.isfinite(report.total)):
            raise MedvlpError(
                "MV1703",
                f"the loss is {float(report.total.detach())} at step {self.global_step}",
                expected="a finite number",
                hint="lower model.optimizer.learning_rate, or lengthen model.schedule.warmup_share",
            )
        self.log("train/loss", report.total.detach(), batch_size=batch_size)
        for name, value in report.terms.items():
            self.log(f"train/{name}", value.float(), batch_size=batch_size)
        return report.total


def check_text_length(max_tokens: int, takes: int, key: str) -> None:
    """Refuse texts longer than a text tower takes.

    Args:
        max_tokens: Largest number of tokens of a text, ``data.max_tokens``.
        takes: Largest number of tokens of the tower.
        key: Where the tower's number stands in the settings.

    Raises:
        UsageError: MV1002.
    """
    if max_tokens > takes:
        raise UsageError(
            "MV1002",
            f"data.max_tokens={max_tokens} is more than the text tower takes",
            expected=f"at most {key}={takes}",
        )
