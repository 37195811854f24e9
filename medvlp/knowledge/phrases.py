"""The phrases under which the terms of a graph are found in running text.

Every name and synonym becomes a way through a trie of normalised words, so that all phrases are
looked for at once and the time does not grow with their number. A second table holds phrases
without their order, and with one word for an organ and its adjective, so that ``carcinoma of the
kidney`` and ``renal carcinoma`` are found under ``kidney carcinoma``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from medvlp.knowledge.abbreviations import is_acronym
from medvlp.knowledge.clinical_words import ORGAN_WORDS
from medvlp.knowledge.normalize import NormalWord, split_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from medvlp.knowledge.terms import Term

__all__ = ["END", "LINKING_WORDS", "Phrase", "PhraseIndex", "TrieNode", "bag_key", "marks_in"]

TrieNode = dict[str, Any]
"""Normalised word -> next node; :data:`END` -> the phrases that end here."""

END = ""
LINKING_WORDS = frozenset({"of", "the", "in", "a", "an", "on", "to", "from", "at"})
MAX_BAG_WORDS = 7

_MARKS = re.compile(r"[.,;:!?()\[\]]|\n\s*\n")
_NOS = re.compile(r",?\s+(?:NOS|unspecified|\[disease\]|\(disease\)|\(disorder\))$", re.IGNORECASE)
_HYPHENATED = re.compile(r"[^\W_]+(?:-[^\W_]+)+")
_NO_INVERSION = frozenset({"and", "or", "with", "without", "due", "in", "type"})
# Two or three letters in capitals mean too many things to be a disease without being defined.
_ACRONYM_WEIGHTS = {2: 0.4, 3: 0.55, 4: 0.8}
_CONFIDENCE: dict[str, float] = {"EXACT": 0.98, "NARROW": 0.85, "BROAD": 0.75, "RELATED": 0.7}


@dataclass(frozen=True, slots=True)
class Phrase:
    """A way to say a term.

    Attributes:
        concept_id: The term.
        match: Whether it is the term's name, a synonym or a short form.
        confidence: How surely it means the term, in [0, 1].
        marks: Punctuation inside it.
        acronym: How a short form is written; empty for words.
    """

    concept_id: str
    match: Literal["name", "synonym", "abbreviation"]
    confidence: float
    marks: frozenset[str] = frozenset()
    acronym: str = ""


class PhraseIndex:
    """All phrases of some terms.

    Args:
        terms: The terms; obsolete ones are left out.
        extra: Further phrases: text, and the phrase without its marks.

    Attributes:
        trie: Phrases by their words in order.
        bags: Phrases of two to seven words by their words in alphabetical order.
        bag_words: The words in the keys of ``bags``.
        words: Words of the phrases as written in lower case -> normalised word.
    """

    def __init__(self, terms: Iterable[Term], extra: Iterable[tuple[str, Phrase]] = ()) -> None:
        self.trie: TrieNode = {}
        self.bags: dict[tuple[str, ...], tuple[Phrase, ...]] = {}
        self.bag_words: set[str] = set()
        self.words: dict[str, str] = {}
        for term in terms:
            if not term.is_obsolete:
                for text, phrase in _ways_to_say(term):
                    self._add(text, phrase)
        for text, phrase in extra:
            self._add(text, phrase)

    def _add(self, text: str, phrase: Phrase) -> None:
        phrase = replace(phrase, marks=marks_in(text))
        words = split_words(text)
        if not words or (len(words) == 1 and len(words[0].key) < 2):
            return
        keys = [word.key for word in words]
        for word in words:
            self.words.setdefault(text[word.start : word.end].lower(), word.key)
            self.words.setdefault(word.key, word.key)
        self._add_way(keys, phrase)
        if phrase.acronym:
            return
        for way in _written_together(text, words):
            self._add_way(way, phrase)
        bag = bag_key(keys)
        if bag is not None:
            self.bags[bag] = _merged(self.bags.get(bag, ()), phrase)
            self.bag_words.update(bag)

    def _add_way(self, keys: Sequence[str], phrase: Phrase) -> None:
        node = self.trie
        for key in keys:
            node = node.setdefault(key, {})
        node[END] = _merged(node.get(END, ()), phrase)


def bag_key(keys: Iterable[str]) -> tuple[str, ...] | None:
    """Return the words of a phrase without order, small words and the forms of organs.

    Args:
        keys: Normalised words.

    Returns:
        Two to seven words in alphabetical order; None for a shorter or longer phrase, and for one
        with a number, whose place matters.
    """
    bag = [ORGAN_WORDS.get(key, key) for key in keys if key not in LINKING_WORDS]
    is_numbered = any(len(word) < 2 or not word.isalpha() for word in bag)
    return tuple(sorted(bag)) if 2 <= len(bag) <= MAX_BAG_WORDS and not is_numbered else None


def marks_in(text: str) -> frozenset[str]:
    """Return the punctuation of a text that parts sentences, clauses or list items."""
    return frozenset(mark.strip() or "\n" for mark in _MARKS.findall(text))


def _ways_to_say(term: Term) -> Iterator[tuple[str, Phrase]]:
    """Yield the texts that stand for a term, the surest first."""
    yield from _forms(term.name, Phrase(term.id, "name", 1.0))
    for synonym in term.synonyms:
        yield from _forms(synonym.text, Phrase(term.id, "synonym", _CONFIDENCE[synonym.scope]))


def _forms(text: str, phrase: Phrase) -> Iterator[tuple[str, Phrase]]:
    """Yield a text as it is, without "NOS", and with a comma form turned round."""
    if is_acronym(text):
        weight = _ACRONYM_WEIGHTS.get(len(text), 0.92)
        yield (
            text,
            replace(
                phrase, match="abbreviation", confidence=phrase.confidence * weight, acronym=text
            ),
        )
        return
    yield text, phrase
    short = _NOS.sub("", text)
    if short != text:
        yield short, replace(phrase, confidence=phrase.confidence * 0.97)
    head, comma, tail = short.partition(", ")
    if comma and "," not in tail and not _NO_INVERSION & set(tail.lower().split()):
        yield f"{tail} {head}", replace(phrase, confidence=phrase.confidence * 0.95)


def _written_together(text: str, words: Sequence[NormalWord]) -> Iterator[list[str]]:
    """Yield the words with a hyphenated group as one: ``nonsmall cell`` for ``non-small cell``."""
    for match in _HYPHENATED.finditer(text):
        inside = [w for w in words if match.start() <= w.start and w.end <= match.end()]
        joined = "".join(word.key for word in inside)
        if len(inside) > 1 and joined.isalpha():
            before = [word.key for word in words if word.end <= match.start()]
            after = [word.key for word in words if word.start >= match.end()]
            yield [*before, joined, *after]


def _merged(known: tuple[Phrase, ...], phrase: Phrase) -> tuple[Phrase, ...]:
    """Add a phrase, or its punctuation where the term is there; the surest first, then by id."""
    others = tuple(other for other in known if other.concept_id != phrase.concept_id)
    for same in known:
        if same.concept_id == phrase.concept_id:
            best = max(same, phrase, key=lambda p: p.confidence)
            phrase = replace(best, marks=same.marks | phrase.marks)
    return tuple(sorted((*others, phrase), key=lambda p: (-p.confidence, p.concept_id)))
