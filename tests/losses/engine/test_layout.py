import torch

from medvlp.losses.engine.layout import build_layout
from medvlp.losses.engine.pairs import join_relation
from medvlp.losses.relations import PairRelation, pack_related

CPU = torch.device("cpu")


def layout_of(relation, num_x, num_y=None):
    num_y = num_x if num_y is None else num_y
    pairs = join_relation(relation, [num_x], [num_y], CPU)
    return build_layout(pairs), pairs


def test_build_layout__without_ids_keeps_the_order():
    layout, _ = layout_of(PairRelation(), 5)
    assert layout.order_x is None
    assert layout.order_y is None
    assert layout.rank_x.tolist() == layout.rank_y.tolist() == [0, 1, 2, 3, 4]
    bounds_x, bounds_y = layout.bounds(2, 3)
    assert [block.ranks for block in bounds_x] == [(0, 1), (2, 3), (4, 4)]
    assert [block.ranks for block in bounds_y] == [(0, 2), (3, 4)]


def test_build_layout__brings_members_of_a_group_together():
    group, group_y = torch.tensor([5, 1, 5, 3]), torch.tensor([3, 5, 1])
    layout, pairs = layout_of(PairRelation(group=group, group_y=group_y), 4, 3)
    assert layout.order_x.tolist() == [1, 3, 0, 2]
    assert layout.order_y.tolist() == [2, 0, 1]
    assert layout.rank_x.tolist() == [0, 1, 2, 2]
    assert layout.rank_y.tolist() == [0, 1, 2]
    assert layout.sort_x(group.double(), pairs).tolist() == [1, 3, 5, 5]
    assert layout.sort_y(group_y.double()).tolist() == [1, 3, 5]


def test_build_layout__brings_groups_of_a_concept_together():
    # Groups 0 to 3 with concepts 2, 0, 2, 0: order 1, 3, 0, 2.
    relation = PairRelation(
        concept=torch.tensor([2, 0, 2, 0]), related=pack_related(torch.eye(3) > 0)
    )
    layout, _ = layout_of(relation, 4)
    assert layout.order_x.tolist() == [1, 3, 0, 2]
    assert layout.rank_x.tolist() == [0, 1, 2, 3]
    assert layout.concept_x.tolist() == [0, 0, 2, 2]
    assert [block.concepts for block in layout.bounds(2, 4)[0]] == [(0, 0), (2, 2)]


def test_build_layout__keeps_a_group_together_whatever_its_concepts():
    relation = PairRelation(
        group=torch.tensor([7, 8, 7, 8]),
        concept=torch.tensor([1, 0, 0, 1]),
        related=pack_related(torch.eye(2) > 0),
    )
    layout, _ = layout_of(relation, 4)
    assert layout.rank_x.tolist() == [0, 0, 1, 1]
    assert layout.order_x.tolist() == [2, 0, 1, 3]
