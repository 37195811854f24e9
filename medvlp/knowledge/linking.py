"""Link captions, reports and labels to the terms of a knowledge graph.

All names and synonyms are looked for at once (:mod:`medvlp.knowledge.phrases`): in any case and
spelling, in other word order, with one slip of a letter, and as short forms that the text defines
or that mean one thing only. The longest phrase wins, then the surest. Each mention says whether the
text asserts, denies or leaves open what it names (:mod:`medvlp.text.negation`).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from medvlp.knowledge.abbreviations import (
    CLINICAL_ABBREVIATIONS,
    CLINICAL_NAMES,
    NO_DISEASES,
    Definition,
    find_definitions,
    is_acronym,
)
from medvlp.knowledge.candidates import Candidate, TextWords, find_candidates
from medvlp.knowledge.clinical_words import COMMON_WORDS, FUNCTION_WORDS
from medvlp.knowledge.hierarchy import EXCLUDED_UPPER
from medvlp.knowledge.label_rules import LabelLink, expand_label, is_normal_label
from medvlp.knowledge.misspellings import Misspellings
from medvlp.knowledge.normalize import split_words
from medvlp.knowledge.phrases import Phrase, PhraseIndex
from medvlp.knowledge.unlinked import unlinked_phrases
from medvlp.text.negation import Status, assess

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from medvlp.knowledge.graph import KnowledgeGraph
    from medvlp.knowledge.terms import Term

__all__ = ["LabelLink", "LinkedText", "Linker", "Match", "Mention"]

Match = Literal["name", "synonym", "abbreviation", "fuzzy"]
"""By what a mention was recognised."""

DEFAULT_MIN_CONFIDENCE = 0.6
_DEFINED_WEIGHT = 0.95
_LISTED_CONFIDENCE = 0.9
_NO_CONCEPT = ""
_LOWER_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Mention:
    """A stretch of a text that names a term.

    Attributes:
        start: Place of its first character.
        end: Place after its last character.
        text: The characters.
        concept_id: Id of the term.
        match: What it was recognised by: the term's name, a synonym, a short form, or either with
            one letter wrong.
        confidence: How surely it means the term, in [0, 1]. A rank, not a calibrated probability.
        status: Whether the text asserts it, denies it, or leaves it open.
        alternatives: Other terms that bear the same words.
    """

    start: int
    end: int
    text: str
    concept_id: str
    match: Match
    confidence: float
    status: Status
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LinkedText:
    """What linking found in a text.

    Attributes:
        mentions: In the order of the text, without overlap.
        unlinked: Phrases that look like nouns and name no term, in the order of the text.
    """

    mentions: tuple[Mention, ...]
    unlinked: tuple[str, ...]

    def concepts(self, status: Status = "present") -> tuple[str, ...]:
        """Return the terms of one status, each once, in the order of the text.

        A term that the text both asserts and denies counts as asserted; one that it denies and
        leaves open counts as open.
        """
        best: dict[str, Status] = {}
        order: dict[Status, int] = {"present": 0, "uncertain": 1, "absent": 2}
        for mention in self.mentions:
            known = best.get(mention.concept_id, mention.status)
            best[mention.concept_id] = min(known, mention.status, key=order.__getitem__)
        return tuple(concept for concept, found in best.items() if found == status)


class Linker:
    """Finds the terms of a graph in texts.

    Args:
        graph: The knowledge graph.
        fuzzy: Whether to correct one wrong letter.
        min_confidence: Mentions below are left out, in [0, 1].
        excluded: Terms that are never linked; by default the root and the upper terms that say
            nothing of a case.
        abbreviations: Short form -> name of a term; those whose name the graph lacks are left out.
    """

    def __init__(
        self,
        graph: KnowledgeGraph,
        *,
        fuzzy: bool = True,
        min_confidence: float = DEFAULT_MIN_CONFIDENCE,
        excluded: Collection[str] = EXCLUDED_UPPER,
        abbreviations: Mapping[str, str] = CLINICAL_ABBREVIATIONS,
    ) -> None:
        if not 0 <= min_confidence <= 1:
            raise ValueError(f"min_confidence must be in [0, 1], got {min_confidence}")
        self.graph = graph
        self._min_confidence = min_confidence
        terms = [term for term in graph if term.id not in excluded]
        self.index = PhraseIndex(terms, _listed(graph, excluded, abbreviations))
        self._misspellings = None
        if fuzzy:
            self._misspellings = Misspellings(
                self.index.words, _word_counts(terms), COMMON_WORDS | FUNCTION_WORDS
            )

    def link(self, text: str) -> LinkedText:
        """Link one text, in time linear in its length.

        Args:
            text: A caption or report, any length and script; English words are understood.
        """
        words = TextWords(text, self._misspellings)
        if not words.words:
            return LinkedText((), ())
        candidates = find_candidates(words, self.index)
        definitions = find_definitions(text)
        if definitions:
            candidates = _with_definitions(words, candidates, definitions)
        chosen = _choose(
            [c for c in candidates if c.confidence >= self._min_confidence], len(words.words)
        )
        chosen = [c for c in chosen if c.phrases[0].concept_id != _NO_CONCEPT]
        mentions = self._mentions(text, words, chosen)
        taken = [(c.first, c.last) for c in chosen]
        return LinkedText(tuple(mentions), unlinked_phrases(words, taken))

    def link_label(
        self, label: str, label_map: Mapping[str, str | None] | None = None
    ) -> LabelLink:
        """Find the term that the name of a class stands for.

        The whole label must name it: ``lung_aca`` is linked, ``lung_slide_3`` is not.

        Args:
            label: Name of a class.
            label_map: Label -> id of a term, or None for no disease; asked first.
        """
        if label_map is not None and label.strip() in label_map:
            return LabelLink(label, label_map[label.strip()], 1.0, "mapping")
        best = LabelLink(label, None, 0.0, "none")
        for number, text in enumerate(expand_label(label)):
            words = TextWords(text, self._misspellings)
            for candidate in find_candidates(words, self.index):
                is_whole = candidate.last - candidate.first + 1 == len(words.words)
                confidence = round(candidate.confidence * (1.0 if number == 0 else 0.95), 3)
                first, *others = candidate.phrases
                if is_whole and confidence > best.confidence and first.concept_id != _NO_CONCEPT:
                    match = "fuzzy" if candidate.is_misspelt else first.match
                    alternatives = tuple(phrase.concept_id for phrase in others)
                    best = LabelLink(label, first.concept_id, confidence, match, alternatives)
        if best.confidence >= self._min_confidence:
            return best
        is_normal = is_normal_label(label)
        return LabelLink(label, None, float(is_normal), "normal" if is_normal else "none")

    def _mentions(self, text: str, words: TextWords, chosen: list[Candidate]) -> list[Mention]:
        if not chosen:
            return []
        assertions = assess(text)
        mentions = []
        for candidate in chosen:
            start, end = _span(text, words, candidate)
            mentions.append(
                Mention(
                    start,
                    end,
                    text[start:end],
                    candidate.phrases[0].concept_id,
                    "fuzzy" if candidate.is_misspelt else candidate.phrases[0].match,
                    round(candidate.confidence, 3),
                    assertions.status(start, end),
                    tuple(phrase.concept_id for phrase in candidate.phrases[1:]),
                )
            )
        return mentions


def _span(text: str, words: TextWords, candidate: Candidate) -> tuple[int, int]:
    """Return the characters of a candidate, with the bracket that closes one opened inside."""
    start, end = words.words[candidate.first].start, words.words[candidate.last].end
    inside = text[start:end]
    if text[end : end + 1] == ")" and inside.count("(") > inside.count(")"):
        end += 1
    return start, end


def _word_counts(terms: Iterable[Term]) -> Counter[str]:
    """Count the lower-case words of names, synonyms and definitions."""
    counts: Counter[str] = Counter()
    for term in terms:
        texts = (term.name, *(s.text for s in term.synonyms), *(d.text for d in term.definitions))
        for text in texts:
            counts.update(_LOWER_WORD.findall(text.lower()))
    return counts


def _listed(
    graph: KnowledgeGraph, excluded: Collection[str], abbreviations: Mapping[str, str]
) -> Iterator[tuple[str, Phrase]]:
    """Yield clinical short forms and names whose term the graph has, and phrases that mean none."""
    for said, name in {**CLINICAL_NAMES, **abbreviations}.items():
        found = [concept for concept in graph.find(name) if concept not in excluded]
        if found and (is_acronym(said) or not graph.find(said)):
            match: Literal["abbreviation", "synonym"] = (
                "abbreviation" if said in abbreviations else "synonym"
            )
            acronym = said if is_acronym(said) else ""
            yield said, Phrase(found[0], match, _LISTED_CONFIDENCE, acronym=acronym)
    for said in NO_DISEASES:
        if not graph.find(said):
            yield said, Phrase(_NO_CONCEPT, "name", 1.0)


def _with_definitions(
    words: TextWords, candidates: list[Candidate], definitions: Sequence[Definition]
) -> list[Candidate]:
    """Let a short form mean what the text says that it means, and nothing else."""
    shorts = {definition.short for definition in definitions}
    places = _places_of(words, shorts)
    kept = [c for c in candidates if (c.first, c.last) not in places]
    chosen = _choose(kept, len(words.words))
    ends = {words.words[c.last].end: c for c in chosen}
    meant: dict[str, Candidate] = {}
    for definition in definitions:
        long_form = ends.get(definition.end)
        if long_form is not None:
            meant.setdefault(definition.short, long_form)
    return kept + [
        Candidate(
            first,
            last,
            tuple(replace(p, match="abbreviation") for p in meant[short].phrases),
            meant[short].confidence * _DEFINED_WEIGHT,
            is_misspelt=False,
        )
        for (first, last), short in places.items()
        if short in meant
    ]


def _places_of(words: TextWords, shorts: set[str]) -> dict[tuple[int, int], str]:
    """Return where short forms stand: first and last word -> short form, also in the plural."""
    longest = max(len(split_words(short)) for short in shorts)
    places: dict[tuple[int, int], str] = {}
    for first in range(len(words.words)):
        for last in range(first, min(first + longest, len(words.words))):
            raw = words.raw(first, last)
            short = raw if raw in shorts else raw.removesuffix("s")
            if short in shorts:
                places[first, last] = short
    return places


def _choose(candidates: list[Candidate], num_words: int) -> list[Candidate]:
    """Return candidates without overlap: the longest first, then the surest."""
    is_taken = bytearray(num_words)
    chosen = []
    for candidate in sorted(candidates, key=lambda c: (c.first - c.last, -c.confidence, c.first)):
        if not any(is_taken[candidate.first : candidate.last + 1]):
            is_taken[candidate.first : candidate.last + 1] = b"\x01" * (
                candidate.last + 1 - candidate.first
            )
            chosen.append(candidate)
    return sorted(chosen, key=lambda c: c.first)
