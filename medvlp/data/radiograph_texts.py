"""Texts of radiographs: reports with some of their sentences, and what a book says of findings.

Letters: N texts, C findings.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import torch

from medvlp.data.batch import TextTokens
from medvlp.data.radiograph_batch import FacetTexts
from medvlp.errors import DataError, nearest_name
from medvlp.knowledge.facets import FACET_KINDS
from medvlp.text.reports.cleaning import section_sentences, shuffle_sentences
from medvlp.text.reports.side_words import names_side, swap_sides

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medvlp.knowledge.facets import FindingBook, FindingFacets
    from medvlp.text.tokenizer import CaptionTokenizer

__all__ = [
    "SentenceChoice",
    "choose_sentences",
    "find_facets",
    "other_side",
    "sided_by_text",
    "tokenize",
    "tokenize_facets",
]

SentenceChoice = Literal["all", "shuffle", "subset"]
"""What becomes of a report in training: all of it as it is, its sentences in another order, or
some of them."""


def choose_sentences(report: str, choice: SentenceChoice, seed: int, most: int = 3) -> str:
    """Return a report as it is read this time.

    Args:
        report: The report.
        choice: ``subset`` takes 1 to ``most`` of its sentences, in the order of the report and
            without headings.
        seed: The same seed and report give the same text.
        most: Largest number of sentences of a subset.
    """
    if choice == "all" or not report:
        return report
    if choice == "shuffle":
        return shuffle_sentences(report, seed)
    order = random.Random(f"{seed}:{len(report)}")  # noqa: S311  a choice of sentences is no secret
    sentences = [sentence for _, found in section_sentences(report) for sentence in found]
    if not sentences:
        return report
    count = order.randint(1, min(most, len(sentences)))
    kept = sorted(order.sample(range(len(sentences)), count))
    return " ".join(sentences[place] for place in kept)


def other_side(names: Sequence[str]) -> tuple[int, ...]:
    """Return where each finding stands once left and right are swapped.

    Args:
        names: Names of C findings.

    Returns:
        Place of the counterpart of each (``left effusion`` of ``right effusion``); its own place
        where the name has no side; -1 where it has one and there is no counterpart.
    """
    places = {name: place for place, name in enumerate(names)}
    return tuple(places.get(swap_sides(name) or "", -1) for name in names)


def find_facets(book: FindingBook, names: Sequence[str]) -> list[FindingFacets]:
    """Return the findings of some names or synonyms.

    A name with a side (``left pleural effusion``) that the book does not have is that side of the
    finding without it, if the book says that it has sides.

    Args:
        book: The book.
        names: The names.

    Raises:
        DataError: If the book has no such finding (MV1796), with the nearest name.
    """
    found = []
    for name in names:
        facets = book.find(name) or _one_side(book, name)
        if facets is None:
            raise DataError(
                "MV1796",
                f"the book of findings {book.name!r} has no finding {name!r}"
                f"{nearest_name(name, book.names)}",
                expected="a name or synonym of a finding of the book",
                hint="take the book that the folder was prepared with, or add the finding to it",
            )
        found.append(facets)
    return found


def _one_side(book: FindingBook, name: str) -> FindingFacets | None:
    side, _, rest = " ".join(name.split()).partition(" ")
    facets = book.find(rest) if side.lower() in {"left", "right"} and rest else None
    if facets is None or not facets.sided:
        return None
    named = {text: f"{side.lower()} {text}" for text in facets.names}
    return replace(
        facets, name=named[facets.name], synonyms=tuple(named[text] for text in facets.synonyms)
    )


def sided_by_text(findings: Sequence[FindingFacets]) -> frozenset[str]:
    """Return the findings whose definition or appearance speaks of a side, though no name does.

    A picture that shows such a finding has no counterpart: what its book says would be wrong of it.

    Args:
        findings: The findings.
    """
    return frozenset(
        finding.name
        for finding in findings
        if not names_side(finding.name) and any(names_side(text) for _, text in finding.texts())
    )


def tokenize(tokenizer: CaptionTokenizer, texts: Sequence[str], max_tokens: int) -> TextTokens:
    """Return texts as tokens, padded to the longest.

    Args:
        tokenizer: The tokenizer.
        texts: N texts.
        max_tokens: Largest number of tokens of a text.
    """
    tokens = tokenizer.encode(texts, max_tokens)
    return TextTokens(ids=torch.from_numpy(tokens.ids), mask=torch.from_numpy(tokens.mask))


def tokenize_facets(
    tokenizer: CaptionTokenizer,
    findings: Sequence[FindingFacets],
    max_tokens: int,
    names: Sequence[str] | None = None,
) -> FacetTexts:
    """Return all texts of some findings as tokens.

    Args:
        tokenizer: The tokenizer.
        findings: C findings.
        max_tokens: Largest number of tokens of a text.
        names: What the findings are called in the labels; None takes their own names.
    """
    texts, owners, kinds = [], [], []
    for place, finding in enumerate(findings):
        for kind, text in finding.texts():
            texts.append(text)
            owners.append(place)
            kinds.append(FACET_KINDS.index(kind))
    return FacetTexts(
        tokens=tokenize(tokenizer, texts, max_tokens),
        class_index=torch.tensor(owners, dtype=torch.int64),
        kind=torch.tensor(kinds, dtype=torch.int64),
        names=tuple(finding.name for finding in findings) if names is None else tuple(names),
    )
