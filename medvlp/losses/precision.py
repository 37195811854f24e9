"""Loss statistics in full precision: outside autocast, half precision raised to fp32."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

__all__ = ["in_full_precision", "outside_autocast"]

P = ParamSpec("P")
R = TypeVar("R")


def in_full_precision(x: Tensor) -> Tensor:
    """Raise fp16 and bf16 to fp32 and leave fp32, float64 and integers as they are.

    Args:
        x: Any shape and dtype.

    Returns:
        The same values, same shape; differentiable.
    """
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def outside_autocast(function: Callable[P, R]) -> Callable[P, R]:
    """Run a loss with autocast switched off, so that products keep the precision of their inputs.

    Args:
        function: A loss; the device of its first tensor argument decides which autocast is meant.

    Returns:
        The same function, unaffected by a surrounding ``torch.autocast``.
    """

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        tensors = (a for a in (*args, *kwargs.values()) if isinstance(a, torch.Tensor))
        device_type = next((tensor.device.type for tensor in tensors), "cpu")
        with torch.autocast(device_type, enabled=False):
            return function(*args, **kwargs)

    return run
