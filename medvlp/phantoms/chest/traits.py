"""The made-up findings: what each looks like, as a composition of six traits.

Names carry no meaning, so that nothing but a description tells how a finding looks. Every shape is
paired with every zone at most once, any two findings differ in three traits or more, and each trait
of an unseen finding is shared by three seen ones at least.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from typing import Literal

__all__ = [
    "PHANTOM_FINDINGS",
    "SEEN",
    "SYNONYMS",
    "TRAIT_NAMES",
    "UNSEEN",
    "Border",
    "Brightness",
    "Count",
    "Shape",
    "Texture",
    "Traits",
    "Zone",
]

Shape = Literal["round", "ring", "band", "patch", "wedge", "streaks"]
Brightness = Literal["bright", "faint", "dark"]
Border = Literal["sharp", "blurred"]
Texture = Literal["uniform", "speckled", "striped", "mottled"]
Zone = Literal["upper", "middle", "lower", "hilar", "basal"]
Count = Literal["single", "several"]


@dataclass(frozen=True, slots=True)
class Traits:
    """What a finding looks like.

    Attributes:
        shape: Outline.
        brightness: Denser than the lung, a little denser, or more lucent.
        border: How the edge falls off.
        texture: What is inside.
        zone: Where in the lung it lies.
        count: One of them, or a group.
    """

    shape: Shape
    brightness: Brightness
    border: Border
    texture: Texture
    zone: Zone
    count: Count

    @property
    def words(self) -> tuple[str, ...]:
        """The values in the order of :data:`TRAIT_NAMES`."""
        return astuple(self)


TRAIT_NAMES: tuple[str, ...] = tuple(field.name for field in fields(Traits))

_SEEN = {
    "dravik": Traits("round", "dark", "blurred", "striped", "upper", "several"),
    "molune": Traits("round", "dark", "sharp", "speckled", "middle", "single"),
    "teskar": Traits("round", "bright", "sharp", "mottled", "lower", "several"),
    "quorin": Traits("ring", "faint", "sharp", "uniform", "upper", "several"),
    "velspar": Traits("ring", "dark", "blurred", "uniform", "middle", "single"),
    "nuthom": Traits("ring", "bright", "blurred", "speckled", "hilar", "several"),
    "brimel": Traits("band", "faint", "blurred", "speckled", "upper", "single"),
    "zandor": Traits("band", "bright", "sharp", "striped", "hilar", "single"),
    "olpane": Traits("band", "dark", "blurred", "speckled", "basal", "several"),
    "fesgit": Traits("patch", "faint", "blurred", "striped", "lower", "single"),
    "karune": Traits("patch", "faint", "sharp", "mottled", "hilar", "several"),
    "wimbor": Traits("patch", "bright", "blurred", "striped", "basal", "several"),
    "jastel": Traits("wedge", "bright", "blurred", "mottled", "middle", "single"),
    "pelquin": Traits("wedge", "dark", "sharp", "uniform", "lower", "several"),
    "sorvek": Traits("wedge", "faint", "sharp", "mottled", "basal", "single"),
    "tibrane": Traits("streaks", "bright", "sharp", "uniform", "middle", "single"),
}
_UNSEEN = {
    "ruldin": Traits("band", "bright", "blurred", "uniform", "lower", "several"),
    "gophar": Traits("patch", "dark", "blurred", "mottled", "middle", "several"),
    "yendal": Traits("wedge", "bright", "sharp", "speckled", "upper", "several"),
    "cavorn": Traits("round", "faint", "blurred", "uniform", "basal", "single"),
    "lusket": Traits("ring", "faint", "sharp", "speckled", "lower", "single"),
    "mirdap": Traits("band", "faint", "sharp", "striped", "middle", "several"),
    "hobrel": Traits("patch", "bright", "sharp", "mottled", "upper", "single"),
    "vontas": Traits("wedge", "dark", "blurred", "striped", "hilar", "single"),
}

PHANTOM_FINDINGS: dict[str, Traits] = _SEEN | _UNSEEN
"""Name -> traits, seen findings first."""

SEEN: tuple[str, ...] = tuple(_SEEN)
"""The 16 findings that may occur in training."""

UNSEEN: tuple[str, ...] = tuple(_UNSEEN)
"""The 8 findings that are to be recognised from their description alone."""

SYNONYMS: dict[str, str] = dict(
    zip(
        PHANTOM_FINDINGS,
        """imbrad otterel phandus ruvian selmok ubrent warsid xeltum yorvane abruk bentol corvish
        delmar eskine forbin gulthar hestor ilvane jomber keltus lambrid norvex ospert
        pintrel""".split(),
        strict=True,
    )
)
"""Name -> another name, as empty."""
