import math

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from medvlp.errors import LossError
from medvlp.losses.descriptions import aspect_contrast_loss, knowledge_contrast_loss

EYE = torch.eye(2, dtype=torch.float64)


@pytest.mark.parametrize("positives", ["outside", "inside"])
def test_knowledge_contrast_loss__hand_worked(positives):
    # cos = identity, scale ln 3: rows and columns are softmax(ln 3, 0) = (3/4, 1/4).
    # One positive each, on the diagonal: both directions ln(4/3), in both forms.
    loss = knowledge_contrast_loss(
        2 * EYE, 5 * EYE, torch.eye(2).long(), math.log(3), positives=positives
    ).total
    assert loss.item() == pytest.approx(math.log(4 / 3), rel=1e-12)


def test_knowledge_contrast_loss__hand_worked_with_two_positives():
    # Image 0 fits both: outside ln 4 - ln(3)/2, inside 0. Image 1 fits nothing and counts not.
    # Columns: the one image that fits is image 0 against image 1: ln(4/3) and ln 4.
    labels = torch.tensor([[1, 1], [0, 0]])
    columns = (math.log(4 / 3) + math.log(4)) / 2
    outside = knowledge_contrast_loss(EYE, EYE, labels, math.log(3))
    inside = knowledge_contrast_loss(EYE, EYE, labels, math.log(3), positives="inside")
    rows = math.log(4) - math.log(3) / 2
    assert outside.total.item() == pytest.approx((rows + columns) / 2, rel=1e-12)
    assert inside.total.item() == pytest.approx(columns / 2, rel=1e-12)
    assert outside.terms["image_to_text"].item() == pytest.approx(rows, rel=1e-12)
    assert outside.terms["text_to_image"].item() == pytest.approx(columns, rel=1e-12)
    assert outside.terms["without_positive"].item() == 1


def test_knowledge_contrast_loss__equals_cross_entropy_with_probabilities():
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(5, 6, generator=generator, dtype=torch.float64)
    bank = torch.randn(7, 6, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 2, (5, 7), generator=generator)
    labels[:, 0] = labels[0] = 1
    scores = 9 * normalize(image, dim=-1) @ normalize(bank, dim=-1).T
    target = labels.double()
    rows = cross_entropy(scores, target / target.sum(1, keepdim=True))
    columns = cross_entropy(scores.T, (target / target.sum(0)).T)
    actual = knowledge_contrast_loss(image, bank, labels, 9.0).total
    torch.testing.assert_close(actual, (rows + columns) / 2, rtol=0, atol=1e-13)


def test_knowledge_contrast_loss__leaves_out_what_is_unknown():
    generator = torch.Generator().manual_seed(1)
    image = torch.randn(4, 6, generator=generator, dtype=torch.float64)
    bank = torch.randn(5, 6, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 2, (4, 5), generator=generator)
    labels[:, 2] = -1
    kept = [0, 1, 3, 4]
    expected = knowledge_contrast_loss(image, bank[kept], labels[:, kept], 5.0)
    actual = knowledge_contrast_loss(image, bank, labels, 5.0)
    torch.testing.assert_close(actual.total, expected.total, rtol=0, atol=1e-13)


@pytest.mark.parametrize("positives", ["outside", "inside"])
def test_knowledge_contrast_loss__is_zero_where_nothing_fits(positives):
    image = torch.randn(2, 3, requires_grad=True)
    value = knowledge_contrast_loss(
        image, torch.randn(4, 3), torch.tensor([[0] * 4, [-1] * 4]), 5.0, positives=positives
    )
    value.total.backward()
    assert value.total.item() == 0
    assert value.terms["without_positive"].item() == 2 + 4
    assert torch.equal(image.grad, torch.zeros(2, 3))


def test_knowledge_contrast_loss__refuses_an_image_without_a_positive_when_asked():
    labels = torch.tensor([[1, 0], [0, -1]])
    with pytest.raises(LossError, match="MV1855: an image has no description that fits it"):
        knowledge_contrast_loss(EYE, EYE, labels, 5.0, no_positive="refuse")


def test_knowledge_contrast_loss__refuses_labels_above_one():
    with pytest.raises(LossError, match="MV1853: labels holds values outside"):
        knowledge_contrast_loss(EYE, EYE, 2 * torch.eye(2).long(), 5.0)


def test_aspect_contrast_loss__hand_worked():
    # One aspect, cos = identity, exp(ln ln 3) = ln 3; finding 0 present in image 0 only.
    # Row 0: ln(4/3), column 0: ln(4/3); B Q = 4 cells.
    log_scale = torch.tensor([math.log(math.log(3))], dtype=torch.float64)
    labels = torch.tensor([[1, 0], [-1, 2]])
    loss = aspect_contrast_loss(EYE, EYE.unsqueeze(1), labels, log_scale)
    assert loss.item() == pytest.approx(2 * math.log(4 / 3) / 4, rel=1e-12)


def test_aspect_contrast_loss__with_probabilities_averages_over_what_has_a_positive():
    log_scale = torch.tensor([math.log(math.log(3))], dtype=torch.float64)
    labels = torch.tensor([[1, 0], [0, 0]])
    loss = aspect_contrast_loss(EYE, EYE.unsqueeze(1), labels, log_scale, normalize_targets=True)
    assert loss.item() == pytest.approx(2 * math.log(4 / 3), rel=1e-12)


def test_aspect_contrast_loss__does_not_depend_on_the_order_of_aspects():
    generator = torch.Generator().manual_seed(2)
    image = torch.randn(3, 6, generator=generator, dtype=torch.float64)
    aspects = torch.randn(4, 5, 6, generator=generator, dtype=torch.float64)
    log_scale = torch.randn(5, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 2, (3, 4), generator=generator)
    order = torch.randperm(5, generator=generator)
    expected = aspect_contrast_loss(image, aspects, labels, log_scale)
    actual = aspect_contrast_loss(image, aspects[:, order], labels, log_scale[order])
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-14)


def test_aspect_contrast_loss__refuses_one_scale_for_several_aspects():
    with pytest.raises(LossError, match=r"MV1850: log_scale has shape \(1,\); expected \(3\)"):
        aspect_contrast_loss(
            torch.ones(2, 4), torch.ones(5, 3, 4), torch.ones(2, 5).long(), torch.ones(1)
        )
