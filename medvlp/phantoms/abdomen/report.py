"""Write the report of a phantom patient, in words that vary as radiologists' words do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from medvlp.phantoms.abdomen import wording
from medvlp.phantoms.abdomen.findings import SIDES, attributes_of
from medvlp.phantoms.abdomen.outcomes import malignancy_probability

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medvlp.phantoms.abdomen.findings import Attributes, KidneyFindings, Mass, Side
    from medvlp.phantoms.abdomen.patients import PhantomPatient

__all__ = ["KidneyText", "PhantomReport", "write_report"]

_USUAL_SHARE = 0.6
_STATED_SHARE = 0.8
_COUNTS = {2: "two", 3: "three"}
_MASS_TRAITS = ("growth", "enhancement", "necrosis", "margin", "fat", "septa")
_CLEAR = {"mass": "none", "cyst": "none", "stones": "none", "hydronephrosis": "none"}


@dataclass(frozen=True, kw_only=True)
class KidneyText:
    """What a report says of one kidney.

    Attributes:
        findings: Sentences of the findings.
        impression: Sentences of the impression.
        stated: Attribute -> class, for those that the findings state.
    """

    findings: str
    impression: str
    stated: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """Both sections, each with its heading."""
        return f"Findings: {self.findings}\nImpression: {self.impression}"


@dataclass(frozen=True, kw_only=True)
class PhantomReport:
    """A report.

    Attributes:
        findings: The findings section.
        impression: The impression section.
        kidneys: Side -> what it says of that kidney.
    """

    findings: str
    impression: str
    kidneys: dict[Side, KidneyText]

    @property
    def text(self) -> str:
        """Both sections, each with its heading."""
        return f"Findings: {self.findings}\nImpression: {self.impression}"


def write_report(patient: PhantomPatient, *, seed: int = 0) -> PhantomReport:
    """Write the report of an examination in all phases.

    Most normal kidneys get one and the same sentence. What applies to a lesion is stated in four
    cases of five; presence or absence of a mass, cysts, stones and hydronephrosis always where
    something is found, and in four cases of five where not. The impression follows the probability
    of malignancy, not the truth, which no radiologist knows.

    Args:
        patient: The patient.
        seed: Another seed says the same in other words.
    """
    rng = np.random.default_rng(np.random.SeedSequence(patient.seed, spawn_key=(6, seed)))
    kidneys = {side: _describe(rng, side, patient.kidneys[side]) for side in SIDES}
    first = SIDES if rng.uniform() < 0.5 else SIDES[::-1]
    others = rng.permutation(len(wording.OTHER_SENTENCES))[: int(rng.integers(1, 5))]
    sentences = [wording.OTHER_SENTENCES[int(index)] for index in others]
    own = [kidneys[side].findings for side in first]
    findings = [*sentences, *own] if rng.uniform() < 0.3 else [*own, *sentences]
    impression = " ".join(
        f"{number}. {kidneys[side].impression}" for number, side in enumerate(first, start=1)
    )
    return PhantomReport(findings=" ".join(findings), impression=impression, kidneys=kidneys)


def _pick(rng: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[int(rng.integers(len(choices)))]


def _fill(template: str, **words: str) -> str:
    """Fill a template; ``{Side}`` is ``{side}`` with a capital."""
    capitals = {key.capitalize(): word[:1].upper() + word[1:] for key, word in words.items()}
    return template.format(**words, **capitals)


def _size_words(rng: np.random.Generator, size_mm: float) -> str:
    form = int(rng.integers(4))
    if form == 0 or size_mm < 10:
        return f"{size_mm:.0f} mm"
    if form == 1:
        other = size_mm * float(rng.uniform(0.86, 1.0))
        return f"{size_mm / 10:.1f} x {other / 10:.1f} cm"
    return f"{size_mm / 10:.1f} cm"


def _describe(rng: np.random.Generator, side: Side, findings: KidneyFindings) -> KidneyText:
    if findings.is_normal:
        usual = rng.uniform() < _USUAL_SHARE
        template = wording.USUAL_NORMAL if usual else _pick(rng, wording.NORMAL_SENTENCES)
        impression = wording.USUAL_NORMAL if usual else _pick(rng, wording.NORMAL_IMPRESSIONS)
        return KidneyText(
            findings=_fill(template, side=side),
            impression=_fill(impression, side=side),
            stated=dict(_CLEAR),
        )
    classes = attributes_of(findings)
    stated: dict[str, str] = {}
    paragraphs: list[list[str]] = []
    if findings.mass is not None:
        paragraphs.append(_mass_sentences(rng, side, findings.mass, classes, stated))
    paragraphs.append(_kidney_sentences(rng, side, findings, classes, stated))
    sentences = [sentence for paragraph in paragraphs for sentence in paragraph]
    if f"{side} kidney" not in sentences[0].lower():
        sentences[0] = f"{side.capitalize()} kidney: {sentences[0][0].lower()}{sentences[0][1:]}"
    return KidneyText(
        findings=" ".join(sentences), impression=_impression(rng, side, findings), stated=stated
    )


def _mass_sentences(
    rng: np.random.Generator, side: Side, mass: Mass, classes: Attributes, stated: dict[str, str]
) -> list[str]:
    pole, face = str(classes["pole"]), str(classes["face"])
    opening = _fill(
        _pick(rng, wording.MASS_SENTENCES),
        side=side,
        noun=_pick(rng, wording.NOUNS[mass.kind]),
        size=_size_words(rng, mass.size_mm),
        pole=_pick(rng, wording.POLES[pole]),
        face=_pick(rng, wording.FACES[face]),
    )
    stated.update(mass=mass.kind, size=str(classes["size"]), pole=pole, face=face)
    traits = [
        (name, word)
        for name in _MASS_TRAITS
        if (word := classes[name]) is not None and rng.uniform() < _STATED_SHARE
    ]
    sentences = [opening]
    for index in rng.permutation(len(traits)):
        name, word = traits[int(index)]
        stated[name] = word
        sentences.append(_pick(rng, wording.TRAITS[name, word]))
    return sentences


def _kidney_sentences(
    rng: np.random.Generator,
    side: Side,
    findings: KidneyFindings,
    classes: Attributes,
    stated: dict[str, str],
) -> list[str]:
    """Say what is found besides the main lesion, and what is not."""
    found: list[str] = []
    clear: list[str] = []
    for name in ("mass", "cyst", "stones", "hydronephrosis"):
        word = str(classes[name])
        if name in stated or (word == "none" and rng.uniform() > _STATED_SHARE):
            continue
        stated[name] = word
        if word == "none" or name == "hydronephrosis":
            template = _pick(rng, wording.CLEAR_SENTENCES[name, word])
            (clear if word == "none" else found).append(template)
            continue
        table = wording.CYST_SENTENCES if name == "cyst" else wording.STONE_SENTENCES
        sizes = findings.stones_mm if name == "stones" else [c.size_mm for c in findings.cysts]
        largest = max(sizes)
        size = f"{largest:.0f} mm" if name == "stones" else _size_words(rng, largest)
        pole = "middle"
        if findings.cysts:
            along = findings.cysts[0].direction[0]
            pole = "upper" if along > 1 / 3 else "lower" if along < -1 / 3 else "middle"
        found.append(
            _fill(
                _pick(rng, table[word]),
                side=side,
                size=size,
                pole=_pick(rng, wording.POLES[pole]),
                count=_COUNTS.get(len(sizes), str(len(sizes))),
            )
        )
    return [*found, *clear] if rng.uniform() < 0.8 else [*clear, *found]


def _impression(rng: np.random.Generator, side: Side, findings: KidneyFindings) -> str:
    mass, kinds = findings.mass, []
    words = {"side": str(side)}
    if mass is not None:
        chance = malignancy_probability(mass)
        level = "high" if chance > 0.65 else "middle" if chance > 0.3 else "low"
        kinds.append("fat" if mass.has_fat else level)
        words["noun"] = _pick(rng, wording.NOUNS[mass.kind]).replace("renal ", "")
        words["size"] = _size_words(rng, mass.size_mm)
    else:
        kinds += ["cyst"] * bool(findings.cysts)
    kinds += ["stones"] * bool(findings.stones_mm)
    kinds += ["hydronephrosis"] * (findings.hydronephrosis != "none")
    return " ".join(_fill(_pick(rng, wording.IMPRESSIONS[kind]), **words) for kind in kinds)
