"""Let a language model of one's own reword the sentences of a finding in one style.

The model is given the sentences with numbers and answers with sentences and the numbers that each
is made of, so that every sentence keeps its sources. What it writes is data, never trusted: an
answer that loses a sentence, names a side or an opposite that its origin does not, or has other
words than its origin, is refused. The published prompt of DeViDe is not known; this one is ours.
"""

from __future__ import annotations

import json
import reprlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from medvlp.errors import DataError
from medvlp.knowledge.appearance_words import contrast_words, off_topic
from medvlp.knowledge.finding_file import MAX_DESCRIPTION, text_problem
from medvlp.knowledge.sentence_rules import share_of_words, tidy_sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medvlp.knowledge.facets import FindingFacets
    from medvlp.text.reports.language_model import LanguageModel

__all__ = ["MIN_WORDS_OF_ORIGIN", "parse_rewriting", "rewrite_finding", "rewriting_prompt"]

MIN_WORDS_OF_ORIGIN = 0.5
"""Least share of the words of a new sentence that the sentences it is made of have."""


class _Rewritten(NamedTuple):
    """A new sentence, and the places of the sentences it is made of."""

    text: str
    origins: tuple[int, ...]


def rewrite_finding(finding: FindingFacets, model: LanguageModel) -> FindingFacets:
    """Return a finding with its appearances reworded; names and definition stay.

    Args:
        finding: The finding; without appearances it comes back as it is.
        model: The model.

    Raises:
        DataError: MV2062 if the answer does not fit.
    """
    if not finding.appearances:
        return finding
    answer = model.complete(rewriting_prompt(finding))
    told = dict(finding.provenance)
    provenance = (
        [(finding.definition, told[finding.definition])] if finding.definition in told else []
    )
    texts = []
    for text, origins in parse_rewriting(answer, finding.appearances):
        sources = dict.fromkeys(s for i in origins for s in told.get(finding.appearances[i], ()))
        texts.append(text)
        if sources:
            provenance.append((text, tuple(sources)))
    return replace(finding, appearances=tuple(texts), provenance=tuple(provenance))


def rewriting_prompt(finding: FindingFacets) -> str:
    """Return what the model is asked.

    Args:
        finding: The finding; its texts are put in as JSON, so that they cannot end the question.
    """
    sentences = {str(place): text for place, text in enumerate(finding.appearances, start=1)}
    return (
        "Below are sentences on how a finding looks on a chest radiograph.\n"
        "Reword them in one plain style: present tense, one appearance in each sentence, no names "
        "of sources. Add nothing, and leave nothing out; join sentences that say the same.\n"
        'Answer with one JSON list and nothing else: [{"text": "...", "from": [1]}, ...], where '
        '"from" holds the numbers of the sentences that a sentence is made of.\n'
        f"Finding: {json.dumps(finding.name)}\nSentences: {json.dumps(sentences)}\nAnswer:\n"
    )


def parse_rewriting(answer: str, sentences: Sequence[str]) -> tuple[_Rewritten, ...]:
    """Read what a model answered.

    Args:
        answer: One JSON list, white space around it allowed.
        sentences: What it was given.

    Returns:
        New sentences with the places, counted from 0, of those that they are made of.

    Raises:
        DataError: MV2062 if it is no such list, a sentence is lost, or one says what its origin
            does not.
    """
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError) as error:
        raise _refusal(f"{reprlib.repr(answer)} is no JSON list") from error
    if not isinstance(found, list):
        raise _refusal(f"{reprlib.repr(answer)} is no JSON list")
    rewritten = tuple(_checked(item, sentences) for item in found)
    lost = sorted(set(range(len(sentences))) - {i for _, origins in rewritten for i in origins})
    if lost:
        raise _refusal(f"sentence {lost[0] + 1} is lost: {sentences[lost[0]]!r}")
    if len({text for text, _ in rewritten}) != len(rewritten):
        raise _refusal("a sentence stands twice")
    return rewritten


def _checked(item: Any, sentences: Sequence[str]) -> _Rewritten:  # noqa: ANN401  JSON of a model
    if not isinstance(item, dict) or set(item) != {"text", "from"}:
        raise _refusal(f"{reprlib.repr(item)} has not the keys 'text' and 'from'")
    text, numbers = item["text"], item["from"]
    if not isinstance(numbers, list) or not numbers or not all(type(n) is int for n in numbers):
        raise _refusal(f"'from' is {reprlib.repr(numbers)} instead of numbers of sentences")
    if not all(1 <= number <= len(sentences) for number in numbers):
        raise _refusal(f"'from' is {numbers}, but there are {len(sentences)} sentences")
    if not isinstance(text, str) or text_problem(text, MAX_DESCRIPTION) is not None:
        raise _refusal(f"{reprlib.repr(text)} is no sentence")
    origin = " ".join(sentences[number - 1] for number in numbers)
    new = contrast_words(text) ^ contrast_words(origin)
    if new:
        raise _refusal(f"{text!r} and its origin differ in {', '.join(sorted(new))}")
    topic = off_topic(text)
    if topic and not off_topic(origin):
        raise _refusal(f"{text!r} speaks of {topic}")
    if share_of_words(text, origin) < MIN_WORDS_OF_ORIGIN:
        raise _refusal(f"{text!r} has too few words of {origin!r}")
    return _Rewritten(tidy_sentence(text), tuple(number - 1 for number in numbers))


def _refusal(what: str) -> DataError:
    return DataError(
        "MV2062",
        f"a language model's rewording does not fit: {what}",
        expected="one JSON list of sentences that say what they are made of, and no more",
        hint="use a larger model, or the rules alone",
    )
