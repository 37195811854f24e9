"""Every place of a text where a phrase of the index may stand, before it is decided which count."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from rapidfuzz.distance import OSA

from medvlp.knowledge.clinical_words import FUNCTION_WORDS, ORGAN_WORDS, QUALIFIERS
from medvlp.knowledge.normalize import split_words
from medvlp.knowledge.phrases import (
    END,
    LINKING_WORDS,
    MAX_BAG_WORDS,
    Phrase,
    PhraseIndex,
    TrieNode,
    marks_in,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from medvlp.knowledge.misspellings import Misspellings

__all__ = ["Candidate", "TextWords", "find_candidates"]

_BAG_WEIGHT = 0.93
_MIN_SLIP_LETTERS_ALONE, _MIN_SLIP_LETTERS_IN_PHRASE = 5, 8
_SLIP_COST = 1.3
_MAX_PASSED_OVER = 4
_MIN_LETTERS_IN_ANY_CASE = 6
_SMALL_WORDS = ("and", "by", "due", "for", "in", "not", "of", "or", "the", "to")
_MAX_SMALL_WORD = 4
# No noun phrase ends in an adjective: "insufficiency of the aortic root" is no such disease.
_ADJECTIVE_ENDINGS = ("al", "ar", "ed", "ic", "ive", "ous", "ary")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stretch of words that may name a term.

    Attributes:
        first: Number of its first word.
        last: Number of its last word.
        phrases: What it may mean, the surest first.
        confidence: How surely it means the first, in [0, 1].
        is_misspelt: Whether a letter had to be corrected.
    """

    first: int
    last: int
    phrases: tuple[Phrase, ...]
    confidence: float
    is_misspelt: bool


class TextWords:
    """The words of a text with what the search needs to know of them.

    Args:
        text: Any text.
        misspellings: Corrects unknown words; None for no corrections.
    """

    def __init__(self, text: str, misspellings: Misspellings | None) -> None:
        self.text = text
        self.words = split_words(text)
        self.keys = [word.key for word in self.words]
        self._misspellings = misspellings
        self._corrections: list[tuple[str, ...] | None] = [None] * len(self.words)
        self._gaps = [
            text[before.end : word.start]
            for before, word in zip(self.words, self.words[1:], strict=False)
        ]
        self._num_marks = [0]
        for gap in self._gaps:
            is_mark = len(gap) > 1 or gap not in " -"
            self._num_marks.append(self._num_marks[-1] + bool(is_mark and marks_in(gap)))
        letters = [letter for letter in text[:2000] if letter.isalpha()]
        capitals = sum(letter.isupper() for letter in letters)
        self.is_in_capitals = len(letters) > 12 and capitals > 0.7 * len(letters)

    def raw(self, first: int, last: int) -> str:
        """Return the words ``first`` to ``last`` as written."""
        return self.text[self.words[first].start : self.words[last].end]

    def marks(self, first: int, last: int) -> frozenset[str]:
        """Return the punctuation between the words ``first`` to ``last``."""
        if self._num_marks[first] == self._num_marks[last]:
            return frozenset()
        return frozenset().union(*(marks_in(gap) for gap in self._gaps[first:last]))

    def is_joined(self, place: int) -> bool:
        """Tell whether only a space or a hyphen parts a word from the next."""
        return place < len(self._gaps) and self._gaps[place] in {" ", "-"}

    def corrections(self, place: int) -> tuple[str, ...]:
        """Return the keys that a word may be a slip of; none for a known word."""
        found = self._corrections[place]
        if found is None:
            found = self._corrections[place] = self._correct(place)
        return found

    def _correct(self, place: int) -> tuple[str, ...]:
        if self._misspellings is None:
            return ()
        word, key = self.raw(place, place).lower(), self.keys[place]
        near = self._misspellings.corrections(word)
        if key != word and not self._misspellings.is_known(word):
            near = tuple(sorted({*near, *self._misspellings.corrections(key)}))
        return near

    def is_known(self, place: int) -> bool:
        """Tell whether a word stands in the sources of the graph or is a common one."""
        return self._misspellings is None or self._misspellings.is_known(
            self.raw(place, place).lower()
        )


def find_candidates(text: TextWords, index: PhraseIndex) -> list[Candidate]:
    """Return the candidates of a text; the time is linear in its length.

    Args:
        text: The words.
        index: The phrases to look for.
    """
    found: list[Candidate] = []
    for first in range(len(text.words)):
        for last, phrases, slips in _in_order(text, index.trie, first):
            found += _checked(text, (first, last), phrases, weight=1.0, slips=slips)
        for last, phrases, slips in _in_any_order(text, index, first):
            found += _checked(text, (first, last), phrases, weight=_BAG_WEIGHT, slips=slips)
    return found


def _in_order(
    text: TextWords, trie: TrieNode, first: int
) -> Iterator[tuple[int, tuple[Phrase, ...], int]]:
    """Yield the phrases that begin at a word, with at most one corrected word."""
    keys = text.keys
    left: list[tuple[TrieNode, int, int]] = [(trie, first, 0)]
    while left:
        node, place, slips = left.pop()
        if END in node:
            yield place - 1, node[END], slips
        if place == len(keys):
            continue
        child = node.get(keys[place])
        if child is not None:
            left.append((child, place + 1, slips))
        elif not slips:
            near = text.corrections(place) or (place > first and _linking_words_near(keys[place]))
            left += [(node[key], place + 1, 1) for key in near or () if key in node]
        if text.is_joined(place):
            child = node.get(keys[place] + keys[place + 1])
            if child is not None:
                left.append((child, place + 2, slips))


@cache
def _linking_words_near(key: str) -> tuple[str, ...]:
    """Return the small words that a very short one may be a slip of, inside a phrase."""
    if len(key) > _MAX_SMALL_WORD or key in FUNCTION_WORDS or not key.isalpha():
        return ()
    return tuple(word for word in _SMALL_WORDS if OSA.distance(key, word, score_cutoff=1) == 1)


def _in_any_order(
    text: TextWords, index: PhraseIndex, first: int
) -> Iterator[tuple[int, tuple[Phrase, ...], int]]:
    """Yield the phrases whose words, in any order, begin at a word."""
    if text.keys[first] in LINKING_WORDS:
        return
    yield from _bags(text, index, first, LINKING_WORDS)
    following = text.keys[first + 1 : first + 1 + MAX_BAG_WORDS]
    if not QUALIFIERS.isdisjoint(following):
        yield from _bags(text, index, first, LINKING_WORDS | QUALIFIERS)


def _bags(
    text: TextWords, index: PhraseIndex, first: int, passed_over: frozenset[str]
) -> Iterator[tuple[int, tuple[Phrase, ...], int]]:
    bag: list[str] = []
    slips = num_passed = 0
    for place in range(first, len(text.keys)):
        key = text.keys[place]
        if place > first and text.marks(place - 1, place):
            return
        if bag and key in passed_over:
            num_passed += 1
            if num_passed > _MAX_PASSED_OVER:
                return
            continue
        word = ORGAN_WORDS.get(key, key)
        if word not in index.bag_words:
            near = {ORGAN_WORDS.get(k, k) for k in text.corrections(place)} & index.bag_words
            if slips or len(near) != 1:
                return
            slips, word = 1, near.pop()
        bag.append(word)
        if len(bag) > MAX_BAG_WORDS:
            return
        phrases = index.bags.get(tuple(sorted(bag))) if len(bag) > 1 else None
        if phrases and not key.endswith(_ADJECTIVE_ENDINGS):
            yield place, phrases, slips


def _checked(
    text: TextWords,
    span: tuple[int, int],
    phrases: tuple[Phrase, ...],
    *,
    weight: float,
    slips: int,
) -> list[Candidate]:
    """Return one candidate, or none if punctuation, capitals or shortness speak against it."""
    first, last = span
    marks = text.marks(first, last)
    fitting = tuple(p for p in phrases if marks <= p.marks and _is_written_so(text, span, p))
    if not fitting:
        return []
    if slips:
        num_letters = sum(letter.isalpha() for letter in text.raw(first, last))
        is_alone = first == last
        least = _MIN_SLIP_LETTERS_ALONE if is_alone else _MIN_SLIP_LETTERS_IN_PHRASE
        if num_letters < least or (is_alone and (fitting[0].acronym or text.is_known(first))):
            return []
        weight *= 1 - _SLIP_COST / num_letters
    return [Candidate(first, last, fitting, fitting[0].confidence * weight, bool(slips))]


def _is_written_so(text: TextWords, span: tuple[int, int], phrase: Phrase) -> bool:
    """Tell whether a short form is in capitals, as it must be to mean a disease."""
    if not phrase.acronym:
        return True
    raw = text.raw(*span)
    if text.is_in_capitals and len(raw) < _MIN_LETTERS_IN_ANY_CASE:
        return False
    if raw == phrase.acronym:
        return True
    is_same = raw.upper() == phrase.acronym.upper()
    return is_same and (raw.isupper() or len(raw) >= _MIN_LETTERS_IN_ANY_CASE)
