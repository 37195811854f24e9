"""How fast a run trains: samples a second, time waiting for data, share of the GPU's peak."""

from __future__ import annotations

import time
from collections.abc import Sized
from typing import TYPE_CHECKING, Annotated, Any

import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.profilers import PassThroughProfiler
from pydantic import Field

from medvlp.config.gpus import gpu_of_device
from medvlp.config.strict import StrictModel
from medvlp.models.dual_encoder import DualEncoder
from medvlp.models.flops import RECOMPUTED_PASSES, TRAINING_PASSES, dual_encoder_flops
from medvlp.training.learner import Learner

if TYPE_CHECKING:
    import lightning.pytorch as pl

__all__ = ["FetchClock", "WatchSettings", "WatchSpeed", "training_flops"]

_FETCH = "train_dataloader_next"


class WatchSettings(StrictModel):
    """What is told of a run's speed.

    Attributes:
        speed: Whether to log ``speed/*`` whenever the losses are logged.
        peak_tflops: Peak of one device at the precision in use, in 10^12 operations a second, that
            ``speed/mfu`` is a share of; None looks the GPU's dense bf16 peak up by its name.
    """

    speed: bool = True
    peak_tflops: Annotated[float, Field(gt=0)] | None = None


class FetchClock(PassThroughProfiler):
    """Adds up how long the training loop waits for its loader; Lightning tells it when it does.

    Attributes:
        waited_s: Seconds so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waited_s = 0.0
        self._began = 0.0

    def start(self, action_name: str) -> None:
        """Note when an action begins.

        Args:
            action_name: What Lightning calls it.
        """
        if action_name.endswith(_FETCH):
            self._began = time.perf_counter()

    def stop(self, action_name: str) -> None:
        """Note when an action ends.

        Args:
            action_name: What Lightning calls it.
        """
        if action_name.endswith(_FETCH):
            self.waited_s += time.perf_counter() - self._began


class WatchSpeed(Callback):
    """Logs the speed of a run every ``log_every_n_steps`` steps, as means over these steps.

    ``speed/samples_per_s`` (of all ranks), ``speed/step_s``, ``speed/data_wait_share`` (share of
    the time in which the loop waited for its loader; left out where another profiler is set),
    ``speed/max_memory_gib`` (on a GPU, since the start), and ``speed/mfu`` where the operations of
    the network and a peak are known. Only the clock is read: the device is not waited for.
    Validation is left out.

    Args:
        settings: What is told.
    """

    def __init__(self, settings: WatchSettings) -> None:
        self._settings = settings
        self._flops_per_sample = 0.0
        self._peak = settings.peak_tflops
        self._clock: FetchClock | None = None
        self._step = 0
        self._restart()

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Let Lightning tell when it waits for the loader.

        Args:
            trainer: The trainer.
            pl_module: The module in training.
            stage: What begins.
        """
        own: Any = trainer  # whose types do not name the profiler
        if type(own.profiler) is PassThroughProfiler:
            self._clock = own.profiler = FetchClock()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count the network's operations once.

        Args:
            trainer: The trainer.
            pl_module: The module in training.
        """
        self._step, device = trainer.global_step, pl_module.device
        if self._peak is None and device.type == "cuda":
            known = gpu_of_device(torch.cuda.get_device_name(device))
            self._peak = None if known is None else known.bf16_tflops
        if self._peak is not None and isinstance(pl_module, Learner):
            self._flops_per_sample = training_flops(pl_module)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock anew.

        Args:
            trainer: The trainer.
            pl_module: The module in training.
        """
        self._restart()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock anew: validation is no step.

        Args:
            trainer: The trainer.
            pl_module: The module in training.
        """
        self._restart()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Count the batch; log where it is time.

        Args:
            trainer: The trainer.
            pl_module: The module in training.
            outputs: What the step returned.
            batch: The batch.
            batch_idx: Number of the batch in the epoch.
        """
        self._batches += 1
        self._samples += len(batch) if isinstance(batch, Sized) else 0
        is_step = trainer.global_step != self._step  # else gradients are being added up
        self._step = trainer.global_step
        if is_step and _logs_now(trainer):
            pl_module.log_dict(self._figures(trainer, pl_module.device))
            self._restart()

    def _figures(self, trainer: pl.Trainer, device: torch.device) -> dict[str, float]:
        seconds = max(time.perf_counter() - self._began, 1e-9)
        steps = self._batches / trainer.accumulate_grad_batches
        rate = self._samples / seconds
        figures = {
            "speed/samples_per_s": rate * trainer.world_size,
            "speed/step_s": seconds / steps,
        }
        if self._clock is not None:
            figures["speed/data_wait_share"] = (self._clock.waited_s - self._waited_s) / seconds
        if self._peak is not None and self._flops_per_sample:
            figures["speed/mfu"] = rate * self._flops_per_sample / (self._peak * 1e12)
        if device.type == "cuda":
            figures["speed/max_memory_gib"] = torch.cuda.max_memory_allocated(device) / 2**30
        return figures

    def _restart(self) -> None:
        self._began = time.perf_counter()
        self._waited_s = 0.0 if self._clock is None else self._clock.waited_s
        self._batches = self._samples = 0


def _logs_now(trainer: pl.Trainer) -> bool:
    """Tell whether the losses of this step are logged."""
    own: Any = trainer
    every = int(own.log_every_n_steps)
    return every > 0 and (trainer.fit_loop.epoch_loop._batches_that_stepped + 1) % every == 0


def training_flops(module: Learner) -> float:
    """Return the operations of a training step on one pair; 0 where they are not known.

    Args:
        module: What is trained.
    """
    network = module.network()
    if not isinstance(network, DualEncoder):
        return 0.0
    passes = RECOMPUTED_PASSES if module.recomputes_blocks else TRAINING_PASSES
    return float(passes * dual_encoder_flops(network).pair)
