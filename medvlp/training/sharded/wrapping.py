"""Build a network once, on rank 0, hand it out part by part, and divide it among the ranks."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from warnings import catch_warnings, simplefilter

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor

from medvlp.distributed import rank
from medvlp.training.sharded.units import shard_units, small_parameters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch.distributed.device_mesh import DeviceMesh

__all__ = ["built_on_rank_0", "divide", "gather_units"]


@contextmanager
def built_on_rank_0() -> Iterator[None]:
    """Let modules of the block be made in memory on rank 0, and without memory on other ranks."""
    if rank() == 0:
        yield
        return
    with torch.device("meta"), catch_warnings():
        simplefilter("ignore")  # torch warns of each weight that is read and has no place here
        yield


def divide(
    module: nn.Module,
    mesh: DeviceMesh,
    device: torch.device,
    *,
    precision: MixedPrecisionPolicy,
    reshard_after_forward: bool = True,
) -> None:
    """Divide the children of a module among the ranks, and hand out all that stays whole.

    Every rank holds one unit of the network whole at a time, never the whole network. Weights come
    from rank 0; those of the other ranks may be without memory.

    Args:
        module: What holds networks; weights that are its own stay whole.
        mesh: The ranks: one axis to divide over, or a first one to repeat over and a second one.
        device: Where the weights go.
        precision: Types of gathered weights and of reduced gradients.
        reshard_after_forward: Let go of gathered weights until the way back needs them.
    """
    for network in module.children():
        if all(parameter.ndim == 0 for parameter in network.parameters()):
            continue
        for unit in shard_units(network):
            _hand_out(unit, device)
            unit.register_forward_hook(_with_own_memory)
            small = small_parameters(network)
            fully_shard(
                unit,
                mesh=mesh,
                reshard_after_forward=reshard_after_forward and unit is not network,
                mp_policy=precision if unit is not network else MixedPrecisionPolicy(),
                ignored_params=small,
            )
    _hand_out(module, device)


def gather_units(module: nn.Module) -> None:
    """Gather every unit and let it go, as a way forth of the networks of a module would.

    For a rank that has nothing to send through the networks while others have: they gather in the
    order in which the units stand, and wait for all ranks.

    Args:
        module: What holds divided networks.
    """
    for network in module.children():
        for unit in network.modules():
            if isinstance(unit, FSDPModule):
                unit.unshard()
                if unit is not network:
                    unit.reshard()


def _hand_out(unit: nn.Module, device: torch.device) -> None:
    """Put what is not divided yet on the device of each rank, with the values of rank 0."""
    for part in unit.modules():
        for name, parameter in part.named_parameters(recurse=False):
            if not isinstance(parameter, DTensor):
                sent = _from_rank_0(parameter.detach(), device)
                setattr(part, name, nn.Parameter(sent, requires_grad=parameter.requires_grad))
        persistent = part._non_persistent_buffers_set  # torch names them nowhere else
        for name, buffer in part.named_buffers(recurse=False):
            part.register_buffer(name, _from_rank_0(buffer, device), name not in persistent)


def _from_rank_0(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    if tensor.device.type == "meta":
        received = torch.empty(tensor.shape, dtype=tensor.dtype, device=device)
    else:
        received = tensor.to(device).contiguous()
    if dist.is_initialized() and dist.get_world_size() > 1:
        dist.broadcast(received, src=0)
    return received


def _with_own_memory(_unit: nn.Module, _inputs: object, output: object) -> object:
    """Return a tensor that is no view of another, whose gradient FSDP could lose sight of."""
    if isinstance(output, torch.Tensor) and output._is_view():
        return output.clone()
    return output
