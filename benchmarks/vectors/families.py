"""All families that something answers. A new group of checks is added to the list below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.vectors import (
    fill,
    losses_contrastive,
    losses_findings,
    losses_supervised,
    metrics,
    prompts,
    radiographs,
    slides,
    units,
    volumes,
    weights,
)

if TYPE_CHECKING:
    from benchmarks.vectors.comparison import FamilyCheck

__all__ = ["FAMILIES"]

_GROUPS = (
    fill,
    prompts,
    slides,
    volumes,
    units,
    metrics,
    losses_contrastive,
    losses_supervised,
    losses_findings,
    radiographs,
    weights,
)

FAMILIES: dict[str, FamilyCheck] = {
    family: check for group in _GROUPS for family, check in group.CHECKS.items()
}
"""Family to the check that answers it."""
