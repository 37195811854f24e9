"""Draw a phantom patient: a build, two kidneys, and what is found in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from medvlp.phantoms.abdomen.findings import (
    SIDES,
    SIZE_LIMITS_MM,
    Attributes,
    KidneyFindings,
    Mass,
    Side,
    SimpleCyst,
    attributes_of,
)
from medvlp.phantoms.abdomen.outcomes import (
    Survival,
    draw_survival,
    log_hazard,
    malignancy_probability,
)

if TYPE_CHECKING:
    from medvlp.phantoms.abdomen.findings import Direction

__all__ = ["Build", "PhantomPatient", "draw_findings", "draw_patient", "make_patient"]

_KINDS = ("none", "complex cyst", "solid")
_KIND_SHARES = (0.45, 0.13, 0.42)
_SPARED_SHARE = 0.3
_APART = 0.35
"""Cosine below which two lesions of one kidney keep out of each other's way."""


@dataclass(frozen=True, kw_only=True)
class Build:
    """How a patient is built.

    Attributes:
        scale: Size of the trunk; 1 is usual.
        fat_mm: Thickness of the fat under the skin.
        dose: Strength of the enhancement; 1 is usual.
        kidney_scale: Size of the left and the right kidney.
        shift_mm: Where the first lumbar vertebra lies in the scanner, ``(x, y, z)`` in LPS.
    """

    scale: float = 1.0
    fat_mm: float = 18.0
    dose: float = 1.0
    kidney_scale: tuple[float, float] = (1.0, 1.0)
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class PhantomPatient:
    """Someone to scan: several phases of one patient agree.

    Attributes:
        seed: Seed of everything about the body that is not stated here.
        build: How the patient is built.
        kidneys: Side -> what is found.
        is_malignant: Side -> whether the mass is malignant.
        survival: What became of the patient.
    """

    seed: int
    build: Build = field(default_factory=Build)
    kidneys: dict[Side, KidneyFindings]
    is_malignant: dict[Side, bool]
    survival: Survival

    @property
    def attributes(self) -> dict[Side, Attributes]:
        """Side -> class of every attribute."""
        return {side: attributes_of(self.kidneys[side]) for side in SIDES}

    @property
    def log_hazard(self) -> float:
        """Log hazard of the worse kidney."""
        return max(log_hazard(self.kidneys[side]) for side in SIDES)


def draw_patient(seed: int) -> PhantomPatient:
    """Draw a patient; equal seeds give equal patients.

    Args:
        seed: Seed of the patient.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))
    kidneys = {side: draw_findings(rng) for side in SIDES}
    return make_patient(seed, left=kidneys["left"], right=kidneys["right"])


def make_patient(seed: int, *, left: KidneyFindings, right: KidneyFindings) -> PhantomPatient:
    """Draw the rest of a patient whose findings are given.

    Args:
        seed: Seed of the build and of the outcomes.
        left: What is found in the left kidney.
        right: What is found in the right kidney.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2,)))
    kidneys: dict[Side, KidneyFindings] = {"left": left, "right": right}
    malignant = {
        side: bool(rng.uniform() < malignancy_probability(kidneys[side].mass)) for side in SIDES
    }
    hazard = max(log_hazard(findings) for findings in kidneys.values())
    return PhantomPatient(
        seed=seed,
        build=_draw_build(rng),
        kidneys=kidneys,
        is_malignant=malignant,
        survival=draw_survival(rng, hazard),
    )


def _draw_build(rng: np.random.Generator) -> Build:
    sizes = rng.uniform(0.93, 1.08, 2)
    shift = rng.uniform((-15, -180, -900), (15, -120, 900))
    return Build(
        scale=float(rng.uniform(0.92, 1.1)),
        fat_mm=float(rng.uniform(8, 32)),
        dose=float(rng.uniform(0.85, 1.15)),
        kidney_scale=(float(sizes[0]), float(sizes[1])),
        shift_mm=(round(float(shift[0]), 1), round(float(shift[1]), 1), round(float(shift[2]), 1)),
    )


def draw_findings(rng: np.random.Generator) -> KidneyFindings:
    """Draw what is found in one kidney; a little less than half of the kidneys are normal.

    Args:
        rng: Source of chance.
    """
    if rng.uniform() < _SPARED_SHARE:
        return KidneyFindings()
    kind = _KINDS[int(rng.choice(len(_KINDS), p=_KIND_SHARES))]
    taken: list[Direction] = []
    mass = None if kind == "none" else _draw_mass(rng, is_solid=kind == "solid", taken=taken)
    cysts = []
    for _ in range(int(rng.choice(3, p=(0.72, 0.18, 0.1)))):
        direction = _draw_direction(rng, taken)
        if direction is not None:
            size, share = float(rng.uniform(9, 26)), float(rng.uniform(0, 0.8))
            cysts.append(SimpleCyst(size_mm=size, exophytic=share, direction=direction))
    stones = rng.uniform(2.5, 11, int(rng.choice(4, p=(0.82, 0.1, 0.05, 0.03))))
    grade = int(rng.choice(3, p=(0.85, 0.09, 0.06)))
    grades: tuple[Literal["none", "mild", "marked"], ...] = ("none", "mild", "marked")
    return KidneyFindings(
        mass=mass,
        cysts=tuple(cysts),
        stones_mm=tuple(round(float(size), 1) for size in stones),
        hydronephrosis=grades[grade],
    )


def _draw_mass(rng: np.random.Generator, *, is_solid: bool, taken: list[Direction]) -> Mass:
    direction = _draw_direction(rng, taken) or (0.0, -1.0, 0.0)
    size = float(np.clip(rng.lognormal(np.log(37), 0.45), 14, 95))
    for limit_mm in SIZE_LIMITS_MM:  # 40.2 mm would be reported as 4.0 cm, and belong to 4 to 7 cm
        if abs(size - limit_mm) < 1:
            size = limit_mm + float(np.copysign(1.2, size - limit_mm))
    exophytic = float(rng.uniform(0.2, 0.85))
    if size < 42 and rng.uniform() < 0.4:
        exophytic = 0.0
    exophytic = min(exophytic, _room_mm(direction) / size)
    necrosis = min(int(rng.uniform() * 2.2 * (0.55 + min(size, 70) / 70)), 2)
    steps: tuple[Literal["none", "partial", "extensive"], ...] = ("none", "partial", "extensive")
    has_fat = is_solid and rng.uniform() < 0.15
    return Mass(
        kind="solid" if is_solid else "complex cyst",
        size_mm=round(size, 1),
        exophytic=round(exophytic, 2),
        direction=direction,
        enhancement="avid" if rng.uniform() < 0.6 else "weak",
        necrosis="none" if has_fat or not is_solid else steps[necrosis],
        margin="irregular" if rng.uniform() < 0.35 else "smooth",
        has_fat=bool(has_fat),
        septa="thick" if rng.uniform() < 0.5 else "thin",
        seed=int(rng.integers(2**31)),
    )


def _room_mm(direction: Direction) -> float:
    """Return how far a lesion may stand out before it meets the wall of the trunk."""
    if direction[2] > 1 / 3:
        return 26.0
    return 60.0 if direction[2] < -1 / 3 else 34.0


def _draw_direction(rng: np.random.Generator, taken: list[Direction]) -> Direction | None:
    """Draw a place away from the hilum and from other lesions, and clear of the classes' edges."""
    for _ in range(60):
        along = float(rng.choice([-0.72, 0.0, 0.72]) + rng.uniform(-0.18, 0.18))
        around = float(np.deg2rad(rng.choice([-70.0, 0.0, 70.0]) + rng.uniform(-18, 18)))
        radius = float(np.sqrt(1 - along**2))
        x, y, z = along, -radius * np.cos(around), radius * np.sin(around)
        direction = (float(x), float(y), float(z))
        clear = all(abs(abs(part) - 1 / 3) > 0.05 for part in (direction[0], direction[2]))
        if clear and all(float(np.dot(direction, other)) < _APART for other in taken):
            taken.append(direction)
            return direction
    return None
