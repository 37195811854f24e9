"""What a group shows: concepts of its captions or its label column, brought to one by a rule.

A concept that another one of the group lies below adds its confidence to that one and is no label
of its own: "lung cancer" beside "lung adenocarcinoma" is no contradiction. What is left after that
and is more than one counts as a conflict.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from medvlp.errors import DataError
from medvlp.knowledge.concept_names import NORMAL, UNKNOWN
from medvlp.knowledge.hierarchy import EXCLUDED_UPPER, lowest_common_ancestors
from medvlp.pipelines.pairing.caption_quality import normalize_caption

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from medvlp.knowledge.graph import KnowledgeGraph
    from medvlp.pipelines.pairing.settings import GroupLabels

__all__ = ["CaptionLinker", "GroupLabel", "Labeller", "Vote", "decide_label"]

Outcome = Literal[
    "given", "lineage", "majority", "ancestor", "kept", "refused", "normal", "unknown"
]


class FoundMention(Protocol):
    """A place of a text that names a concept; see ``medvlp.knowledge.linking``."""

    @property
    def text(self) -> str:
        """The words of the text."""

    @property
    def concept_id(self) -> str:
        """The concept that they name."""

    @property
    def confidence(self) -> float:
        """How sure the link is, 0 to 1."""

    @property
    def status(self) -> str:
        """``present``, ``absent`` or ``uncertain``."""


class FoundMentions(Protocol):
    """All places of one text that name concepts."""

    @property
    def mentions(self) -> Sequence[FoundMention]:
        """The places, in the order of the text."""


class CaptionLinker(Protocol):
    """Finds concepts in texts."""

    def link(self, text: str) -> FoundMentions:
        """Return the concepts that a text names.

        Args:
            text: A caption.
        """


@dataclass(frozen=True, slots=True)
class Vote:
    """One caption's or one label's word for a concept.

    Attributes:
        concept: Id of a concept, ``normal`` or ``unknown``.
        confidence: How sure, above 0 and up to 1.
        text: The words that said it; empty for a label.
    """

    concept: str
    confidence: float
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class GroupLabel:
    """What a group was found to show.

    Attributes:
        concepts: Its concepts: one, or several where all are kept; ``normal``, ``unknown``.
        outcome: How it came about; ``given`` where all agreed.
        votes: Confidence of every concept that was named, summed.
        texts: Concept to the words that named it.
    """

    concepts: tuple[str, ...]
    outcome: Outcome
    votes: dict[str, float]
    texts: dict[str, str] = field(default_factory=dict)

    @property
    def is_conflict(self) -> bool:
        """Whether members carried several labels."""
        return self.outcome in {"majority", "ancestor", "kept", "refused"}


class Labeller:
    """Turns labels and captions into votes.

    Args:
        settings: Rules.
        graph: The knowledge graph; None where labels come from the column alone.
        linker: Finds concepts in captions; None where it is not wanted.
    """

    def __init__(
        self,
        settings: GroupLabels,
        graph: KnowledgeGraph | None = None,
        linker: CaptionLinker | None = None,
    ) -> None:
        self._settings = settings
        self._graph = graph
        self._linker = linker
        self._known: dict[str, tuple[Vote, ...]] = {}
        self._normal = [f" {normalize_caption(text)} " for text in settings.normal_phrases]

    def votes(self, caption: str, labels: Sequence[str]) -> tuple[Vote, ...]:
        """Return what one row says; its labels where it has some, else its caption.

        Args:
            caption: A cleaned caption.
            labels: Concepts of the source.

        Raises:
            DataError: If a label is no concept of the graph (MV2135).
        """
        if labels:
            return tuple(Vote(self._concept(label), 1.0) for label in labels)
        if caption not in self._known:
            self._known[caption] = self._caption_votes(caption)
        return self._known[caption]

    def _concept(self, label: str) -> str:
        lower = label.lower()
        if lower in {NORMAL, UNKNOWN}:
            return lower
        if self._graph is None:
            return label
        if label not in self._graph:
            raise DataError(
                "MV2135",
                f"label {label!r} is no concept of the knowledge graph",
                expected="ids of the graph such as DOID:3910, normal or unknown",
                hint="correct the label, or build the graph from the release it belongs to",
            )
        return self._graph[label].id

    def _caption_votes(self, caption: str) -> tuple[Vote, ...]:
        best: dict[str, Vote] = {}
        for mention in self._linker.link(caption).mentions if self._linker else ():
            if mention.status != "present" or mention.confidence < self._settings.min_confidence:
                continue
            vote = Vote(mention.concept_id, float(mention.confidence), mention.text)
            known = best.get(vote.concept)
            if known is None or vote.confidence > known.confidence:
                best[vote.concept] = vote
        if best:
            return tuple(best.values())
        padded = f" {normalize_caption(caption)} "
        return (Vote(NORMAL, 1.0),) if any(text in padded for text in self._normal) else ()


def decide_label(
    votes: Iterable[Vote],
    graph: KnowledgeGraph | None,
    rule: Literal["majority", "ancestor", "keep", "refuse"],
) -> GroupLabel:
    """Bring the votes of a group's members to its label.

    Args:
        votes: What all members say, in any order.
        graph: Says which concept lies above which; None where none is known.
        rule: What becomes of several labels; see ``GroupLabels.conflict``.
    """
    voices: dict[str, list[float]] = {}
    texts: dict[str, str] = {}
    for vote in votes:
        if vote.concept != UNKNOWN:
            voices.setdefault(vote.concept, []).append(vote.confidence)
            if vote.text:
                texts[vote.concept] = min(vote.text, texts.get(vote.concept, vote.text))
    total = {concept: round(math.fsum(voices[concept]), 9) for concept in sorted(voices)}
    if not total:
        return GroupLabel(concepts=(UNKNOWN,), outcome="unknown", votes={})
    left = _without_ancestors(total, graph)
    if len(left) == 1:
        outcome: Outcome = "given" if len(total) == 1 else "lineage"
        concepts = tuple(left)
        return GroupLabel(
            concepts=concepts,
            outcome="normal" if concepts == (NORMAL,) else outcome,
            votes=total,
            texts=texts,
        )
    concepts, outcome = _settle(left, graph, rule)
    return GroupLabel(concepts=concepts, outcome=outcome, votes=total, texts=texts)


def _settle(
    left: Mapping[str, float], graph: KnowledgeGraph | None, rule: str
) -> tuple[tuple[str, ...], Outcome]:
    if rule == "refuse":
        return (), "refused"
    if rule == "keep":
        return tuple(left), "kept"
    if rule == "ancestor":
        return (_common_ancestor(tuple(left), graph),), "ancestor"
    return (min(left, key=lambda concept: (-left[concept], concept)),), "majority"


def _without_ancestors(
    total: Mapping[str, float], graph: KnowledgeGraph | None
) -> dict[str, float]:
    above = {concept: _ancestors(concept, graph) for concept in total}
    kept = {
        concept: round(value + math.fsum(total[a] for a in sorted(above[concept] & set(total))), 9)
        for concept, value in total.items()
    }
    covered = set().union(*above.values())
    return {concept: value for concept, value in kept.items() if concept not in covered}


def _common_ancestor(concepts: Sequence[str], graph: KnowledgeGraph | None) -> str:
    """Return the lowest concept above all that says something, else ``unknown``."""
    if graph is None or any(concept not in graph for concept in concepts):
        return UNKNOWN
    lowest = lowest_common_ancestors(graph, *concepts)
    return min((concept for concept in lowest if concept not in EXCLUDED_UPPER), default=UNKNOWN)


def _ancestors(concept: str, graph: KnowledgeGraph | None) -> frozenset[str]:
    return graph.ancestors(concept) if graph is not None and concept in graph else frozenset()
