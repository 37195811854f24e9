"""Learnable factor and offset of the similarities, kept in range after each optimiser step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Bias", "Temperature", "clamp_learned_scales"]


class Temperature(nn.Module):
    """A learnable logit scale ``s = exp(theta)``, one over the temperature.

    The parameter is not clamped in the forward pass, so that its gradient is never cut off;
    :meth:`clamp_` puts it back into its range after the optimiser's step.

    Source:
        Radford et al. 2021, arXiv:2103.00020, section 2.5: exp of a learned scalar that starts at
        ln(1/0.07) and is held below ln 100. KEEP starts at ln(1/0.04) and clamps to [0, ln 100].

    Args:
        scale: Scale to start from (1/temperature), > 0, no unit.
        minimum: Smallest scale after a step, > 0.
        maximum: Largest scale after a step.
    """

    def __init__(
        self, scale: float = 1 / 0.07, *, minimum: float = 1.0, maximum: float = 100.0
    ) -> None:
        super().__init__()
        if not 0 < minimum <= scale <= maximum:
            msg = f"need 0 < minimum <= scale <= maximum, got {minimum}, {scale}, {maximum}"
            raise ValueError(msg)
        self.log_minimum = math.log(minimum)
        self.log_maximum = math.log(maximum)
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))

    def forward(self) -> Tensor:
        """Return the scale, scalar, dtype of the parameter."""
        return self.log_scale.exp()

    @torch.no_grad()
    def clamp_(self) -> None:
        """Put the parameter back into its range; call it after each optimiser step."""
        self.log_scale.clamp_(self.log_minimum, self.log_maximum)


class Bias(nn.Module):
    """A learnable offset of the logits, as the pairwise sigmoid loss needs.

    Source:
        Zhai et al. 2023, arXiv:2303.15343, section 3.2: starts at -10 (with scale 10), so that the
        many negatives do not dominate the first steps.

    Args:
        value: Offset to start from.
        minimum: Smallest offset after a step; ``None`` for no bound.
        maximum: Largest offset after a step; ``None`` for no bound.
    """

    def __init__(
        self, value: float = -10.0, *, minimum: float | None = None, maximum: float | None = None
    ) -> None:
        super().__init__()
        self.minimum = -math.inf if minimum is None else minimum
        self.maximum = math.inf if maximum is None else maximum
        if not self.minimum <= value <= self.maximum:
            msg = f"need minimum <= value <= maximum, got {minimum}, {value}, {maximum}"
            raise ValueError(msg)
        self.value = nn.Parameter(torch.tensor(float(value)))

    def forward(self) -> Tensor:
        """Return the offset, scalar, dtype of the parameter."""
        return self.value

    @torch.no_grad()
    def clamp_(self) -> None:
        """Put the parameter back into its range; call it after each optimiser step."""
        self.value.clamp_(self.minimum, self.maximum)


def clamp_learned_scales(module: nn.Module) -> None:
    """Clamp every :class:`Temperature` and :class:`Bias` inside a module, after the step.

    Args:
        module: The model or the objective that holds them; it may hold none.
    """
    for part in module.modules():
        if isinstance(part, Temperature | Bias):
            part.clamp_()
