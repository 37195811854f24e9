import math

import pytest
import torch
from torch.nn.functional import normalize

from medvlp.errors import LossError
from medvlp.losses.metric import adasp_loss, adasp_terms
from medvlp.losses.relations import PairRelation

ONE = torch.tensor(1.0, dtype=torch.float64)
AXES = torch.eye(2, dtype=torch.float64)


def softplus(x):
    return math.log1p(math.exp(x))


def test_adasp_loss__of_single_members_by_hand():
    # Positives are the self-similarity: H = L = 1, N = 0, alpha = 2 * 1 * 1 / 2 = 1.
    relation = PairRelation(group=torch.tensor([0, 1]))
    for variant in ("sp-h", "sp-lh", "adasp"):
        actual = adasp_loss(3 * AXES, ONE, relation, variant=variant).total
        assert actual.item() == pytest.approx(softplus(-1.0), rel=1e-14)


def test_adasp_terms__of_two_members_by_hand():
    # One group of e1 and e2: s = [[1, 0], [0, 1]]; H: -log(2/e + 2), L: log 2 - log(1 + 1/e).
    # Scale 1: h < 0, so alpha = 0. No other group: no negatives.
    found = adasp_terms(AXES, ONE, PairRelation(group=torch.tensor([7, 7])))
    assert found.hardest.item() == pytest.approx(-math.log(2 / math.e + 2), rel=1e-14)
    assert found.least_hard.item() == pytest.approx(
        math.log(2) - math.log(1 + 1 / math.e), rel=1e-14
    )
    assert found.alpha.item() == 0
    assert found.negatives.item() == -math.inf
    assert adasp_loss(AXES, ONE, PairRelation(group=torch.tensor([7, 7]))).total.item() == 0


def test_adasp_loss__holds_alpha_constant_in_the_gradient():
    generator = torch.Generator().manual_seed(0)
    centre = normalize(torch.randn(3, 5, generator=generator, dtype=torch.float64))
    noise = torch.randn(9, 5, generator=generator, dtype=torch.float64)
    features = (centre.repeat(3, 1) + 0.2 * noise).requires_grad_()
    relation = PairRelation(group=torch.arange(9) % 3)
    terms = adasp_terms(features, 20 * ONE, relation)
    assert (terms.alpha > 0).all()
    positive = terms.alpha * terms.hardest + (1 - terms.alpha) * terms.least_hard
    expected = torch.nn.functional.softplus(terms.negatives - positive).mean()
    actual = adasp_loss(features, 20 * ONE, relation).total
    assert actual.item() == pytest.approx(expected.item(), rel=1e-13)
    have, want = (torch.autograd.grad(loss, features)[0] for loss in (actual, expected))
    torch.testing.assert_close(have, want, rtol=1e-10, atol=1e-13)


def test_adasp_loss__refuses_a_relation_without_groups_or_with_two_sets():
    for relation in (
        PairRelation(),
        PairRelation(group=torch.tensor([0, 1]), group_y=torch.tensor([0, 1])),
    ):
        with pytest.raises(LossError, match="MV1803: AdaSP needs one set of group ids"):
            adasp_loss(AXES, ONE, relation)
