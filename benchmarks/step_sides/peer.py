"""The peer's side: open_clip's own CLIP, loss, optimiser and `train_one_epoch`, in this process.

Its batches lie in memory as the loop takes them: decoded, normalised, tokenised. That is as fast as
its data can be.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import open_clip
import torch
from open_clip_train.main import main as _main  # noqa: F401  # what its users' process loads
from open_clip_train.scheduler import cosine_lr
from open_clip_train.train import train_one_epoch

from benchmarks.step_sides.inputs import ARRAYS
from benchmarks.step_sides.pacing import Pacer
from benchmarks.step_sides.sizes import BETAS, EPSILON, TOWERS, WEIGHT_DECAY

__all__: list[str] = []


class PacedBatches:
    """Batches in memory; asking for one ends the step before.

    Args:
        path: The arrays.
        pacer: Whom to report to.
        batch: Pairs of a batch.
        num_steps: How many batches to give.
        is_pinned: Whether they lie in pinned memory, as open_clip's loader has them for a GPU.
    """

    def __init__(
        self, path: Path, pacer: Pacer, batch: int, num_steps: int, *, is_pinned: bool
    ) -> None:
        arrays = np.load(path)
        pixels = torch.from_numpy(arrays["images"]).permute(0, 3, 1, 2).float() / 255
        images, ids = ((pixels - 0.5) / 0.25).contiguous(), torch.from_numpy(arrays["ids"])
        if is_pinned:
            images, ids = images.pin_memory(), ids.pin_memory()
        self._batches = list(zip(images.split(batch), ids.split(batch), strict=True))
        self._pacer = pacer
        self.last_loss: torch.Tensor | None = None
        self.num_batches = num_steps
        self.num_samples = num_steps * batch

    def set_epoch(self, epoch: int) -> None:
        """Take note of the epoch, as open_clip's data does."""

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield batches in turn."""
        self._pacer.built()
        for step in range(self.num_batches):
            begin = time.perf_counter()
            batch = self._batches[step % len(self._batches)]
            self._pacer.waited(time.perf_counter() - begin)
            yield batch
            if self.last_loss is not None:
                self._pacer.stepped(self.last_loss)


def build_optimizer(model: torch.nn.Module, rate: float) -> torch.optim.AdamW:
    """Return the optimiser as ``open_clip_train.main`` builds it."""

    def is_excluded(name: str, weight: torch.nn.Parameter) -> bool:
        parts = ("bn", "ln", "bias", "logit_scale")
        return weight.ndim < 2 or any(part in name for part in parts)

    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    groups = [
        {"params": [p for n, p in named if is_excluded(n, p)], "weight_decay": 0.0},
        {"params": [p for n, p in named if not is_excluded(n, p)], "weight_decay": WEIGHT_DECAY},
    ]
    return torch.optim.AdamW(groups, lr=rate, betas=BETAS, eps=EPSILON)


def main() -> None:
    """Train until the other process closes the pipe."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--inputs", type=Path, required=True)
    for name in ("towers", "device", "precision"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("batch", "steps", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    pacer = Pacer(options.device)
    if options.device == "cuda":  # as open_clip_train.main does
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.benchmark = True
    torch.manual_seed(0)
    model = open_clip.create_model(
        TOWERS[options.towers].peer, device=options.device, output_dict=True
    )
    optimizer = build_optimizer(model, options.rate)
    trained = torch.compile(model) if options.compile else model
    batches = PacedBatches(
        options.inputs / ARRAYS,
        pacer,
        options.batch,
        options.steps,
        is_pinned=options.device == "cuda",
    )
    plain = open_clip.ClipLoss()

    def loss(**features: torch.Tensor) -> dict[str, torch.Tensor]:
        losses: dict[str, torch.Tensor] = plain(**features)
        batches.last_loss = losses["contrastive_loss"].detach()
        return losses

    args = SimpleNamespace(
        device=options.device,
        precision="amp_bf16" if options.precision == "bf16" else "fp32",
        accum_freq=1,
        distill=False,
        skip_scheduler=False,
        grad_clip_norm=None,
        horovod=False,
        rank=0,
        local_rank=0,
        log_local=False,
        world_size=1,
        batch_size=options.batch,
        log_every_n_steps=100,
        wandb=False,
    )
    data = {"train": SimpleNamespace(dataloader=batches, set_epoch=batches.set_epoch)}
    scheduler = cosine_lr(optimizer, options.rate, max(options.steps // 10, 1), options.steps)
    train_one_epoch(trained, data, loss, 0, optimizer, None, scheduler, None, args)


if __name__ == "__main__":
    main()
