"""Write the report of a phantom chest X-ray."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from medvlp.phantoms.chest import wording
from medvlp.phantoms.chest.traits import PHANTOM_FINDINGS, SYNONYMS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medvlp.phantoms.chest.patients import PhantomPatientXray

__all__ = ["ChestReport", "Statement", "write_report"]

Statement = Literal["present", "absent", "uncertain"]

_USUAL_SHARE = 0.6
_UNCERTAIN_SHARE = 0.06
_TRAITS_SHARE = 0.75
_SYNONYM_SHARE = 0.15
_DENIED = (1, 2, 2, 3, 3, 4)
_DOUBTED_SHARE = 0.04


@dataclass(frozen=True, slots=True, kw_only=True)
class ChestReport:
    """A report.

    Attributes:
        findings: The findings section.
        impression: The impression section.
        stated: Name of each finding that the report names -> what it says of it.
    """

    findings: str
    impression: str
    stated: dict[str, Statement]

    @property
    def text(self) -> str:
        """Both sections, each with its heading."""
        return f"Findings: {self.findings}\nImpression: {self.impression}"


def write_report(
    patient: PhantomPatientXray, *, named: Sequence[str] = tuple(PHANTOM_FINDINGS), seed: int = 0
) -> ChestReport:
    """Write the report of a patient.

    Every finding that there is is described with its side and size, most with some of their traits.
    Those that may be named are, a few in doubt; of those that are not there, one to four are
    denied, and now and then one is left open. Most normal patients get the same report.

    Args:
        patient: The patient.
        named: Findings that may be named; others are described without a name.
        seed: Another seed says the same in other words.
    """
    rng = np.random.default_rng(np.random.SeedSequence(patient.seed, spawn_key=(4, seed)))
    if not patient.sides and rng.uniform() < _USUAL_SHARE:
        return ChestReport(
            findings=wording.USUAL_FINDINGS, impression=wording.USUAL_IMPRESSION, stated={}
        )
    stated: dict[str, Statement] = {}
    found: list[str] = []
    concluded: list[str] = []
    for name in patient.sides:
        sentence, conclusion = _describe(rng, patient, name, name in named, stated)
        found.append(sentence)
        concluded.append(conclusion)
    found = [found[int(number)] for number in rng.permutation(len(found))]
    absent = [name for name in named if name not in patient.sides]
    denied = _deny(rng, absent, stated)
    if not found:
        concluded.append(_pick(rng, wording.NORMAL_IMPRESSIONS))
    others = [_pick(rng, sentences) for sentences in wording.OTHER_SENTENCES]
    others = [others[int(n)] for n in rng.permutation(len(others))[: int(rng.integers(0, 4))]]
    sections = [found, denied, others]
    order = (0, 1, 2) if rng.uniform() < 0.7 else (2, 0, 1)
    return ChestReport(
        findings=" ".join(sentence for number in order for sentence in sections[number]),
        impression=" ".join(concluded),
        stated=stated,
    )


def _pick(rng: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[int(rng.integers(len(choices)))]


def _called(rng: np.random.Generator, name: str) -> str:
    return SYNONYMS[name] if rng.uniform() < _SYNONYM_SHARE else name


def _describe(
    rng: np.random.Generator,
    patient: PhantomPatientXray,
    name: str,
    is_named: bool,
    stated: dict[str, Statement],
) -> tuple[str, str]:
    """Return what the findings and the impression say of a finding that there is."""
    traits = PHANTOM_FINDINGS[name]
    ways = [wording.trait_words(traits, way) for way in range(3)]
    words = {key: ways[int(rng.integers(3))][key] for key in ways[0]}
    side = patient.sides[name]
    blanks = {
        "where": _where(rng, side, words["zone"]),
        "side": "bilateral" if side == "both" else side,
        "size": _size_words(rng, patient.sizes_mm[name]),
        "look": _look(rng, words),
        "noun": wording.noun_words(traits, int(rng.integers(2))),
        "name": _called(rng, name),
    }
    is_sure = rng.uniform() >= _UNCERTAIN_SHARE
    kind = ("sure" if is_sure else "unsure") if is_named else "unnamed"
    if is_named:
        stated[name] = "present" if is_sure else "uncertain"
    number = "several" if traits.count == "several" else "single"
    sentence = _fill(_pick(rng, wording.FOUND[kind, number]), blanks)
    return sentence, _fill(_pick(rng, wording.CONCLUDED[kind]), blanks)


def _where(rng: np.random.Generator, side: str, zone: str) -> str:
    if side == "both":
        return _pick(rng, ("the {zone} of both lungs", "the {zone} bilaterally")).format(zone=zone)
    ways = ["the {side} {zone}", "the {zone} on the {side}"]
    if "lung" not in zone:
        ways.append("the {zone} of the {side} lung")
    return _pick(rng, ways).format(zone=zone, side=side)


def _size_words(rng: np.random.Generator, size_mm: float) -> str:
    return f"{size_mm / 10:.1f} cm" if rng.uniform() < 0.25 else f"{size_mm:.0f} mm"


def _look(rng: np.random.Generator, words: dict[str, str]) -> str:
    """Return some of the traits, as adjectives with a comma between them; never none."""
    names = ("brightness", "border", "texture", "shape")
    kept = [name for name in names if rng.uniform() < _TRAITS_SHARE] or ["shape"]
    return ", ".join(words[name] for name in kept)


def _fill(template: str, blanks: dict[str, str]) -> str:
    text = template.format(
        **blanks, a=_article(blanks["look"]), a_noun=f"{_article(blanks['noun'])} {blanks['noun']}"
    )
    return text[:1].upper() + text[1:]


def _article(word: str) -> str:
    return "an" if word[0] in "aeio" else "a"  # an uneven, but a uniform


def _deny(
    rng: np.random.Generator, absent: Sequence[str], stated: dict[str, Statement]
) -> list[str]:
    """Return sentences on findings that there are not."""
    order = [absent[int(number)] for number in rng.permutation(len(absent))]
    chosen = order[: _DENIED[int(rng.integers(len(_DENIED)))]]
    sentences = []
    if chosen:
        stated.update(dict.fromkeys(chosen, "absent"))
        *first, last = [_called(rng, name) for name in chosen]
        listed = f"{', '.join(first)} or {last}" if first else last
        sentences.append(_pick(rng, wording.DENIED).format(names=listed))
    if len(order) > len(chosen) and rng.uniform() < _DOUBTED_SHARE:
        doubted = order[len(chosen)]
        stated[doubted] = "uncertain"
        sentences.append(_pick(rng, wording.DOUBTED).format(name=doubted.capitalize()))
    return sentences
