"""Our side: `medvlp train fit`, as a user runs it, in this process."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from lightning.pytorch.callbacks import Callback

from benchmarks.step_sides.inputs import PAIRS, TOKENIZER
from benchmarks.step_sides.pacing import Pacer
from benchmarks.step_sides.sizes import BETAS, EPSILON, IMAGE_PX, NUM_TOKENS, TOWERS, WEIGHT_DECAY
from medvlp.training.cli import main as train
from medvlp.training.watching import FetchClock

if TYPE_CHECKING:
    import lightning.pytorch as pl

__all__ = ["Pace"]


class Pace(Callback):
    """Lets the run take turns with the other side.

    Args:
        device: ``cpu`` or ``cuda``.
    """

    def __init__(self, device: str) -> None:
        self._pacer = Pacer(device)
        self._waited_s = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Wait for the first turn."""
        self._pacer.built()

    def on_train_batch_start(self, trainer: pl.Trainer, *_: object) -> None:
        """Note how long the loop has waited for its loader, by the clock that the run has."""
        if isinstance(trainer.profiler, FetchClock):
            self._pacer.waited(trainer.profiler.waited_s - self._waited_s)
            self._waited_s = trainer.profiler.waited_s

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: dict[str, torch.Tensor],
        *_: object,
    ) -> None:
        """Count a step."""
        self._pacer.stepped(outputs["loss"].detach())


def arguments(options: argparse.Namespace) -> list[str]:
    """Return what follows ``medvlp train``."""
    towers, folder = TOWERS[options.towers], options.inputs
    settings = {
        "run.folder": f"{options.run}",
        "run.name": "train-step",
        "run.license": "Apache-2.0",
        "run.wandb": "off",
        "model.encoder.embed_dim": towers.embed_dim,
        "model.encoder.image.architecture": towers.image,
        "model.encoder.text.width": towers.text_width,
        "model.encoder.text.heads": towers.text_heads,
        "model.encoder.text.layers": 12,
        "model.encoder.text.feedforward": 4 * towers.text_width,
        "model.encoder.text.max_tokens": NUM_TOKENS,
        "model.encoder.text.pooling": "cls",
        "model.optimizer.learning_rate": options.rate,
        "model.optimizer.weight_decay": WEIGHT_DECAY,
        "model.optimizer.beta1": BETAS[0],
        "model.optimizer.beta2": BETAS[1],
        "model.optimizer.epsilon": EPSILON,
        "data.folder": folder / PAIRS,
        "data.tokenizer.file": folder / TOKENIZER,
        "data.batch_size": options.batch,
        "data.max_tokens": NUM_TOKENS,
        "data.inputs.input_px": IMAGE_PX,
        "trainer.accelerator": "gpu" if options.device == "cuda" else "cpu",
        "trainer.devices": 1,
        "trainer.max_steps": options.steps,
        "trainer.precision": "bf16-mixed" if options.precision == "bf16" else "32-true",
        "trainer.callbacks+": "benchmarks.step_sides.ours.Pace",
        "trainer.callbacks.device": options.device,
    }
    return ["fit", *(f"--{key}={value}" for key, value in settings.items()), *options.further]


def main() -> None:
    """Train until the other process closes the pipe."""
    parser = argparse.ArgumentParser()
    for name in ("inputs", "run"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("towers", "device", "precision"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("batch", "steps", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("further", nargs="*")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    train(arguments(options))


if __name__ == "__main__":
    main()
