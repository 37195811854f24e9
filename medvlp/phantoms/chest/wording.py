"""The words of the chest phantoms: how radiologists and books say what is seen, and what is not.

Words of a trait are shared by all findings that have it, in the book and in reports, so that what
they mean can be learned from some findings and used for others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medvlp.phantoms.chest.traits import Traits

__all__ = [
    "CONCLUDED",
    "DENIED",
    "DOUBTED",
    "FOUND",
    "NORMAL_IMPRESSIONS",
    "OTHER_SENTENCES",
    "TRAIT_WORDS",
    "USUAL_FINDINGS",
    "USUAL_IMPRESSION",
    "noun_words",
    "trait_words",
]

TRAIT_WORDS: dict[str, dict[str, tuple[str, str, str]]] = {
    "shape": {
        "round": ("round", "circular", "disc-shaped"),
        "ring": ("ring-shaped", "annular", "hollow"),
        "band": ("band-like", "strip-like", "elongated"),
        "patch": ("patchy", "irregular", "geographic"),
        "wedge": ("wedge-shaped", "triangular", "triangle-shaped"),
        "streaks": ("streaky", "linear", "fan-like"),
    },
    "brightness": {
        "bright": ("bright", "dense", "white"),
        "faint": ("faint", "subtle", "pale"),
        "dark": ("dark", "lucent", "black"),
    },
    "border": {
        "sharp": ("sharp", "well-defined", "crisp"),
        "blurred": ("blurred", "ill-defined", "hazy"),
    },
    "texture": {
        "uniform": ("uniform", "homogeneous", "even"),
        "speckled": ("speckled", "dotted", "grainy"),
        "striped": ("striped", "lined", "ribbed"),
        "mottled": ("mottled", "blotchy", "uneven"),
    },
    "zone": {
        "upper": ("upper zone", "upper third", "apical region"),
        "middle": ("middle zone", "middle third", "outer mid lung"),
        "lower": ("lower zone", "lower third", "outer lower lung"),
        "hilar": ("hilar region", "perihilar area", "root of the lung"),
        "basal": ("lung base", "basal part", "area above the diaphragm"),
    },
    "count": {
        "single": ("single", "solitary", "isolated"),
        "several": ("several", "multiple", "grouped"),
    },
}
"""Trait -> value -> three ways to say it."""


def trait_words(traits: Traits, way: int) -> dict[str, str]:
    """Return trait -> words in one of three ways.

    Args:
        traits: What is described.
        way: 0, 1 or 2.
    """
    return {
        name: TRAIT_WORDS[name][value][way]
        for name, value in zip(TRAIT_WORDS, traits.words, strict=True)
    }


def noun_words(traits: Traits, way: int) -> str:
    """Return the noun for a lesion: dark ones are lucencies, others opacities; plural for several.

    Args:
        traits: What is described.
        way: 0 or 1.
    """
    if traits.brightness == "dark":
        one, more = (("lucency", "lucencies"), ("defect", "defects"))[way % 2]
    else:
        one, more = (("opacity", "opacities"), ("shadow", "shadows"))[way % 2]
    return more if traits.count == "several" else one


USUAL_FINDINGS = "The lungs are clear. The heart is of normal size. No abnormality is seen."
USUAL_IMPRESSION = "Normal chest X-ray."
"""What most reports say of a normal chest, in these very words."""

NORMAL_IMPRESSIONS = (
    "Normal chest X-ray.",
    "Normal chest.",
    "Unremarkable examination of the chest.",
)

FOUND: dict[tuple[str, str], tuple[str, ...]] = {
    ("sure", "single"): (
        "There is {name} in {where}: {a} {look} {noun} of {size}.",
        "{name} is present in {where}, {size} in size, {look}.",
        "{a} {look} {noun} in {where} measures {size}, in keeping with {name}.",
        "In {where} there is {a_noun} of {size}, {look}, consistent with {name}.",
    ),
    ("sure", "several"): (
        "There is {name} in {where}: {look} {noun}, the largest {size}.",
        "{name} is present in {where}, {look}, up to {size} in size.",
        "Several {look} {noun} in {where} measure up to {size}, in keeping with {name}.",
        "In {where} there are several {noun} of up to {size}, {look}, consistent with {name}.",
    ),
    ("unsure", "single"): (
        "Possible {name} in {where}: {a} {look} {noun} of {size}.",
        "{a} {look} {noun} in {where}, {size}, may represent {name}.",
    ),
    ("unsure", "several"): (
        "Possible {name} in {where}: {look} {noun}, the largest {size}.",
        "Several {look} {noun} in {where}, up to {size}, may represent {name}.",
    ),
    ("unnamed", "single"): (
        "There is {a} {look} {noun} of {size} in {where}.",
        "{a} {look} {noun} in {where} measures {size}.",
    ),
    ("unnamed", "several"): (
        "There are several {look} {noun} of up to {size} in {where}.",
        "Several {look} {noun} in {where} measure up to {size}.",
    ),
}
"""What is said of a finding (named and sure, in doubt, not named), for one lesion or several."""

CONCLUDED: dict[str, tuple[str, ...]] = {
    "sure": ("{name}, {side}.", "{side} {name}.", "{name} in {where}."),
    "unsure": ("Possible {side} {name}.", "{side} {name} is possible."),
    "unnamed": ("{look} {noun} in {where}.", "{side} {noun}, {look}."),
}
DENIED = ("No {names}.", "There is no {names}.", "No evidence of {names}.", "No {names} is seen.")
DOUBTED = ("{name} cannot be excluded.",)

OTHER_SENTENCES: tuple[tuple[str, ...], ...] = (
    ("The heart is of normal size.", "Heart size is normal.", "Normal cardiac silhouette."),
    ("The mediastinum is normal.", "Normal mediastinal contours."),
    ("The ribs and clavicles are intact.", "The skeleton is unremarkable."),
    ("The right dome of the diaphragm is higher than the left, as usual.",),
    ("Gas in the stomach under the left dome.",),
)
"""Sentences on what is normal in all of them, in several wordings."""
