import math

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from medvlp.errors import LossError
from medvlp.losses.contrastive import info_nce_loss, soft_target_loss
from medvlp.losses.engine.settings import EngineSettings
from medvlp.losses.relations import PairRelation, pack_related

ONE = torch.tensor(1.0, dtype=torch.float64)
AXES = torch.eye(2, dtype=torch.float64)


def softplus(x):
    return math.log1p(math.exp(x))


def random_pair(num_rows, seed=0, noise=1.0):
    generator = torch.Generator().manual_seed(seed)
    image = normalize(torch.randn(num_rows, 16, generator=generator, dtype=torch.float64))
    text = image + noise * normalize(
        torch.randn(num_rows, 16, generator=generator, dtype=torch.float64)
    )
    return image, normalize(text)


def test_info_nce_loss__of_two_orthogonal_pairs_by_hand():
    # z = [[1, 0], [0, 1]]: every anchor has log(e^1 + e^0) - 1 = log(1 + e^-1).
    report = info_nce_loss(AXES, AXES, ONE)
    assert report.total.item() == pytest.approx(softplus(-1.0), rel=1e-15)
    assert report.terms["image_to_text"].item() == pytest.approx(softplus(-1.0), rel=1e-15)
    assert report.terms["without_positive"].item() == 0


def test_info_nce_loss__of_two_positives_by_hand():
    # One group of two: no negatives, z = [[1, 0], [0, 1]].
    # outside: log(e + 1) - (1 + 0)/2; inside: log(e + 1) - log(e + 1) = 0; decoupled: 0.
    relation = PairRelation(group=torch.tensor([5, 5]))
    expected = {"outside": math.log(math.e + 1) - 0.5, "inside": 0.0, "decoupled": 0.0}
    for positives, value in expected.items():
        actual = info_nce_loss(AXES, AXES, ONE, relation, positives=positives).total
        assert actual.item() == pytest.approx(value, rel=1e-15, abs=1e-15)


def test_info_nce_loss__leaves_out_ignored_pairs_by_hand():
    # Concept 0 is related to concept 1 and back: no negative is left, the loss is log(e) - 1 = 0.
    related = pack_related(torch.tensor([[False, True], [True, False]]))
    relation = PairRelation(concept=torch.tensor([0, 1]), related=related)
    assert info_nce_loss(AXES, AXES, ONE, relation).total.item() == 0


def test_info_nce_loss__weighs_anchors_by_hand():
    # Texts (1, 0) and (0.6, 0.8); z = [[1, 0.6], [0, 0.8]]; rows weigh 3 and 1, columns 1 and 0.
    text = torch.tensor([[1.0, 0.0], [0.6, 0.8]], dtype=torch.float64)
    relation = PairRelation(weight=torch.tensor([3.0, 1.0]), weight_y=torch.tensor([1.0, 0.0]))
    rows = (3 * softplus(0.6 - 1) + softplus(0 - 0.8)) / 4
    columns = softplus(0 - 1)
    actual = info_nce_loss(AXES, text, ONE, relation).total
    assert actual.item() == pytest.approx((rows + columns) / 2, rel=1e-15)


def test_info_nce_loss__equals_open_clip():
    from open_clip.loss import ClipLoss

    image, text = random_pair(33)
    leaves = [image.requires_grad_(), text.requires_grad_(), torch.tensor(30.0).double()]
    leaves[2].requires_grad_()
    expected = ClipLoss()(*leaves)
    actual = info_nce_loss(*leaves).total
    assert actual.item() == pytest.approx(expected.item(), rel=1e-12)
    expected_grads = torch.autograd.grad(expected, leaves)
    for have, want in zip(torch.autograd.grad(actual, leaves), expected_grads, strict=True):
        torch.testing.assert_close(have, want, rtol=1e-10, atol=1e-13)


def test_info_nce_loss__is_symmetric_under_swap():
    image, text = random_pair(9)
    expected = info_nce_loss(image, text, 20 * ONE).total
    actual = info_nce_loss(text, image, 20 * ONE).total
    assert actual.item() == pytest.approx(expected.item(), rel=1e-13)


@pytest.mark.parametrize("positives", ["outside", "inside", "decoupled"])
def test_info_nce_loss__of_single_member_groups_is_clip(positives):
    image, text = random_pair(9)
    expected = info_nce_loss(image, text, 20 * ONE).total
    relation = PairRelation(group=torch.arange(9).flip(0) * 7 - 3)
    actual = info_nce_loss(image, text, 20 * ONE, relation, positives=positives).total
    assert actual.item() == pytest.approx(expected.item(), rel=1e-13)


def test_info_nce_loss__keeps_its_digits_near_zero_in_fp32():
    image, text = random_pair(64, noise=0.3)
    wide = (100 * image @ text.T).double()
    labels = torch.arange(64)
    expected = (cross_entropy(wide, labels) + cross_entropy(wide.T, labels)) / 2
    actual = info_nce_loss(image.float(), text.float(), torch.tensor(100.0)).total
    assert 0 < expected < 1e-9
    assert actual.item() == pytest.approx(expected.item(), rel=1e-3)


def test_info_nce_loss__takes_sets_of_different_size():
    image, text = random_pair(6)
    group, group_y = torch.tensor([0, 1, 2, 0, 1, 2]), torch.tensor([2, 1, 0])
    report = info_nce_loss(image, text[:3], ONE, PairRelation(group=group, group_y=group_y))
    logits = image @ text[:3].T
    own = group[:, None] == group_y
    rows = logits.logsumexp(1) - logits[own]
    columns = logits.logsumexp(0) - torch.where(own, logits, 0.0).sum(0) / 2
    expected = (rows.mean() + columns.mean()) / 2
    assert report.total.item() == pytest.approx(expected.item(), rel=1e-13)


def test_info_nce_loss__skips_and_counts_rows_without_a_positive():
    image, text = random_pair(4)
    relation = PairRelation(group=torch.tensor([0, 1, 2, 3]), group_y=torch.tensor([0, 1, 8, 9]))
    image.requires_grad_()
    report = info_nce_loss(image, text, ONE, relation, no_positive="skip")
    report.total.backward()
    assert report.terms["without_positive"].item() == 4
    logits = (image @ text.T).detach()
    rows = (logits.logsumexp(1) - logits.diagonal())[:2].mean()
    columns = (logits.logsumexp(0) - logits.diagonal())[:2].mean()
    assert report.total.item() == pytest.approx(((rows + columns) / 2).item(), rel=1e-13)
    assert torch.isfinite(image.grad).all()


def test_info_nce_loss__is_zero_where_every_row_is_skipped():
    image, text = random_pair(2)
    image.requires_grad_()
    relation = PairRelation(group=torch.tensor([0, 1]), group_y=torch.tensor([2, 3]))
    for positives in ("outside", "inside", "decoupled"):
        report = info_nce_loss(image, text, ONE, relation, positives=positives, no_positive="skip")
        (grad,) = torch.autograd.grad(report.total, image)
        assert report.total.item() == 0
        assert not grad.any()


def test_info_nce_loss__refuses_rows_without_a_positive():
    relation = PairRelation(group=torch.tensor([0, 1]), group_y=torch.tensor([0, 2]))
    with pytest.raises(LossError, match="MV1855: 1 of 2 rows of x and 1 of 2 rows of y"):
        info_nce_loss(AXES, AXES, ONE, relation)


def test_info_nce_loss__refuses_embeddings_of_other_lengths_unless_told():
    with pytest.raises(LossError, match="MV1801: rows of y are not of unit length"):
        info_nce_loss(AXES, 2 * AXES, ONE)
    actual = info_nce_loss(AXES, 2 * AXES, ONE, unit=False).total
    assert actual.item() == pytest.approx(softplus(-2.0), rel=1e-15)


def test_info_nce_loss__takes_a_scale_of_shape_one():
    scale = torch.tensor([3.0], dtype=torch.float64, requires_grad=True)
    info_nce_loss(AXES, AXES, scale).total.backward()
    assert scale.grad.shape == (1,)


def test_info_nce_loss__gives_frozen_texts_no_gradient():
    image, text = random_pair(5)
    image.requires_grad_()
    info_nce_loss(image, text, ONE, settings=EngineSettings(path="tiled")).total.backward()
    assert image.grad is not None
    assert text.grad is None


def test_info_nce_loss__refuses_a_second_derivative():
    image, text = random_pair(5)
    image.requires_grad_()
    loss = info_nce_loss(image, text, ONE).total
    (grad,) = torch.autograd.grad(loss, image, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad.sum().backward()


def test_soft_target_loss__of_the_identity_is_clip():
    image, text = random_pair(6)
    expected = info_nce_loss(image, text, 9 * ONE).total
    actual = soft_target_loss(image, text, 9 * ONE, torch.eye(6)).total
    assert actual.item() == pytest.approx(expected.item(), rel=1e-13)


def test_soft_target_loss__of_two_pairs_by_hand():
    # z = [[1, 0], [0, 1]], t = [[1, 0.5], [0, 0]], log softmax = -log(1 + e^-1) on the diagonal
    # and 1 less off it: rows 1/2 [c + 0.5 (c + 1)], columns 1/2 [c + 0.5 (c + 1)].
    c = softplus(-1.0)
    targets = torch.tensor([[1.0, 0.5], [0.0, 0.0]])
    actual = soft_target_loss(AXES, AXES, ONE, targets).total
    assert actual.item() == pytest.approx((c + 0.5 * (c + 1)) / 2, rel=1e-14)


def test_soft_target_loss__refuses_targets_that_do_not_fit():
    with pytest.raises(LossError, match="MV1850: targets has another shape or dtype"):
        soft_target_loss(AXES, AXES, ONE, torch.ones(2, 3))
    with pytest.raises(LossError, match="MV1853: targets_by_text has negative values"):
        soft_target_loss(AXES, AXES, ONE, torch.ones(2, 2), -torch.ones(2, 2))
