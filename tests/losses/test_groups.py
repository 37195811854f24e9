import math

import pytest
import torch

from medvlp.errors import LossError
from medvlp.losses.groups import semantic_group_loss
from medvlp.losses.relations import PairRelation, pack_related

ONE = torch.tensor(1.0, dtype=torch.float64)
AXES = torch.eye(2, dtype=torch.float64)
VARIANTS = ("lhp-hn", "hp-hn", "hp-lhn", "lhp-lhn")


def softplus(x):
    return math.log1p(math.exp(x))


@pytest.mark.parametrize("variant", VARIANTS)
def test_semantic_group_loss__of_single_members_by_hand(variant):
    # Two groups of one image and one text: P = z_gg = 1, N = z_gh = 0 in every variant.
    relation = PairRelation(group=torch.tensor([3, 4]))
    actual = semantic_group_loss(AXES, 5 * AXES, ONE, relation, variant=variant).total
    assert actual.item() == pytest.approx(softplus(-1.0), rel=1e-14)


def test_semantic_group_loss__of_two_by_two_members_by_hand():
    # Images and texts e1, e2 | -e1, -e1. Group 0 rows: (1, 0), (0, 1) inside, (-1, -1), (0, 0) out.
    # -LSE(-z) per row: -log(e^-1 + 1); log P = log 2 - log(1 + 1/e).
    # log N = log(2/e + 2). Group 1: inside all 1: -log(2/e) per row, log P = log 2 - log(2/e) = 1;
    # outside (-1, 0) per row: log N = log(2/e + 2). Columns are the same by symmetry.
    side = torch.cat([AXES, -AXES[:1], -AXES[:1]])
    relation = PairRelation(group=torch.tensor([0, 0, 1, 1]))
    negative = math.log(2 / math.e + 2)
    first = math.log(2) - math.log(1 + 1 / math.e)
    expected = (softplus(negative - first) + softplus(negative - 1.0)) / 2
    actual = semantic_group_loss(side, side, ONE, relation).total
    assert actual.item() == pytest.approx(expected, rel=1e-14)
    # hp: one LSE over the whole block, log P = -log(2 + 2/e) and -log(4/e)
    hardest = (-math.log(2 + 2 / math.e), -math.log(4 / math.e))
    expected = sum(softplus(negative - positive) for positive in hardest) / 2
    actual = semantic_group_loss(side, side, ONE, relation, variant="hp-hn").total
    assert actual.item() == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("variant", VARIANTS)
def test_semantic_group_loss__removes_or_replaces_false_negatives_by_hand(variant):
    related = pack_related(torch.tensor([[False, True], [True, False]]))
    relation = PairRelation(
        group=torch.tensor([0, 1]), concept=torch.tensor([0, 1]), related=related
    )
    removed = semantic_group_loss(AXES, AXES, ONE, relation, variant=variant).total
    assert removed.item() == 0  # no negative is left
    replaced = semantic_group_loss(
        AXES, AXES, ONE, relation, variant=variant, ignored="replace"
    ).total
    assert replaced.item() == pytest.approx(softplus(-1.0 - 1.0), rel=1e-14)


def test_semantic_group_loss__has_the_gradient_of_replaced_pairs_by_the_scale():
    # softplus(-s - s): derivative -2 sigmoid(-2 s)
    related = pack_related(torch.tensor([[False, True], [True, False]]))
    relation = PairRelation(
        group=torch.tensor([0, 1]), concept=torch.tensor([0, 1]), related=related
    )
    scale = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    semantic_group_loss(AXES, AXES, scale, relation, ignored="replace").total.backward()
    expected = -2 / (1 + math.exp(2 * 1.5))
    assert scale.grad.item() == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("variant", VARIANTS)
def test_semantic_group_loss__skips_and_counts_groups_without_a_text(variant):
    image = torch.cat([AXES, -AXES[:1]]).requires_grad_()
    relation = PairRelation(group=torch.tensor([0, 1, 2]), group_y=torch.tensor([0, 1]))
    report = semantic_group_loss(image, AXES, ONE, relation, variant=variant, no_positive="skip")
    report.total.backward()
    assert report.terms["without_positive"].item() == 1
    assert torch.isfinite(image.grad).all()
    # images of whole groups: softplus(-1); texts meet one more negative, -1 for text 0, 0 for 1
    by_text = [math.log(1 + math.exp(-1)) - 1, math.log(1 + 1) - 1]
    expected = (softplus(-1.0) + sum(softplus(gap) for gap in by_text) / 2) / 2
    assert report.total.item() == pytest.approx(expected, rel=1e-13)
    with pytest.raises(LossError, match="MV1855: 1 of 3 rows of x and 0 of 2 rows of y"):
        semantic_group_loss(image, AXES, ONE, relation, variant=variant)


def test_semantic_group_loss__weighs_groups_by_their_members_mean():
    side = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]], dtype=torch.float64)
    group = torch.tensor([0, 1, 2])
    parts = []
    for chosen in range(3):
        weight = torch.zeros(3).index_fill(0, torch.tensor(chosen), 1.0)
        relation = PairRelation(group=group, weight=weight)
        parts.append(semantic_group_loss(side, side, ONE, relation).total.item())
    relation = PairRelation(group=group, weight=torch.tensor([1.0, 2.0, 5.0]))
    actual = semantic_group_loss(side, side, ONE, relation).total
    expected = (parts[0] + 2 * parts[1] + 5 * parts[2]) / 8
    assert actual.item() == pytest.approx(expected, rel=1e-14)


def test_semantic_group_loss__refuses_a_relation_without_groups():
    with pytest.raises(LossError, match="MV1803: the group loss needs group ids"):
        semantic_group_loss(AXES, AXES, ONE, PairRelation())
