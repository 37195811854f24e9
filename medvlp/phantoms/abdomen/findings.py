"""What can be found in a phantom's kidney, and the attributes that name it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = [
    "ATTRIBUTES",
    "SIDES",
    "SIZE_LIMITS_MM",
    "Attributes",
    "KidneyFindings",
    "Mass",
    "SimpleCyst",
    "attributes_of",
]

Side = Literal["left", "right"]
SIDES: tuple[Side, Side] = ("left", "right")

Direction = tuple[float, float, float]
"""Where on the kidney, as a unit vector: towards the upper pole, towards the hilum, to the back."""

Attributes = Mapping[str, str | None]
"""Name of an attribute -> one of its classes; None where it does not apply."""

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "mass": ("none", "complex cyst", "solid"),
    "size": ("up to 4 cm", "4 to 7 cm", "over 7 cm"),
    "growth": ("endophytic", "less than half exophytic", "half or more exophytic"),
    "pole": ("upper", "middle", "lower"),
    "face": ("anterior", "lateral", "posterior"),
    "enhancement": ("weak", "avid"),
    "necrosis": ("none", "partial", "extensive"),
    "margin": ("smooth", "irregular"),
    "fat": ("absent", "present"),
    "septa": ("thin", "thick"),
    "cyst": ("none", "single", "multiple"),
    "stones": ("none", "single", "multiple"),
    "hydronephrosis": ("none", "mild", "marked"),
}
"""Attribute of a kidney -> its classes.

``mass`` is the main lesion; ``size`` to ``margin`` describe it. ``enhancement``, ``necrosis`` and
``fat`` apply to solid masses and ``septa`` to complex cysts. ``cyst`` counts simple cysts.
"""

SIZE_LIMITS_MM = (40.0, 70.0)
"""Diameters at which the class of the size changes."""

_COUNTS = ("none", "single", "multiple")


@dataclass(frozen=True, kw_only=True)
class SimpleCyst:
    """Water in a thin wall.

    Attributes:
        size_mm: Diameter.
        exophytic: Share of the diameter that lies outside the kidney.
        direction: Where it lies.
    """

    size_mm: float
    exophytic: float
    direction: Direction


@dataclass(frozen=True, kw_only=True)
class Mass:
    """The main lesion of a kidney.

    Attributes:
        kind: ``solid``, or ``complex cyst``: fluid with septa.
        size_mm: Diameter.
        exophytic: Share of the diameter that lies outside the kidney.
        direction: Where it lies.
        enhancement: ``avid`` or ``weak``; of the wall in a complex cyst.
        necrosis: How much of a solid mass is dead.
        margin: ``smooth`` or ``irregular``.
        has_fat: Whether a solid mass holds fat.
        septa: Walls inside a complex cyst.
        seed: Seed of its texture.
    """

    kind: Literal["complex cyst", "solid"]
    size_mm: float
    exophytic: float
    direction: Direction
    enhancement: Literal["weak", "avid"] = "avid"
    necrosis: Literal["none", "partial", "extensive"] = "none"
    margin: Literal["smooth", "irregular"] = "smooth"
    has_fat: bool = False
    septa: Literal["thin", "thick"] = "thin"
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class KidneyFindings:
    """What is found in one kidney.

    Attributes:
        mass: The main lesion, or None.
        cysts: Simple cysts.
        stones_mm: Sizes of stones.
        hydronephrosis: How wide the collecting system is.
    """

    mass: Mass | None = None
    cysts: tuple[SimpleCyst, ...] = ()
    stones_mm: tuple[float, ...] = ()
    hydronephrosis: Literal["none", "mild", "marked"] = "none"

    @property
    def lesions(self) -> tuple[Mass | SimpleCyst, ...]:
        """Cysts and the main lesion."""
        return (*self.cysts, *([] if self.mass is None else [self.mass]))

    @property
    def is_normal(self) -> bool:
        """Whether nothing is found."""
        clear = self.mass is None and self.hydronephrosis == "none"
        return clear and not self.cysts and not self.stones_mm


def attributes_of(findings: KidneyFindings) -> Attributes:
    """Return the class of every attribute in ``ATTRIBUTES``."""
    mass = findings.mass
    classes: dict[str, str | None] = dict.fromkeys(ATTRIBUTES)
    classes["mass"] = "none" if mass is None else mass.kind
    classes["cyst"] = _COUNTS[min(len(findings.cysts), 2)]
    classes["stones"] = _COUNTS[min(len(findings.stones_mm), 2)]
    classes["hydronephrosis"] = findings.hydronephrosis
    if mass is None:
        return classes
    classes["size"] = ATTRIBUTES["size"][sum(mass.size_mm > limit for limit in SIZE_LIMITS_MM)]
    classes["growth"] = ATTRIBUTES["growth"][int(mass.exophytic > 0) + int(mass.exophytic >= 0.5)]
    classes["pole"] = _third(-mass.direction[0], ATTRIBUTES["pole"])
    classes["face"] = _third(mass.direction[2], ATTRIBUTES["face"])
    classes["margin"] = mass.margin
    if mass.kind == "solid":
        classes["enhancement"] = mass.enhancement
        classes["necrosis"] = mass.necrosis
        classes["fat"] = "present" if mass.has_fat else "absent"
    else:
        classes["septa"] = mass.septa
    return classes


def _third(value: float, names: tuple[str, ...]) -> str:
    """Name a component of a direction: below -1/3, between, above 1/3."""
    return names[int(value > -1 / 3) + int(value > 1 / 3)]
