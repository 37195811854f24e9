import math

import pytest
import torch
from torch.nn.functional import normalize

from medvlp.errors import LossError
from medvlp.losses.relations import PairRelation, pack_related
from medvlp.losses.sigmoid import sigmoid_loss

ONE = torch.tensor(1.0, dtype=torch.float64)
ZERO = torch.tensor(0.0, dtype=torch.float64)
AXES = torch.eye(2, dtype=torch.float64)


def softplus(x):
    return math.log1p(math.exp(x))


def test_sigmoid_loss__of_two_orthogonal_pairs_by_hand():
    # z = [[3, 1], [1, 3]] with scale 2 and bias 1: two positives at 3, two negatives at 1, B = 2.
    expected = (2 * softplus(-3.0) + 2 * softplus(1.0)) / 2
    actual = sigmoid_loss(AXES, AXES, 2 * ONE, ONE).total
    assert actual.item() == pytest.approx(expected, rel=1e-15)


def test_sigmoid_loss__divided_by_pairs_leaves_out_the_ignored_by_hand():
    # Row 0 may not be compared with column 1: three pairs remain, z = [[1, 0], [0, 1]].
    related = pack_related(torch.tensor([[False, True], [False, False]]))
    relation = PairRelation(concept=torch.tensor([0, 1]), related=related)
    expected = (2 * softplus(-1.0) + softplus(0.0)) / 3
    actual = sigmoid_loss(AXES, AXES, ONE, ZERO, relation, divide_by="pairs").total
    assert actual.item() == pytest.approx(expected, rel=1e-15)


def test_sigmoid_loss__weighs_rows_and_columns_by_hand():
    # z = [[1, 0], [0, 1]]; rows weigh (1, 0), columns (1, 0): half of row 0 and half of column 0.
    relation = PairRelation(weight=torch.tensor([1.0, 0.0]))
    expected = softplus(-1.0) + softplus(0.0)
    actual = sigmoid_loss(AXES, AXES, ONE, ZERO, relation).total
    assert actual.item() == pytest.approx(expected, rel=1e-15)


def test_sigmoid_loss__equals_open_clip():
    from open_clip.loss import SigLipLoss

    generator = torch.Generator().manual_seed(0)
    drawn = [torch.randn(17, 8, generator=generator, dtype=torch.float64) for _ in range(2)]
    leaves = [*(normalize(x) for x in drawn), 10 * ONE, -10 * ONE]
    leaves = [x.requires_grad_() for x in leaves]
    expected = SigLipLoss()(*leaves)
    actual = sigmoid_loss(*leaves).total
    assert actual.item() == pytest.approx(expected.item(), rel=1e-13)
    expected_grads = torch.autograd.grad(expected, leaves)
    for have, want in zip(torch.autograd.grad(actual, leaves), expected_grads, strict=True):
        torch.testing.assert_close(have, want, rtol=1e-11, atol=1e-13)


def test_sigmoid_loss__scales_with_the_gradient_it_is_given():
    leaves = [AXES.clone(), AXES.clone(), ONE.clone(), ZERO.clone()]
    leaves = [x.requires_grad_() for x in leaves]
    loss = sigmoid_loss(*leaves).total
    expected = torch.autograd.grad(loss, leaves, retain_graph=True)
    actual = torch.autograd.grad(3 * loss, leaves)
    for have, want in zip(actual, expected, strict=True):
        torch.testing.assert_close(have, 3 * want, rtol=1e-14, atol=0)


def test_sigmoid_loss__is_symmetric_under_swap():
    text = torch.tensor([[1.0, 0.0], [0.6, 0.8]], dtype=torch.float64)
    expected = sigmoid_loss(AXES, text, 5 * ONE, -ONE).total
    actual = sigmoid_loss(text, AXES, 5 * ONE, -ONE).total
    assert actual.item() == pytest.approx(expected.item(), rel=1e-14)


def test_sigmoid_loss__counts_or_refuses_rows_without_a_positive():
    relation = PairRelation(group=torch.tensor([0, 1]), group_y=torch.tensor([2, 3]))
    report = sigmoid_loss(AXES, AXES, ONE, ZERO, relation)
    assert report.terms["without_positive"].item() == 4
    # all four pairs are negatives: z = [[1, 0], [0, 1]]
    expected = (2 * softplus(1.0) + 2 * softplus(0.0)) / 2
    assert report.total.item() == pytest.approx(expected, rel=1e-15)
    with pytest.raises(LossError, match="MV1855: 2 of 2 rows of x"):
        sigmoid_loss(AXES, AXES, ONE, ZERO, relation, no_positive="refuse")
