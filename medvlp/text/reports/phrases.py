"""Phrases of a schema: words with alternatives, stems and gaps, and no regular expressions.

========================  ==================================================================
``lung nodule``           the words in a row; each also as a plural (``nodules``)
``lung|pulmonary``        either word
``calcif*``               any word that starts so
``small? nodule``         with or without the word
``node ~4 enlarged``      up to four words between; ``~`` alone: up to six; none is a full stop
``coronary & calcif*``    both parts somewhere in the same sentence
========================  ==================================================================

Hyphens and slashes part words and are passed over, so ``ground glass`` finds ``ground-glass``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medvlp.text.reports.sentences import ReportWord

__all__ = ["Phrase", "PhraseBook", "PhraseMatch", "parse_phrase"]

_DEFAULT_GAP = 6
_MAX_GAP = 20
Span = tuple[int, int]
_JOINERS = frozenset({"-", "/", "\u2013"})


@dataclass(frozen=True, slots=True)
class _Step:
    """One place of a phrase: a word, or (``gap`` > 0) up to so many words."""

    words: frozenset[str]
    stems: tuple[str, ...]
    is_optional: bool
    gap: int

    def fits(self, word: str) -> bool:
        return word in self.words or (bool(self.stems) and word.startswith(self.stems))


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase that was taken apart; ``parts`` may stand anywhere in a sentence."""

    written: str
    parts: tuple[tuple[_Step, ...], ...]


@dataclass(frozen=True, slots=True)
class PhraseMatch:
    """Where a phrase was found.

    Attributes:
        phrase: Number of the phrase in its book.
        spans: Characters of each part, in the order of the phrase.
        runs: The same without the words that fill gaps: what is said of these counts.
    """

    phrase: int
    spans: tuple[Span, ...]
    runs: tuple[Span, ...]


def parse_phrase(written: str) -> Phrase:
    """Take a phrase apart.

    Args:
        written: The phrase, as in the table of the module.

    Raises:
        ValueError: If it has no word, or a part starts or ends with a gap or an optional word.
    """
    parts = tuple(
        tuple(_parse_step(word) for word in part.split())
        for part in f" {written.lower()} ".split(" & ")
    )
    for part in parts:
        if not part:
            raise ValueError(f"phrase {written!r} has an empty part")
        if any(step.gap or step.is_optional for step in (part[0], part[-1])):
            raise ValueError(f"phrase {written!r} starts or ends with what may be absent")
    return Phrase(written, parts)


def _parse_step(word: str) -> _Step:
    if word.startswith("~"):
        gap = int(word[1:]) if word[1:].isdigit() else _DEFAULT_GAP if word == "~" else 0
        if not 1 <= gap <= _MAX_GAP:
            raise ValueError(f"gap {word!r} is not ~1 to ~{_MAX_GAP}")
        return _Step(frozenset(), (), True, gap)
    is_optional = len(word) > 1 and word.endswith("?")
    choices = word.removesuffix("?").split("|") if is_optional else word.split("|")
    if not all(choices) or "*" in choices:
        raise ValueError(f"word {word!r} has an empty alternative")
    stems = tuple(choice[:-1] for choice in choices if choice.endswith("*"))
    exact = [choice for choice in choices if not choice.endswith("*")]
    plurals = [f"{w}{end}" for w in exact if len(w) > 2 and w[-1].isalpha() for end in ("s", "es")]
    return _Step(frozenset(exact + plurals), stems, is_optional, 0)


class PhraseBook:
    """Many phrases that are looked for together.

    Args:
        phrases: As written.
    """

    def __init__(self, phrases: Sequence[str]) -> None:
        self.phrases = tuple(parse_phrase(phrase) for phrase in phrases)
        self._starts: dict[str, tuple[int, ...]] = {}

    def find(self, words: Sequence[ReportWord]) -> list[PhraseMatch]:
        """Find every phrase in the words of one sentence, each once per place where it starts."""
        words = [word for word in words if word.text not in _JOINERS]
        found = []
        parts_elsewhere: dict[int, list[list[int] | None]] = {}
        for place, word in enumerate(words):
            for number in self._starting(word.text):
                first, *others = self.phrases[number].parts
                if number not in parts_elsewhere:
                    parts_elsewhere[number] = [_find_part(part, words) for part in others]
                places = [_match(first, words, place), *parts_elsewhere[number]]
                known = [part for part in places if part is not None]
                if len(known) == len(places):
                    spans = tuple((words[p[0]].start, words[p[-1]].end) for p in known)
                    runs = tuple(run for part in known for run in _runs(part, words))
                    found.append(PhraseMatch(number, spans, runs))
        return found

    def _starting(self, word: str) -> tuple[int, ...]:
        known = self._starts.get(word)
        if known is None:
            known = tuple(i for i, first in enumerate(self._first_steps) if first.fits(word))
            if len(self._starts) < 100_000:
                self._starts[word] = known
        return known

    @cached_property
    def _first_steps(self) -> tuple[_Step, ...]:
        return tuple(phrase.parts[0][0] for phrase in self.phrases)


def _find_part(part: tuple[_Step, ...], words: Sequence[ReportWord]) -> list[int] | None:
    """Return the numbers of the words of the first match, None if there is none."""
    found = (_match(part, words, i) for i, word in enumerate(words) if part[0].fits(word.text))
    return next((places for places in found if places is not None), None)


def _match(
    steps: tuple[_Step, ...], words: Sequence[ReportWord], place: int, number: int = 0
) -> list[int] | None:
    """Return the numbers of the words of the nearest match that starts at ``place``."""
    if number == len(steps):
        return []
    step = steps[number]
    if step.gap:
        tries = (_match(steps, words, place + more, number + 1) for more in range(step.gap + 1))
        return next((places for places in tries if places is not None), None)
    if place < len(words) and step.fits(words[place].text):
        places = _match(steps, words, place + 1, number + 1)
        if places is not None:
            return [place, *places]
    return _match(steps, words, place, number + 1) if step.is_optional else None


def _runs(places: Sequence[int], words: Sequence[ReportWord]) -> list[Span]:
    """Join words that stand in a row."""
    runs: list[list[int]] = []
    for place in places:
        if runs and place == runs[-1][-1] + 1:
            runs[-1].append(place)
        else:
            runs.append([place])
    return [(words[run[0]].start, words[run[-1]].end) for run in runs]
