"""Sentences of descriptions: tidy them, judge them, and tell which say the same."""

from __future__ import annotations

import re

from medvlp.knowledge.appearance_words import contrast_words, is_about_appearance, off_topic
from medvlp.knowledge.finding_file import MAX_DESCRIPTION, text_problem

__all__ = ["num_content_words", "say_the_same", "share_of_words", "tidy_sentence", "why_not"]

MIN_SHARED_WORDS = 0.6
"""Share of all words of two sentences that both have, from which on they say the same."""
MIN_CONTAINED_WORDS = 0.85
"""Share of the words of the shorter that the longer has, likewise."""
_MIN_WORDS = 3
_STEM = 6

_NOISE = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"https?://\S+",
        r"\s*\[\s*\d+(?:\s*[-,\u2013]\s*\d+)*\s*\]",
        r"\s*\((?:see )?(?:fig(?:ure)?s?|tables?|cases?|images?|refs?|arrows?)\b[^()]{0,40}\)",
        r"\s*\([^()]{0,60}\b(?:19|20)\d\d[a-z]?\)",
        r"<[^<>]{1,80}>",
    )
)
_HEADING = re.compile(
    r"""^(?:(?:chest\s)?(?:radiograph\w*|imaging|x-?ray|plain\sfilm)?\s*(?:features?|findings?|
    appearances?|signs?|descriptions?)|opacity|brightness|density|shape|texture|borders?|margins?|
    location|distribution|patterns?|fluid|size|number|other)(?:\s+include\w*)?\s*:\s+""",
    re.IGNORECASE | re.VERBOSE,
)
_OPENING = re.compile(
    r"""^(?:(?:on|in)\s(?:an?\s|the\s)?(?:(?:plain|frontal|conventional|standard|pa|ap|chest)\s)*
    (?:radiograph\w*|x-?rays?|films?|cxrs?|imaging)|typically|classically|characteristically|
    radiographically|in\sgeneral|in\smost\scases|note\sthat|importantly)\s*,\s+""",
    re.IGNORECASE | re.VERBOSE,
)
_IDLE = frozenset(
    """a an and are as at be been by can for from has have in into is it its may more most of
    often on or seen shows that the their there these this to typically usually which with
    within""".split()
)


def tidy_sentence(sentence: str) -> str:
    """Return a sentence without headings, references and idle openings, as a sentence.

    Args:
        sentence: A sentence of a source.
    """
    before = None
    text = sentence
    for pattern in _NOISE:
        text = pattern.sub("", text)
    while text != before:
        before = text
        text = _OPENING.sub("", _HEADING.sub("", " ".join(text.split()).strip(" \t-*;,\u2022\"'")))
    text = re.sub(r"\s+([.,;:])", r"\1", text).rstrip(".;:, ")
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def why_not(sentence: str) -> str:
    """Return why a sentence does not belong among appearances, empty if it does.

    Args:
        sentence: A sentence, tidied.
    """
    if text_problem(sentence, MAX_DESCRIPTION) is not None:
        return "too long or not printable"
    if len(sentence.split()) < _MIN_WORDS:
        return "too short"
    topic = off_topic(sentence)
    if topic:
        return f"speaks of {topic}"
    return "" if is_about_appearance(sentence) else "does not say how it looks"


def num_content_words(sentence: str) -> int:
    """Return how many different words of a sentence say something.

    Args:
        sentence: A sentence.
    """
    return len(_stems(sentence))


def say_the_same(one: str, other: str) -> bool:
    """Tell whether two sentences share nearly all words, and name no different side or opposite.

    Args:
        one: A sentence.
        other: Another one; the order does not matter.
    """
    if contrast_words(one) != contrast_words(other):
        return False
    a, b = _stems(one), _stems(other)
    shared = len(a & b)
    return bool(shared) and (
        shared >= MIN_SHARED_WORDS * len(a | b)
        or shared >= MIN_CONTAINED_WORDS * min(len(a), len(b))
    )


def share_of_words(sentence: str, origin: str) -> float:
    """Return the share of the words of a sentence that its origin has, from 0 to 1.

    Args:
        sentence: A sentence.
        origin: What it was made of.
    """
    words = _stems(sentence)
    return len(words & _stems(origin)) / len(words) if words else 0.0


def _stems(sentence: str) -> frozenset[str]:
    words = re.findall(r"[^\W_]+", sentence.lower())
    return frozenset(word.removesuffix("s")[:_STEM] for word in words if word not in _IDLE)
