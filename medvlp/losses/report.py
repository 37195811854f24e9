"""What an objective returns: the loss to descend, and its named parts for the log."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["LossReport"]


@dataclass(frozen=True)
class LossReport:
    """A loss and what it is made of.

    Attributes:
        total: The loss, scalar, float32, with a gradient.
        terms: Named parts and diagnostics, scalars without a gradient.
    """

    total: torch.Tensor
    terms: dict[str, torch.Tensor] = field(default_factory=dict)
