"""Concepts become numbers, related ones are told, and groups hold one set of them."""

import numpy as np
import pytest

from medvlp.data.concepts import (
    ConceptNumbers,
    check_group_labels,
    number_concepts,
    number_graph_concepts,
)
from medvlp.data.pairs import PairRow
from medvlp.data.shards import Place
from medvlp.errors import DataError
from medvlp.knowledge.graph import KnowledgeGraph, Term


@pytest.fixture(scope="module")
def graph() -> KnowledgeGraph:
    """X:1 above X:2 above X:3; X:4 on its own."""
    return KnowledgeGraph(
        [
            Term("X:1", "cancer"),
            Term("X:2", "lung cancer", parents=("X:1",), alternative_ids=("X:20",)),
            Term("X:3", "lung adenocarcinoma", parents=("X:2",)),
            Term("X:4", "fracture"),
        ]
    )


def row(number: int, *concepts: str, group: int = 0) -> PairRow:
    return PairRow(
        sample_id=f"tile_{number}",
        place=Place("000000.tar", 0, 1),
        captions=("a caption",),
        group_id=group,
        concept_ids=concepts,
    )


def related(numbers: ConceptNumbers, sets: list[tuple[int, ...]]) -> list[list[int]]:
    """Return which pairs of a batch are related, as a matrix."""
    table = numbers.table(sets)
    bits = np.unpackbits(table.related, axis=1, bitorder="little")
    places = table.index
    return [
        [int(i >= 0 and j >= 0 and bits[i, j]) for j in places.tolist()] for i in places.tolist()
    ]


def test_number_concepts__counts_those_of_the_pairs_without_labels_that_are_none():
    numbers = number_concepts([row(0, "b", "a"), row(1, "normal"), row(2, "unknown", "c")])
    assert dict(numbers.number) == {"a": 0, "b": 1, "c": 2}
    assert numbers.of(("c", "normal", "a")) == (0, 2)
    with pytest.raises(ValueError, match="no relation"):
        numbers.table([(0,)])


def test_number_graph_concepts__relates_ancestors_and_equals_and_understands_old_ids(graph):
    rows = [row(0, "X:3"), row(1, "X:20"), row(2, "X:4"), row(3, "normal"), row(4, "normal")]
    numbers = number_graph_concepts(graph, rows, "concepts")
    sets = [numbers.of(r.concept_ids) for r in rows]
    assert sets == [(2,), (1,), (3,), (), ()]
    assert related(numbers, sets) == [
        [1, 1, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0],
    ]


def test_number_graph_concepts__can_relate_normal_tissue_with_itself_or_nothing(graph):
    rows = [row(0, "X:1"), row(1, "normal"), row(2, "normal"), row(3, "unknown")]
    numbers = number_graph_concepts(graph, rows, "concepts_and_normal")
    assert related(numbers, [numbers.of(r.concept_ids) for r in rows]) == [
        [1, 0, 0, 0],
        [0, 1, 1, 0],
        [0, 1, 1, 0],
        [0, 0, 0, 0],
    ]
    assert number_graph_concepts(graph, rows, "none").relation is None


def test_table__relates_sets_of_which_any_two_concepts_are(graph):
    rows = [row(0, "X:3", "X:4"), row(1, "X:1"), row(2, "X:4")]
    numbers = number_graph_concepts(graph, rows, "concepts")
    sets = [numbers.of(r.concept_ids) for r in rows]
    assert sets == [(2, 3), (0,), (3,)]
    assert related(numbers, sets) == [[1, 1, 1], [1, 1, 0], [1, 0, 1]]


def test_number_graph_concepts__counts_and_names_what_the_graph_does_not_have(graph):
    rows = [row(0, "X:3"), row(1, "Y:1"), row(2, "Y:1"), row(3, "Y:2")]
    with pytest.raises(DataError, match=r"2 concepts .* such as Y:1 \(2 pairs\), Y:2 \(1 pairs\)"):
        number_graph_concepts(graph, rows, "concepts")


def test_check_group_labels__names_groups_whose_members_differ():
    same = [row(0, "a", "b", group=1), row(1, "b", "a", group=1), row(2, "c", group=2)]
    check_group_labels(same)
    with pytest.raises(DataError, match=r"1 of 2 groups .* group 2: none, c") as caught:
        check_group_labels([*same, row(3, group=2)])
    assert caught.value.code == "MV1776"
