"""Phrases of a text that look like nouns and were not linked to any term."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medvlp.knowledge.clinical_words import DISEASE_HEADS, FUNCTION_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from medvlp.knowledge.candidates import TextWords

__all__ = ["MAX_PHRASE_LETTERS", "looks_like_disease", "unlinked_phrases"]

MAX_PHRASE_LETTERS = 80
_MAX_PHRASE_WORDS = 6
_MIN_LETTERS = 3
_MIN_STEM_LETTERS = 3
_NO_DISEASES = frozenset({"analysis", "basis", "diagnosis", "dialysis", "oasis", "prognosis"})


def unlinked_phrases(text: TextWords, taken: Iterable[tuple[int, int]]) -> tuple[str, ...]:
    """Return the runs of words that are no function words and in no mention, in lower case.

    A run ends at punctuation, at a function word or verb of description, at a linked mention, and
    after six words; a phrase longer than 80 characters is cut and ends in three dots, so that
    nothing is lost silently and nothing grows without bound.

    Args:
        text: The words of the text.
        taken: First and last word of each mention.
    """
    covered = {place for first, last in taken for place in range(first, last + 1)}
    phrases: list[str] = []
    run: list[int] = []
    for place in range(len(text.words) + 1):
        is_end = place == len(text.words) or place in covered or _is_function_word(text, place)
        is_parted = bool(run) and not is_end and bool(text.marks(run[-1], place))
        if run and (is_end or is_parted or len(run) == _MAX_PHRASE_WORDS):
            phrases += _phrase(text, run)
            run = []
        if not is_end:
            run.append(place)
    return tuple(phrases)


def looks_like_disease(phrase: str) -> bool:
    """Tell whether the last word of a phrase is one that names diseases or findings."""
    last = phrase.rsplit(" ", 1)[-1].lower()
    if last in _NO_DISEASES:
        return False
    return last in DISEASE_HEADS or (
        last.endswith(DISEASE_HEADS)
        and len(last) - max(len(h) for h in DISEASE_HEADS if last.endswith(h)) >= _MIN_STEM_LETTERS
    )


def _is_function_word(text: TextWords, place: int) -> bool:
    return text.raw(place, place).lower() in FUNCTION_WORDS


def _phrase(text: TextWords, run: list[int]) -> list[str]:
    """Return the phrase of a run of words, or nothing where it has no word of three letters."""
    raw = " ".join(text.raw(run[0], run[-1]).lower().split())
    if not any(len(text.keys[place]) >= _MIN_LETTERS for place in run) or not any(
        letter.isalpha() for letter in raw
    ):
        return []
    is_long = len(raw) > MAX_PHRASE_LETTERS
    return [raw[: MAX_PHRASE_LETTERS - 3] + "..." if is_long else raw]
