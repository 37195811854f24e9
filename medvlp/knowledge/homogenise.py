"""Make one description of a finding out of several sources, by rules.

Texts are cut into sentences; phrases that belong to a source (headings, references, figures) are
taken off; sentences that are not about how the finding looks are left out; of sentences that say
the same the longest stays; what is left is put in the order of
:data:`~medvlp.knowledge.appearance_words.APPEARANCE_FACETS`. Every sentence keeps the names of all
sources that say it. Doing it again to the result changes nothing.

DeViDe (arXiv:2404.03618) homogenises sources with a language model whose prompt is not published;
these rules are a reconstruction of what that is for, and :mod:`medvlp.knowledge.rewriting` lets a
local model reword what they leave.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from medvlp.knowledge.appearance_words import APPEARANCE_FACETS, facet_of
from medvlp.knowledge.facets import FindingBook, FindingFacets
from medvlp.knowledge.finding_file import MAX_DESCRIPTION, fold_name
from medvlp.knowledge.sentence_rules import num_content_words, say_the_same, tidy_sentence, why_not
from medvlp.text.reports.sentences import report_sentences

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["DescriptionSource", "DroppedSentence", "Homogenised", "homogenise"]

_DEFINING = r"(?:is|are|refers? to|means|describes|denotes|consists? of|represents?)\b"


@dataclass(frozen=True)
class DescriptionSource:
    """What one source says.

    Attributes:
        name: Name of the source.
        book: What it says in the form of a book; its definitions stay definitions.
        texts: Finding -> running text, sentences of any kind.
    """

    name: str
    book: FindingBook | None = None
    texts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class DroppedSentence:
    """A sentence that was left out.

    Attributes:
        finding: The finding it was said of.
        source: Who said it.
        sentence: The sentence.
        reason: Why it was left out.
    """

    finding: str
    source: str
    sentence: str
    reason: str


@dataclass(frozen=True)
class Homogenised:
    """A book made of several sources, and what was left out of them."""

    book: FindingBook
    dropped: tuple[DroppedSentence, ...]


@dataclass
class _Sentence:
    text: str
    sources: tuple[str, ...]


@dataclass
class _Gathered:
    """All that the sources say of one finding."""

    facets: FindingFacets
    definitions: list[_Sentence] = field(default_factory=list)
    sentences: list[_Sentence] = field(default_factory=list)


def homogenise(
    sources: Sequence[DescriptionSource], *, name: str, max_appearances: int = 12
) -> Homogenised:
    """Join sources into one book.

    Args:
        sources: The sources; where they differ in a name, a definition, a concept, a side or a
            region, the first one that says anything rules.
        name: Name of the book.
        max_appearances: Most sentences of a finding; those that most sources say stay.

    Returns:
        The book, its findings in the order in which they are first named, and what was left out.
    """
    dropped: list[DroppedSentence] = []
    findings = [
        _one_finding(gathered, max_appearances, dropped) for gathered in _gather(sources, dropped)
    ]
    return Homogenised(FindingBook(name, tuple(findings)), tuple(dropped))


def _gather(
    sources: Sequence[DescriptionSource], dropped: list[DroppedSentence]
) -> list[_Gathered]:
    found: list[_Gathered] = []
    by_name: dict[str, _Gathered] = {}
    for source in sources:
        for facets in source.book or ():
            known = _known(facets, by_name, found, source.name, dropped)
            said = dict(facets.provenance)
            if facets.definition:
                by = said.get(facets.definition, (source.name,))
                known.definitions.append(_Sentence(facets.definition, by))
            known.sentences += [
                _Sentence(text, said.get(text, (source.name,))) for text in facets.appearances
            ]
        for finding, text in source.texts:
            known = _known(FindingFacets(finding), by_name, found, source.name, dropped)
            known.sentences.append(_Sentence(text, (source.name,)))
    return found


def _known(
    facets: FindingFacets,
    by_name: dict[str, _Gathered],
    found: list[_Gathered],
    source: str,
    dropped: list[DroppedSentence],
) -> _Gathered:
    """Return what is gathered of a finding under any of its names, and add its new names."""
    known = next((by_name[n] for n in map(fold_name, facets.names) if n in by_name), None)
    if known is None:
        known = _Gathered(replace(facets, synonyms=(), definition="", appearances=()))
        found.append(known)
    new: list[str] = []
    for name in facets.names:
        owner = by_name.setdefault(fold_name(name), known)
        if owner is not known:
            reason = f"also a name of {owner.facets.name}"
            dropped.append(DroppedSentence(known.facets.name, source, name, reason))
        elif fold_name(name) not in map(fold_name, (*known.facets.names, *new)):
            new.append(name)
    old = known.facets
    known.facets = replace(
        old,
        synonyms=(*old.synonyms, *new),
        concept=old.concept or facets.concept,
        sided=old.sided or facets.sided,
        region=facets.region if old.region == "chest" else old.region,
    )
    return known


def _one_finding(
    gathered: _Gathered, max_appearances: int, dropped: list[DroppedSentence]
) -> FindingFacets:
    facets = gathered.facets
    definition, others = _definition(gathered)
    kept: list[_Sentence] = []
    for sentence in others:
        reason = why_not(sentence.text)
        if definition and say_the_same(definition.text, sentence.text):
            definition.sources = tuple(dict.fromkeys((*definition.sources, *sentence.sources)))
            reason = f"said by: {definition.text}"
        if reason:
            source = ", ".join(sentence.sources)
            dropped.append(DroppedSentence(facets.name, source, sentence.text, reason))
        else:
            kept.append(sentence)
    kept = _without_doubles(kept, facets.name, dropped)
    kept = _most_said(kept, max_appearances, facets.name, dropped)
    kept.sort(key=lambda sentence: APPEARANCE_FACETS.index(facet_of(sentence.text)))
    told = ([definition] if definition else []) + kept
    return replace(
        facets,
        definition=definition.text if definition else "",
        appearances=tuple(sentence.text for sentence in kept),
        provenance=tuple((sentence.text, sentence.sources) for sentence in told),
    )


def _definition(gathered: _Gathered) -> tuple[_Sentence | None, list[_Sentence]]:
    """Return the definition, the first given or else the first that a text has, and the rest."""
    split = [part for sentence in gathered.sentences for part in _split(sentence)]
    if gathered.definitions:
        first, *more = gathered.definitions
        same = [definition for definition in gathered.definitions if definition.text == first.text]
        sources = dict.fromkeys(source for definition in same for source in definition.sources)
        rest = [part for other in more if other.text != first.text for part in _split(other)]
        text = " ".join(part.text for part in _split(first))
        if text:
            return _Sentence(text, tuple(sources)), rest + split
        split = rest + split
    names = "|".join(re.escape(name) for name in gathered.facets.names)
    defining = re.compile(rf"(?:an?\s|the\s)?(?:{names})\s+{_DEFINING}", re.IGNORECASE)
    for place, sentence in enumerate(split):
        if defining.match(sentence.text) and len(sentence.text) <= MAX_DESCRIPTION:
            return sentence, [*split[:place], *split[place + 1 :]]
    return None, split


def _split(sentence: _Sentence) -> Iterator[_Sentence]:
    for part in report_sentences(sentence.text):
        text = tidy_sentence(part.text)
        if text:
            yield _Sentence(text, sentence.sources)


def _without_doubles(
    sentences: list[_Sentence], finding: str, dropped: list[DroppedSentence]
) -> list[_Sentence]:
    """Keep the longest of sentences that say the same, with the sources of all."""
    order = sorted(
        range(len(sentences)), key=lambda place: (-num_content_words(sentences[place].text), place)
    )
    kept: list[int] = []
    for place in order:
        text = sentences[place].text
        twin = next((k for k in kept if say_the_same(sentences[k].text, text)), None)
        if twin is None:
            kept.append(place)
            continue
        longer = sentences[twin]
        reason = f"said by: {longer.text}"
        dropped.append(DroppedSentence(finding, ", ".join(sentences[place].sources), text, reason))
        together = dict.fromkeys((*longer.sources, *sentences[place].sources))
        sentences[twin] = _Sentence(longer.text, tuple(together))
    return [sentences[place] for place in sorted(kept)]


def _most_said(
    sentences: list[_Sentence], most: int, finding: str, dropped: list[DroppedSentence]
) -> list[_Sentence]:
    order = sorted(range(len(sentences)), key=lambda place: (-len(sentences[place].sources), place))
    for place in order[most:]:
        sentence = sentences[place]
        reason = f"more than {most} sentences"
        dropped.append(DroppedSentence(finding, ", ".join(sentence.sources), sentence.text, reason))
    return [sentences[place] for place in sorted(order[:most])]
