"""Draw a patient: which findings there are, on which side, and how large."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from medvlp.errors import PhantomError, nearest_name
from medvlp.phantoms.chest.lesions import draw_size_mm
from medvlp.phantoms.chest.traits import PHANTOM_FINDINGS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "MAX_FINDINGS",
    "FindingSide",
    "PhantomPatientXray",
    "check_findings",
    "draw_patient",
    "make_patient",
]

FindingSide = Literal["left", "right", "both"]
MAX_FINDINGS = 4
"""Most findings of one patient."""

_BOTH_SHARE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class PhantomPatientXray:
    """Someone to take pictures of.

    Attributes:
        seed: Seed of everything that is not stated here.
        sides: Name of each finding that there is -> the patient's side.
        sizes_mm: The same names -> size of the largest lesion, a whole number.
    """

    seed: int
    sides: dict[str, FindingSide]
    sizes_mm: dict[str, float]

    @property
    def patient_id(self) -> str:
        """A name that tells nothing of the findings."""
        return f"chest_{self.seed:08d}"


def check_findings(names: Sequence[str]) -> None:
    """Refuse a name that is none of the made-up findings.

    Args:
        names: The names.

    Raises:
        PhantomError: MV1905.
    """
    for name in names:
        if name not in PHANTOM_FINDINGS:
            raise PhantomError(
                "MV1905",
                f"phantom finding {name!r} is unknown{nearest_name(name, PHANTOM_FINDINGS)}",
                expected=f"one of {', '.join(PHANTOM_FINDINGS)}",
            )


def draw_patient(
    seed: int,
    *,
    occurring: Sequence[str] = tuple(PHANTOM_FINDINGS),
    prevalence: float = 0.05,
    normal_share: float = 0.1,
) -> PhantomPatientXray:
    """Draw a patient; equal arguments give equal patients.

    A patient is normal with ``normal_share``; else each finding is there independently, with the
    chance that makes ``prevalence`` of all, and of more than four, four are kept. The first makes
    findings keep company a little, the second keeps them apart a little.

    Args:
        seed: Seed of the patient.
        occurring: Findings that may occur.
        prevalence: Share of patients with each of them, about.
        normal_share: Share of patients that are normal whatever the chances.

    Raises:
        PhantomError: MV1905 for an unknown finding.
    """
    check_findings(occurring)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))
    is_normal = rng.uniform() < normal_share
    has = rng.uniform(size=len(PHANTOM_FINDINGS)) < prevalence / (1 - normal_share)
    allowed = frozenset(occurring)
    found = [
        name for name, there in zip(PHANTOM_FINDINGS, has, strict=True) if there and name in allowed
    ]
    order = [found[int(number)] for number in rng.permutation(len(found))]
    kept = () if is_normal else order[:MAX_FINDINGS]
    return make_patient(seed, _draw_sides(rng, kept))


def make_patient(seed: int, sides: Mapping[str, FindingSide]) -> PhantomPatientXray:
    """Draw the rest of a patient whose findings are given.

    Args:
        seed: Seed of the sizes, the build and all else.
        sides: Name of each finding -> side.

    Raises:
        PhantomError: MV1905 for an unknown finding, MV1906 for an unknown side.
    """
    check_findings(tuple(sides))
    for name, side in sides.items():
        if side not in {"left", "right", "both"}:
            raise PhantomError(
                "MV1906", f"side of {name!r} is {side!r}", expected="left, right or both"
            )
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2,)))
    sizes = {name: draw_size_mm(rng, traits) for name, traits in PHANTOM_FINDINGS.items()}
    ordered: dict[str, FindingSide] = {n: sides[n] for n in PHANTOM_FINDINGS if n in sides}
    return PhantomPatientXray(
        seed=seed, sides=ordered, sizes_mm={name: sizes[name] for name in ordered}
    )


def _draw_sides(rng: np.random.Generator, names: Sequence[str]) -> dict[str, FindingSide]:
    """Draw sides so that two findings of one zone do not lie on each other where that can be."""
    taken: dict[str, set[str]] = {}
    sides: dict[str, FindingSide] = {}
    for name in names:
        busy = taken.setdefault(PHANTOM_FINDINGS[name].zone, set())
        free: list[FindingSide] = [s for s in ("left", "right") if s not in busy]
        choices: list[FindingSide] = free or ["left", "right"]
        side = choices[int(rng.integers(len(choices)))]
        if len(choices) == 2 and rng.uniform() < 0.7:
            side = _emptier(sides, side)
        if not busy and rng.uniform() < _BOTH_SHARE:
            side = "both"
        busy |= {"left", "right"} if side == "both" else {side}
        sides[name] = side
    return sides


def _emptier(sides: Mapping[str, FindingSide], otherwise: FindingSide) -> FindingSide:
    """Return the side with fewer findings."""
    lefts, rights = (sum(side == one for side in sides.values()) for one in ("left", "right"))
    return otherwise if lefts == rights else "left" if lefts < rights else "right"
