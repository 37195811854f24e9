"""Hold less of a forward pass: values that are cheap to make again are made again.

Of a transformer's block, backward needs the input of every linear layer. Where a linear layer reads
what a normalisation or an activation has just made, that is kept twice: as the one's input and as
the other's. Here the second copy is let go of and made again from the first when backward comes to
it, by the same operation on the same values, so nothing changes in any bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from transformers.activations import GELUActivation

from medvlp.training.sharded.tensors import is_divided

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["recompute_cheap_values"]

_CHEAP = (nn.LayerNorm, nn.GELU, GELUActivation)
_ORIGIN = "_medvlp_origin"


@dataclass(frozen=True)
class _Origin:
    """How a tensor was made.

    Attributes:
        make: The operation.
        source: Its input, which backward of the operation holds anyway.
        precision: Type that autocast computed in; None where it was off.
        version: How often the tensor had been changed in place when it was made.
    """

    make: Callable[[torch.Tensor], torch.Tensor]
    source: torch.Tensor
    precision: torch.dtype | None
    version: int

    def again(self) -> torch.Tensor:
        """Make the tensor again."""
        device, is_on = self.source.device.type, self.precision is not None
        with torch.no_grad(), torch.autocast(device, dtype=self.precision, enabled=is_on):
            made = self.make(self.source)
        return made if self.precision is None else made.to(self.precision)


def recompute_cheap_values(network: nn.Module) -> int:
    """Let linear layers of a network hold how their input was made, and not the input.

    Names of weights stay; a network that is prepared twice is prepared once. Norms whose weights
    are divided among ranks are left alone: they may not be gathered when backward needs them again.

    Args:
        network: The network; changed in place.

    Returns:
        How many normalisations and activations were prepared.
    """
    makers = [
        m
        for m in network.modules()
        if isinstance(m, _CHEAP) and not _is_prepared(m) and not _is_divided(m)
    ]
    readers = [m for m in network.modules() if type(m) is nn.Linear and not _is_prepared(m)]
    for maker in makers:
        vars(maker)["forward"] = _remembering(maker.forward)
    for reader in readers:
        vars(reader)["forward"] = _forgetting(reader.forward)
    return len(makers)


def _is_prepared(module: nn.Module) -> bool:
    return "forward" in vars(module)


def _is_divided(module: nn.Module) -> bool:
    return any(is_divided(weight) for weight in module.parameters())


def _remembering(
    forward: Callable[[torch.Tensor], torch.Tensor],
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return the operation, which notes on its output how that was made."""

    def remember(value: torch.Tensor) -> torch.Tensor:
        made = forward(value)
        if made.requires_grad:
            origin = _Origin(forward, value.detach(), _autocast_type(value), made._version)
            setattr(made, _ORIGIN, origin)
        return made

    return remember


def _forgetting(
    forward: Callable[[torch.Tensor], torch.Tensor],
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return the linear layer, which holds the origin of its input where there is one."""

    def forget(value: torch.Tensor) -> torch.Tensor:
        origin: _Origin | None = getattr(value, _ORIGIN, None)
        if origin is None or value._version != origin.version or not torch.is_grad_enabled():
            return forward(value)
        if origin.precision is not None:
            value = value.to(origin.precision)  # as autocast would, but known to us
        place, count = value.data_ptr(), value.numel()

        def pack(held: torch.Tensor) -> torch.Tensor | Callable[[], torch.Tensor]:
            is_input = held.data_ptr() == place and held.numel() == count
            if not is_input or not held.is_contiguous():
                return held
            form = held.shape
            return lambda: origin.again().reshape(form)

        def unpack(held: torch.Tensor | Callable[[], torch.Tensor]) -> torch.Tensor:
            return held if isinstance(held, torch.Tensor) else held()

        with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
            return forward(value)

    return forget


def _autocast_type(value: torch.Tensor) -> torch.dtype | None:
    device = value.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
