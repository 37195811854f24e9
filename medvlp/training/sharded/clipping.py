"""Gradients clipped over all ranks: some lie divided among them, some whole on each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from lightning.pytorch.plugins.precision import MixedPrecision, Precision
from torch.distributed.tensor import DTensor

from medvlp.distributed import all_reduce_sum, world_size

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch.optim import Optimizer

__all__ = [
    "ShardedMixedPrecision",
    "ShardedPrecision",
    "average_whole_gradients",
    "clip_to_norm",
    "gradient_norm",
]


@torch.no_grad()
def gradient_norm(parameters: Iterable[torch.nn.Parameter]) -> torch.Tensor:
    """Return the Euclidean norm of all gradients, the same on every rank.

    Args:
        parameters: Divided ones, whole ones, or both; those without a gradient count nothing.

    Returns:
        Scalar, float32.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    divided = [_local(grad) for grad in gradients if isinstance(grad, DTensor)]
    whole = [grad for grad in gradients if not isinstance(grad, DTensor)]
    repeats = next((_repeats(grad) for grad in gradients if isinstance(grad, DTensor)), 1)
    squares = _squares(divided, gradients)
    return (all_reduce_sum(squares) / repeats + _squares(whole, gradients)).sqrt()


@torch.no_grad()
def clip_to_norm(parameters: Iterable[torch.nn.Parameter], largest: float) -> torch.Tensor:
    """Scale all gradients down so that their norm over all ranks is at most a number.

    Args:
        parameters: Divided ones, whole ones, or both.
        largest: The number, as in ``torch.nn.utils.clip_grad_norm_``.

    Returns:
        The norm before.
    """
    parameters = list(parameters)
    norm = gradient_norm(parameters)
    factor = (largest / (norm + 1e-6)).clamp(max=1.0)
    for gradient in _local_gradients(parameters):
        gradient.mul_(factor.to(gradient.device))
    return norm


@torch.no_grad()
def average_whole_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Average the gradients of whole parameters over the ranks; those of divided ones are already.

    What was averaged before and has been added to stays right, as equal values average to
    themselves.

    Args:
        parameters: Any.
    """
    gradients = [
        p.grad for p in parameters if p.grad is not None and not isinstance(p.grad, DTensor)
    ]
    if not gradients or world_size() == 1:
        return
    flat = torch.cat([gradient.reshape(-1).float() for gradient in gradients])
    mean = all_reduce_sum(flat) / world_size()
    parts = torch.split(mean, [gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.reshape(gradient.shape))


class _ClipsOverRanks:
    def clip_grad_by_norm(self, optimizer: Optimizer, clip_val: float) -> None:
        """Clip by the norm of all gradients on all ranks."""
        clip_to_norm(_parameters(optimizer), float(clip_val))

    def clip_grad_by_value(self, optimizer: Optimizer, clip_val: float) -> None:
        """Clip each value."""
        for gradient in _local_gradients(_parameters(optimizer)):
            gradient.clamp_(-clip_val, clip_val)


class ShardedPrecision(_ClipsOverRanks, Precision):
    """Full precision."""


class ShardedMixedPrecision(_ClipsOverRanks, MixedPrecision):
    """Autocast."""


def _parameters(optimizer: Optimizer) -> list[torch.nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _local_gradients(parameters: Iterable[torch.nn.Parameter]) -> list[torch.Tensor]:
    return [_local(p.grad) for p in parameters if p.grad is not None]


def _local(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def _repeats(tensor: DTensor) -> int:
    """Return on how many ranks each row lies."""
    mesh = tensor.device_mesh
    axes = enumerate(tensor.placements)
    sizes = [mesh.size(axis) for axis, placement in axes if placement.is_replicate()]
    return sizes[0] if sizes else 1


def _squares(tensors: list[torch.Tensor], beside: list[torch.Tensor]) -> torch.Tensor:
    """Return the sum of squares, on the device that the gradients beside lie on."""
    device = beside[0].device if beside else torch.device("cpu")
    if not tensors:
        return torch.zeros((), device=device)
    norms = torch._foreach_norm(tensors)
    return torch.stack([norm.float() for norm in norms]).square().sum()
