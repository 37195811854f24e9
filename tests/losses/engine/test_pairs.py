import pytest
import torch

from medvlp.losses.engine.pairs import join_relation
from medvlp.losses.relations import PairRelation, pack_related

CPU = torch.device("cpu")


def test_join_relation__without_ids_pairs_row_with_row():
    pairs = join_relation(PairRelation(), [3], [3], CPU)
    dense_x, dense_y, count = pairs.dense_groups()
    assert dense_x.tolist() == dense_y.tolist() == [0, 1, 2]
    assert count == 3
    assert [part.tolist() for part in pairs.num_positives()] == [[1, 1, 1], [1, 1, 1]]
    assert pairs.weight_x.tolist() == [1, 1, 1]
    assert pairs.weight_x.dtype == torch.float64


def test_join_relation__uses_ids_of_x_for_y_unless_given():
    relation = PairRelation(group=torch.tensor([9, -4, 9]))
    pairs = join_relation(relation, [3], [3], CPU)
    assert [part.tolist() for part in pairs.num_positives()] == [[2, 1, 2], [2, 1, 2]]
    relation = PairRelation(group=torch.tensor([9, -4, 9]), group_y=torch.tensor([9]))
    pairs = join_relation(relation, [3], [1], CPU)
    assert [part.tolist() for part in pairs.num_positives()] == [[1, 0, 1], [2]]


def test_join_relation__numbers_arbitrary_concepts_and_keeps_none():
    relation = PairRelation(concept=torch.tensor([10**18, -1, -(10**18)]), ignore_same_concept=True)
    pairs = join_relation(relation, [3], [3], CPU)
    assert pairs.concept_x.tolist() == pairs.concept_y.tolist() == [2, -1, 0]
    assert pairs.num_concepts == 3


def test_joined_pairs__swapped_exchanges_roles_and_table():
    table = torch.tensor([[False, True], [False, False]])
    relation = PairRelation(
        group=torch.tensor([0, 1]),
        group_y=torch.tensor([1]),
        concept=torch.tensor([0, 1]),
        concept_y=torch.tensor([1]),
        related=pack_related(table),
        weight=torch.tensor([2.0, 3.0]),
        weight_y=torch.tensor([4.0]),
    )
    pairs = join_relation(relation, [2], [1], CPU).swapped()
    assert (pairs.counts_x, pairs.counts_y) == ([1], [2])
    assert (pairs.group_x.tolist(), pairs.group_y.tolist()) == ([1], [0, 1])
    assert (pairs.concept_x.tolist(), pairs.concept_y.tolist()) == ([1], [0, 1])
    assert (pairs.weight_x.tolist(), pairs.weight_y.tolist()) == ([4.0], [2.0, 3.0])
    assert torch.equal(pairs.related, pack_related(table.T))


@pytest.mark.parametrize("num_rows", [1, 4])
def test_joined_pairs__knows_its_place_without_a_process_group(num_rows):
    pairs = join_relation(PairRelation(), [num_rows], [num_rows], CPU)
    assert (pairs.offset_x, pairs.num_local_x, pairs.num_x) == (0, num_rows, num_rows)
