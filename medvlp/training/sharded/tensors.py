"""Divided tensors made whole, and whole ones divided: rows of the first axis, rank after rank."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch.distributed.tensor import DTensor, Shard

from medvlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["divided_like", "fill", "fill_module", "is_divided", "local_part", "made_whole"]


def is_divided(tensor: torch.Tensor) -> bool:
    """Tell whether ranks hold parts of a tensor.

    Args:
        tensor: Any tensor.
    """
    return isinstance(tensor, DTensor)


def made_whole(tensor: DTensor) -> torch.Tensor:
    """Return a divided tensor whole; every rank must call this, and every rank gets it.

    Args:
        tensor: The divided tensor.
    """
    placed = cast("DTensor", tensor.detach().to(tensor.device_mesh.device_type))
    return placed.full_tensor()


def local_part(whole: torch.Tensor, like: DTensor) -> torch.Tensor:
    """Return the rows of a whole tensor that this rank keeps; they are a view of it.

    Args:
        whole: All rows, on any device.
        like: A tensor of the same shape, divided along its first axis.

    Raises:
        ValueError: If it is divided otherwise.
    """
    part = whole
    for axis, placement in enumerate(like.placements):
        if placement.is_replicate():
            continue
        if not isinstance(placement, Shard) or placement.dim != 0:
            msg = f"a tensor divided as {placement} is not divided along its first axis"
            raise ValueError(msg)
        width = -(-part.shape[0] // like.device_mesh.size(axis))
        start = min(width * like.device_mesh.get_local_rank(axis), part.shape[0])
        part = part[start : start + width]
    return part


def divided_like(whole: torch.Tensor, like: DTensor) -> DTensor:
    """Return a whole tensor divided as another; no rank talks to another.

    Args:
        whole: All rows, the same on every rank.
        like: A tensor of the same shape.
    """
    mine = local_part(whole, like).to(like.to_local().device, copy=True).contiguous()
    return DTensor.from_local(
        mine,
        like.device_mesh,
        like.placements,
        run_check=False,
        shape=like.shape,
        stride=like.stride(),
    )


@torch.no_grad()
def fill(target: torch.Tensor, whole: torch.Tensor) -> None:
    """Write a whole tensor into one that may be divided.

    Args:
        target: What is filled; of a divided one the rows of this rank.
        whole: All rows, the same on every rank.
    """
    if isinstance(target, DTensor):
        target.to_local().copy_(local_part(whole, target))
    else:
        target.copy_(whole)


def fill_module(module: torch.nn.Module, state: Mapping[str, torch.Tensor], source: str) -> None:
    """Fill a module, divided or not, with whole tensors; names and shapes must all agree.

    Args:
        module: What is filled.
        state: Whole tensors by name.
        source: Where they come from, for messages.

    Raises:
        DataError: If a name or a shape differs (MV1862).
    """
    wanted = module.state_dict()
    differing = sorted(wanted.keys() ^ state.keys())
    differing += [
        name
        for name in sorted(wanted.keys() & state.keys())
        if wanted[name].shape != state[name].shape
    ]
    if differing:
        raise DataError(
            "MV1862",
            f"{source} does not hold the weights of this model: {', '.join(differing[:3])} differ",
            expected="the state of a run with the same model",
        )
    for name, target in wanted.items():
        fill(target, state[name])
