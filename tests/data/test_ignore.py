import numpy as np
import pytest

from medvlp.data.ignore import ConceptRelation
from medvlp.errors import DataError

# 0 root; 1, 2 below 0; 3 below 1; 4 below 1 and 2; 5 alone.
PARENTS = [[], [0], [0], [1], [1, 2], []]


def lists(rows):
    starts = np.cumsum([0, *map(len, rows)])
    return starts, np.array([entry for row in rows for entry in row], dtype=np.int64)


def random_parents(num, seed):
    rng = np.random.default_rng(seed)
    return [
        sorted({int(p) for p in rng.integers(0, node, rng.integers(0, 3))}) if node else []
        for node in range(num)
    ]


def ancestors(parents, node):
    found, left = set(), list(parents[node])
    while left:
        parent = left.pop()
        found.add(parent)
        left.extend(parents[parent])
    return found


def is_related(parents, a, b):
    return a in ancestors(parents, b) or b in ancestors(parents, a)


def unpack(table):
    num = len(table.labels)
    return np.unpackbits(table.related, axis=1, count=num, bitorder="little").astype(bool)


def test_concept_relation__relates_ancestors_and_descendants_only():
    relation = ConceptRelation.from_parents(*lists(PARENTS))
    related = [
        relation.indices[a:b].tolist()
        for a, b in zip(relation.indptr[:-1], relation.indptr[1:], strict=True)
    ]
    assert related == [[1, 2, 3, 4], [0, 3, 4], [0, 4], [0, 1], [0, 1, 2], []]
    assert relation.num_concepts == 6


@pytest.mark.parametrize("seed", range(3))
def test_table__equals_a_walk_over_the_graph(seed):
    parents = random_parents(60, seed)
    relation = ConceptRelation.from_parents(*lists(parents))
    concepts = np.random.default_rng(seed).integers(-1, 60, 40)
    table = relation.table(concepts)
    expected = [[a == b or is_related(parents, a, b) for b in table.labels] for a in table.labels]
    assert np.array_equal(unpack(table), expected)
    assert table.labels.tolist() == sorted({c for c in concepts.tolist() if c >= 0})
    places = np.where(concepts < 0, -1, np.searchsorted(table.labels, concepts))
    assert np.array_equal(table.index, places)


def test_table__lays_bits_out_from_the_lowest():
    relation = ConceptRelation.from_parents(*lists(PARENTS))
    table = relation.table(np.array([3, 0, 2, 3, -1]))
    # Labels 0, 2, 3: 0 is related to all, 2 and 3 are not related.
    assert table.labels.tolist() == [0, 2, 3]
    assert table.related.tolist() == [[0b111], [0b011], [0b101]]
    assert table.index.tolist() == [2, 0, 1, 2, -1]


def test_table__leaves_the_diagonal_out_when_asked():
    relation = ConceptRelation.from_parents(*lists(PARENTS))
    table = relation.table(np.array([3, 0, 2]), with_self=False)
    assert table.related.tolist() == [[0b110], [0b001], [0b001]]


def test_table__of_a_batch_without_labels_is_empty():
    table = ConceptRelation.from_parents(*lists(PARENTS)).table(np.array([-1, -1]))
    assert table.related.shape == (0, 0)
    assert table.index.tolist() == [-1, -1]


@pytest.mark.parametrize("with_self", [True, False])
def test_table_of_sets__relates_sets_with_related_members(with_self):
    parents = random_parents(50, 5)
    relation = ConceptRelation.from_parents(*lists(parents))
    rng = np.random.default_rng(6)
    sets = [sorted(set(rng.integers(0, 50, rng.integers(0, 4)).tolist())) for _ in range(30)]
    table = relation.table_of_sets(rng.integers(-1, 30, 40), *lists(sets), with_self=with_self)
    expected = [
        [
            any(
                (a == b and with_self) or is_related(parents, a, b)
                for a in sets[s]
                for b in sets[t]
            )
            for t in table.labels
        ]
        for s in table.labels
    ]
    assert np.array_equal(unpack(table), expected)


def test_table_of_sets__of_single_concepts_equals_the_table():
    relation = ConceptRelation.from_parents(*lists(PARENTS))
    concepts = np.array([3, 0, 5, 3, -1])
    expected = relation.table(concepts)
    actual = relation.table_of_sets(concepts, np.arange(7), np.arange(6))
    assert np.array_equal(actual.labels, expected.labels)
    assert np.array_equal(actual.related, expected.related)
    assert np.array_equal(actual.index, expected.index)


def test_concept_relation__takes_given_pairs_both_ways():
    relation = ConceptRelation.from_pairs(3, np.array([2, 1]), np.array([0, 1]))
    assert relation.indptr.tolist() == [0, 1, 1, 2]
    assert relation.indices.tolist() == [2, 0]


def test_concept_relation__refuses_a_circle():
    with pytest.raises(DataError, match=r"MV1761: concepts \[0, 1\] are their own ancestors"):
        ConceptRelation.from_parents(*lists([[1], [0], [1]]))


@pytest.mark.parametrize(
    ("indptr", "indices"), [([0, 1], [1]), ([0, 2], [0]), ([0, 1, 0], [0]), ([1, 1], [])]
)
def test_concept_relation__refuses_malformed_lists(indptr, indices):
    with pytest.raises(DataError, match="MV1760: parent lists of"):
        ConceptRelation.from_parents(np.array(indptr), np.array(indices))


@pytest.mark.parametrize("concept", [-2, 6])
def test_table__refuses_a_concept_that_is_not_in_the_graph(concept):
    relation = ConceptRelation.from_parents(*lists(PARENTS))
    with pytest.raises(DataError, match="MV1762: concepts of the batch reach from"):
        relation.table(np.array([0, concept]))
