"""How fast a run trains: samples a second, time waiting for data, share of the GPU's peak."""

from __future__ import annotations

import time
from collections.abc import Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.profilers import PassThroughProfiler
from pydantic import Field

from medvlp.config.gpus import gpu_of_device
from medvlp.config.strict import StrictModel
from medvlp.data.batch import Batch, TextTokens
from medvlp.data.modules import PairsDataModule
from medvlp.models.dual_encoder import DualEncoder
from medvlp.models.flops import TRAINING_PASSES, dual_encoder_flops
from medvlp.training.learner import Learner

if TYPE_CHECKING:
    import lightning.pytorch as pl

__all__ = ["FetchClock", "TrainingFlops", "WatchSettings", "WatchSpeed", "training_flops"]

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


@dataclass(frozen=True)
class TrainingFlops:
    """Operations that a training step needs, on one image and on one token of a text.

    Three forward passes of each tower, one where it rests in all epochs; its projection counts as
    the tower does. Blocks computed twice to save memory count once, and the loss and further
    networks of an objective are left out. A token costs what it does in the longest text that the
    data may have: in shorter ones, whose attention costs less, a little less than is counted.

    Attributes:
        image: For one image of the size that the data has.
        token: For one token, padding included.
    """

    image: float
    token: float

    def of(self, num_images: int, num_tokens: int) -> float:
        """Return the operations for images and the tokens of their texts.

        Args:
            num_images: Number of images.
            num_tokens: Number of tokens of all texts, padding included.
        """
        return num_images * self.image + num_tokens * self.token


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
    ``speed/max_memory_gib`` (on a GPU, since the start), and for pairs, where a peak is known,
    ``speed/mfu``: the share of it that :class:`TrainingFlops` counts. Only the clock is read: the
    device is not waited for. Validation is left out.

    Args:
        settings: What is told.
    """

    def __init__(self, settings: WatchSettings) -> None:
        self._settings = settings
        self._flops: TrainingFlops | None = None
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
            data = getattr(trainer, "datamodule", None)
            if isinstance(data, PairsDataModule):
                side, tokens = data.preprocessing.input_px, data.max_tokens
                self._flops = training_flops(pl_module, input_px=side, tokens=tokens)

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
        if isinstance(batch, Batch) and isinstance(batch.text, TextTokens):
            self._tokens += batch.text.ids.numel()
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
        if self._peak is not None and self._flops is not None:
            done = self._flops.of(self._samples, self._tokens)
            figures["speed/mfu"] = done / seconds / (self._peak * 1e12)
        if device.type == "cuda":
            figures["speed/max_memory_gib"] = torch.cuda.max_memory_allocated(device) / 2**30
        return figures

    def _restart(self) -> None:
        self._began = time.perf_counter()
        self._waited_s = 0.0 if self._clock is None else self._clock.waited_s
        self._batches = self._samples = self._tokens = 0


def _logs_now(trainer: pl.Trainer) -> bool:
    """Tell whether the losses of this step are logged."""
    own: Any = trainer
    every = int(own.log_every_n_steps)
    return every > 0 and (trainer.fit_loop.epoch_loop._batches_that_stepped + 1) % every == 0


def training_flops(
    module: Learner, *, input_px: int | None = None, tokens: int | None = None
) -> TrainingFlops | None:
    """Return the operations of training steps; None where they are not known.

    Args:
        module: What is trained.
        input_px: Side of an image in pixels; None for what the architecture is made for.
        tokens: Length at which texts are counted; None for the longest that the tower takes.
    """
    network = module.network()
    if not isinstance(network, DualEncoder):
        return None
    length = tokens or network.settings.text_tower.max_tokens
    once = dual_encoder_flops(network, input_px=input_px, tokens=length)
    for_good = {id(tower) for tower, epochs in module.resting() if epochs == "all"}
    image, text = (
        1 if id(tower) in for_good else TRAINING_PASSES
        for tower in (network.image_tower, network.text_tower)
    )
    return TrainingFlops(image=image * once.image, token=text * once.text / length)
