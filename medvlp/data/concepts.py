"""Concepts of pairs as numbers, and which of a batch's concepts are related."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from medvlp.data.ignore import ConceptRelation, IgnoreTable
from medvlp.errors import DataError
from medvlp.knowledge.concept_names import NORMAL, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from medvlp.data.pairs import PairRow
    from medvlp.knowledge.graph import KnowledgeGraph

__all__ = [
    "ConceptNumbers",
    "Related",
    "check_group_labels",
    "number_concepts",
    "number_graph_concepts",
]

Related = Literal["none", "concepts", "concepts_and_normal"]
_SHOWN = 3


@dataclass(frozen=True)
class ConceptNumbers:
    """Concepts as numbers.

    Attributes:
        number: Concept to its number; -1 for a label that stands for none.
        relation: Which of them are related, in the same numbers; None where nothing is.
    """

    number: Mapping[str, int]
    relation: ConceptRelation | None = None

    def of(self, concept_ids: Iterable[str]) -> tuple[int, ...]:
        """Return the numbers of a pair's concepts, ascending, without those that stand for none."""
        numbers = {self.number.get(concept, -1) for concept in concept_ids}
        return tuple(sorted(numbers - {-1}))

    def table(self, sets: Sequence[tuple[int, ...]]) -> IgnoreTable:
        """Build the table of related pairs of a batch.

        Args:
            sets: Numbers of each pair's concepts, as :meth:`of` gives them; an empty set is never
                ignored. Pairs are related where any concept of one is related to any of the other.

        Raises:
            ValueError: If there is no relation.
        """
        if self.relation is None:
            msg = "there is no relation among these concepts"
            raise ValueError(msg)
        distinct = sorted(set(sets) - {()})
        place = {entry: row for row, entry in enumerate(distinct)}
        starts = np.cumsum([0, *map(len, distinct)], dtype=np.int64)
        entries = np.array([number for entry in distinct for number in entry], dtype=np.int64)
        rows = np.array([place.get(entry, -1) for entry in sets], dtype=np.int64)
        return self.relation.table_of_sets(rows, starts, entries)


def number_concepts(rows: Iterable[PairRow]) -> ConceptNumbers:
    """Number the concepts that stand in a manifest, in the order of their names.

    Args:
        rows: The pairs.
    """
    concepts = sorted({c for row in rows for c in row.concept_ids} - {NORMAL, UNKNOWN})
    return ConceptNumbers({concept: number for number, concept in enumerate(concepts)})


def number_graph_concepts(
    graph: KnowledgeGraph, rows: Iterable[PairRow], related: Related
) -> ConceptNumbers:
    """Number concepts as the knowledge graph does, and relate each with those above and below it.

    Args:
        graph: The graph.
        rows: The pairs; alternative ids are understood, ``unknown`` is no label.
        related: Whether ``concepts`` above and below each other, and equal ones, are related;
            ``concepts_and_normal``: pairs labelled ``normal`` are related with each other too.

    Raises:
        DataError: If a concept is not in the graph (MV1775); such are counted and named.
    """
    counts = Counter(concept for row in rows for concept in row.concept_ids)
    labels = {NORMAL, UNKNOWN}
    missing = {c: n for c, n in counts.items() if c not in graph and c not in labels}
    if missing:
        named = ", ".join(f"{c} ({n} pairs)" for c, n in sorted(missing.items())[:_SHOWN])
        raise DataError(
            "MV1775",
            f"{len(missing)} concepts are not in the knowledge graph, such as {named}",
            expected=f"concepts among the {len(graph)} of the graph, 'normal' or 'unknown'",
            hint="build the graph from the release that the pairs were linked with",
        )
    number = {concept: graph.index(concept) for concept in counts if concept in graph}
    if related == "none":
        return ConceptNumbers(number)
    starts, parents = graph.parent_lists()
    if related == "concepts_and_normal":
        number[NORMAL] = len(graph)
        starts = np.append(starts, starts[-1])
    return ConceptNumbers(number, ConceptRelation.from_parents(starts, parents))


def check_group_labels(rows: Iterable[PairRow]) -> None:
    """Refuse groups whose members do not all have the same concepts.

    Args:
        rows: The pairs.

    Raises:
        DataError: Counting such groups and naming the first ones with their concepts (MV1776).
    """
    labels: dict[int, set[tuple[str, ...]]] = {}
    for row in rows:
        labels.setdefault(row.group_id, set()).add(tuple(sorted(row.concept_ids)))
    mixed = {group: found for group, found in labels.items() if len(found) > 1}
    if mixed:
        named = "; ".join(
            f"group {group}: {', '.join('+'.join(entry) or 'none' for entry in sorted(found))}"
            for group, found in sorted(mixed.items())[:_SHOWN]
        )
        raise DataError(
            "MV1776",
            f"{len(mixed)} of {len(labels)} groups have members with different concepts: {named}",
            expected="one set of concepts in a group",
            hint="give such members a group of their own, or the group the concepts of all",
        )
