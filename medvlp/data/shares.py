"""Choose a share of the patients, the same on every run, a smaller share within a larger one."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["chosen_share"]


def chosen_share(kinds: Mapping[str, int], share: float, seed: int) -> frozenset[str]:
    """Choose a share of the patients of each kind.

    A smaller share of the same seed is part of a larger one.

    Args:
        kinds: Patient -> number of the kind, all alike where kinds do not matter.
        share: Share of the patients, above 0 to 1; at least one of each kind is taken.
        seed: Seed of the choice.

    Returns:
        Names of the patients.
    """
    chosen: set[str] = set()
    for kind in sorted(set(kinds.values())):
        members = [patient for patient, own in kinds.items() if own == kind]
        members.sort(key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())
        chosen.update(members[: max(1, round(share * len(members)))])
    return frozenset(chosen)
