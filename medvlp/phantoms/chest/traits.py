"""The made-up findings: what each looks like, as a composition of six traits.

Names carry no meaning, so that nothing but a description tells how a finding looks. Any two
findings differ in two traits or more, an unseen one differs from every other in three or more, and
what it has in common with the seen ones is spread over them: each of its traits is shared by seven
of them at least, each pair of its traits by one at least, and by almost four on the average.

There are many more seen findings than values of traits, so that what fits all of them has to read
traits: sixteen could be learned by heart, each as a whole. Streaks are thin and have one texture;
no unseen finding has them. Combinations were drawn at random under these rules and exchanged until
traits were about equally often together.
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
    "alvrone": Traits("round", "dark", "blurred", "speckled", "lower", "single"),
    "bexmor": Traits("round", "faint", "sharp", "uniform", "lower", "several"),
    "cintav": Traits("round", "faint", "sharp", "striped", "hilar", "single"),
    "dulgor": Traits("round", "dark", "sharp", "mottled", "basal", "several"),
    "evrisk": Traits("ring", "bright", "blurred", "mottled", "upper", "several"),
    "fornab": Traits("ring", "faint", "blurred", "speckled", "middle", "several"),
    "gistel": Traits("ring", "bright", "sharp", "striped", "lower", "several"),
    "hurdal": Traits("ring", "bright", "sharp", "uniform", "hilar", "single"),
    "ikvone": Traits("ring", "dark", "blurred", "mottled", "basal", "single"),
    "jundro": Traits("band", "faint", "blurred", "mottled", "middle", "single"),
    "kasvel": Traits("band", "dark", "sharp", "striped", "lower", "single"),
    "lorbin": Traits("band", "dark", "sharp", "uniform", "basal", "several"),
    "mazquo": Traits("band", "bright", "sharp", "speckled", "basal", "single"),
    "nelvit": Traits("patch", "dark", "blurred", "speckled", "upper", "single"),
    "ombrud": Traits("patch", "dark", "sharp", "striped", "middle", "single"),
    "prathel": Traits("patch", "bright", "sharp", "uniform", "middle", "several"),
    "quimsa": Traits("patch", "faint", "blurred", "mottled", "hilar", "single"),
    "rolven": Traits("wedge", "faint", "sharp", "striped", "upper", "single"),
    "sundak": Traits("wedge", "bright", "blurred", "uniform", "upper", "single"),
    "tervol": Traits("wedge", "bright", "blurred", "striped", "middle", "several"),
    "uxmane": Traits("wedge", "faint", "blurred", "speckled", "hilar", "several"),
    "vindrol": Traits("wedge", "dark", "sharp", "mottled", "hilar", "several"),
    "wexlar": Traits("streaks", "dark", "sharp", "uniform", "hilar", "single"),
    "yoskin": Traits("streaks", "faint", "sharp", "uniform", "upper", "single"),
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
"""The 40 findings that may occur in training."""

UNSEEN: tuple[str, ...] = tuple(_UNSEEN)
"""The 8 findings that are to be recognised from their description alone."""

SYNONYMS: dict[str, str] = dict(
    zip(
        PHANTOM_FINDINGS,
        """imbrad otterel phandus ruvian selmok ubrent warsid xeltum yorvane abruk
        bentol corvish delmar eskine forbin gulthar zambit ardesk brolin cavdern dremol
        eftanor fulgris gondrix hemvol irtaske jelmond kovrane lusvit mornab nadrex
        oltuve pesgran quandel rivmok solgath tovrin umbesk vosmarl walgenk hestor
        ilvane jomber keltus lambrid norvex ospert pintrel""".split(),
        strict=True,
    )
)
"""Name -> another name, as empty."""
