"""Cut a report into sentences: list marks end one, decimals, units and R.E.N.A.L do not."""

from __future__ import annotations

import re
from dataclasses import dataclass

from medvlp.text.sentences import split_sentences

__all__ = ["ReportSentence", "ReportWord", "mark_items", "report_sentences"]

# Bullets, quotation marks that stand for bullets, dashes and numbers at the start of an item.
_QUOTE = '["\u201c\u201d]'
_BULLET = re.compile(
    rf"[\u2022\u25cf\u25aa\u00b7\u25e6\u2023]|(?<!\S){_QUOTE}(?=\s|[A-Z])|(?<=[.\s]){_QUOTE}(?!\S)"
)
_DASH = re.compile(r"(?:^|(?<=\n))[ \t]*(?:[-*\u2013]+|\(?\d{1,2}[.)](?!\d))(?=\s)")
_NUMBER = re.compile(r"(?<=[.:;])\s+\(?\d{1,2}[.)-](?=\s+[A-Z\d])")
_JOINED = re.compile(r"(?<=[\d)a-z])\.(?=[A-Z][a-z])")
_PART = re.compile(r"\d+(?:[.,]\d+)+|[^\W_]+(?:['\u2019][^\W_]+)?|[^\w\s]")


@dataclass(frozen=True, slots=True)
class ReportWord:
    """A word or mark in lower case, and where it stands in the report (characters)."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ReportSentence:
    """A sentence of a report.

    Attributes:
        text: Its characters, as written.
        start: First character in the report.
        end: Character after the last one.
        words: Words and marks in lower case; ``ground-glass`` is three of them.
    """

    text: str
    start: int
    end: int
    words: tuple[ReportWord, ...]


def mark_items(text: str) -> str:
    """Return the text with every bullet and number of a list made a line break.

    Also ends a sentence whose full stop has no space after it (``in segment 4.Other``). The length
    stays the same, so that places in the result are places in the report.

    Args:
        text: A report.
    """
    for pattern in (_DASH, _BULLET, _NUMBER, _JOINED):
        text = pattern.sub(lambda found: "\n" * len(found.group()), text)
    return text


def report_sentences(text: str) -> list[ReportSentence]:
    """Cut a report into sentences, in time linear in its length.

    Args:
        text: A report, any length.

    Returns:
        Sentences with a letter in them, in order; their ends are those of
        :func:`medvlp.text.sentences.split_sentences` on :func:`mark_items`.
    """
    found = []
    for matches in split_sentences(mark_items(text)):
        start, end = matches[0].start(), matches[-1].end()
        words = tuple(
            ReportWord(part.group().lower(), part.start(), part.end())
            for part in _PART.finditer(text, start, end)
        )
        if any(character.isalpha() for word in words for character in word.text):
            found.append(ReportSentence(text[start:end], start, end, words))
    return found
