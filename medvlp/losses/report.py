"""What an objective hands back: the value to minimise, and what it is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

__all__ = ["LossReport"]


@dataclass(frozen=True)
class LossReport:
    """The value of an objective on the joined batch of all ranks.

    Attributes:
        total: What is minimised, scalar, fp32 or float64, equal on every rank, with gradient.
        terms: Parts and counts worth logging, name to detached scalar, equal on every rank.
    """

    total: Tensor
    terms: Mapping[str, Tensor] = field(default_factory=lambda: MappingProxyType({}))
