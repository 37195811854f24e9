"""Clean a report's text, and shuffle its sentences.

What is left is sentences parted by spaces: no bullets, no numbers of items, every sentence with an
end. Decimals, units and short forms such as ``R.E.N.A.L`` stay as they are.
"""

from __future__ import annotations

import random
import re
from functools import lru_cache
from typing import Literal

from medvlp.errors import DataError
from medvlp.text.reports.sections import find_sections
from medvlp.text.reports.sentences import report_sentences

__all__ = [
    "MAX_CHARACTERS",
    "check_report",
    "clean_report",
    "compose_report",
    "report_variants",
    "section_sentences",
    "shuffle_sentences",
]

ReportedKind = Literal["findings", "impression", "unnamed"]

MAX_CHARACTERS = 50_000
_MIN_WORDS = 8
_MIN_ENGLISH = 0.06
_ENGLISH = frozenset(
    """the of and is are was were with without no not there in to both left right normal seen
    observed detected from by on at for kidney kidneys lung lungs size within has have been or
    unremarkable identified noted small mild large heart chest lobe lower upper new unchanged
    stable clear effusion effusions enlarged tube""".split()
)
_WORD = re.compile(r"[^\W\d_]+")


def check_report(text: str) -> None:
    """Refuse what no rule for English reports can read.

    Args:
        text: A report.

    Raises:
        DataError: MV2300 if it has no letter, MV2301 if it has eight words or more and fewer than
            one in sixteen is a common word of English reports, MV2302 if it is longer than 50,000
            characters.
    """
    if len(text) > MAX_CHARACTERS:
        raise DataError(
            "MV2302",
            f"a report has {len(text):,} characters",
            expected=f"at most {MAX_CHARACTERS:,}",
            hint="give one report at a time",
        )
    words = _WORD.findall(text.lower())
    if not words:
        raise DataError(
            "MV2300",
            f"a report has no words (its {len(text)} characters hold no letter)",
            expected="the text of a report",
            hint="leave the report out: an empty text says nothing about the case",
        )
    english = sum(word in _ENGLISH for word in words)
    is_latin = sum(character.isascii() for word in words for character in word)
    if (len(words) >= _MIN_WORDS and english < _MIN_ENGLISH * len(words)) or not is_latin:
        raise DataError(
            "MV2301",
            f"a report of {len(words)} words has {english} common English ones",
            expected="a report in English",
            hint="translate it first: negation and phrases are known for English only",
        )


def clean_report(text: str) -> str:
    """Return the sentences of a text, each with its end, parted by single spaces.

    Args:
        text: A report or one section of it, without headings.

    Returns:
        The text in one line; empty if it has no words.
    """
    found = []
    for sentence in report_sentences(text):
        words = re.sub(r"\s+", " ", sentence.text).strip(" \t\"';,-\u2022")
        words = re.sub(r"\s+([.,;:!?])", r"\1", words)
        found.append(words if words.endswith((".", "!", "?")) else f"{words}.")
    return " ".join(found)


def compose_report(findings: str, impression: str) -> str:
    """Return findings and impression as one text, each with its heading, cleaned.

    Args:
        findings: Text of the findings; empty leaves the heading out.
        impression: Text of the impression, likewise.

    Source:
        RenalCLIP (arXiv:2508.16569), form of the text that its encoder reads.
    """
    parts = [("Findings: ", clean_report(findings)), ("Impression: ", clean_report(impression))]
    return "\n".join(heading + text for heading, text in parts if text)


def shuffle_sentences(text: str, seed: int) -> str:
    """Return the report cleaned, with the sentences of each section in a random order.

    Args:
        text: A report, with or without headings. Sections of background are left out.
        seed: The same seed and text give the same order.
    """
    order = random.Random(f"{seed}:{len(text)}")  # noqa: S311  an order of sentences is no secret
    lines = []
    for kind, found in section_sentences(text):
        sentences = list(found)
        order.shuffle(sentences)
        heading = "" if kind == "unnamed" else f"{kind.capitalize()}: "
        lines.append(heading + " ".join(sentences))
    return "\n".join(lines)


@lru_cache(maxsize=50_000)
def section_sentences(text: str) -> tuple[tuple[ReportedKind, tuple[str, ...]], ...]:
    """Return the cleaned sentences of a report, those of all sections of a kind together.

    Args:
        text: A report, with or without headings. Sections of background are left out.
    """
    parts: dict[ReportedKind, list[str]] = {}
    for section in find_sections(text):
        if section.kind != "background":
            cleaned = clean_report(text[section.start : section.end])
            parts.setdefault(section.kind, []).extend(
                cleaned[s.start : s.end] for s in report_sentences(cleaned)
            )
    return tuple((kind, tuple(sentences)) for kind, sentences in parts.items())


def report_variants(text: str, seed: int, count: int = 4) -> tuple[str, ...]:
    """Return the cleaned report and so many shuffled ones, as alignment draws from.

    Args:
        text: A report.
        seed: Seed of the orders.
        count: Number of shuffled texts after the first.

    Source:
        RenalCLIP (arXiv:2508.16569): one original and four shuffled texts for each kidney.
    """
    sections = find_sections(text)
    if any(section.kind in {"findings", "impression"} for section in sections):
        texts = {kind: "\n".join(text[s.start : s.end] for s in sections if s.kind == kind)
                 for kind in ("findings", "impression")}  # fmt: skip
        first = compose_report(texts["findings"], texts["impression"])
    else:
        first = clean_report(text)
    return (first, *(shuffle_sentences(first, seed + number) for number in range(count)))
