import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from medvlp.errors import LossError
from medvlp.losses.partial_labels import partial_label_loss

LN2, LN3 = math.log(2), math.log(3)


def test_partial_label_loss__hand_worked():
    # Probabilities (1/2, 1/4, 1/4) for each tile. Tile 0 is normal: ln 2. Tile 1 is 0 or 2:
    # -ln(3/4); its most likely class is 0, so as a pseudo-label it costs ln 2.
    logits = torch.tensor([[LN2, 0.0, 0.0]] * 2, dtype=torch.float64)
    loss = partial_label_loss(logits, torch.tensor([0, -2]), with_pseudo=True)
    assert loss.labelled.item() == pytest.approx(LN2, rel=1e-14)
    assert loss.candidate.item() == pytest.approx(math.log(4 / 3), rel=1e-14)
    assert loss.pseudo.item() == pytest.approx(LN2, rel=1e-14)
    assert loss.pseudo_share.item() == 1
    expected = LN2 + 0.5 * LN2 + 0.1 * math.log(4 / 3)
    assert loss.total.item() == pytest.approx(expected, rel=1e-14)


def test_partial_label_loss__balances_classes():
    # Two normal tiles at ln 4 and one of class 1 at ln(4/3): plain (2 ln 4 + ln(4/3))/3,
    # balanced (ln 4 + ln(4/3))/2.
    logits = torch.tensor([[0.0, LN3]] * 3, dtype=torch.float64)
    labels = torch.tensor([0, 0, 1])
    plain = partial_label_loss(logits, labels, with_pseudo=False)
    balanced = partial_label_loss(logits, labels, with_pseudo=False, balanced=True)
    assert plain.total.item() == pytest.approx((2 * math.log(4) + math.log(4 / 3)) / 3, rel=1e-14)
    assert balanced.total.item() == pytest.approx((math.log(4) + math.log(4 / 3)) / 2, rel=1e-14)


def test_partial_label_loss__of_sure_tiles_equals_cross_entropy_of_torch():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(8, 4, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 4, (8,), generator=generator)
    actual = partial_label_loss(logits, labels, with_pseudo=True).total
    torch.testing.assert_close(actual, cross_entropy(logits, labels), rtol=0, atol=1e-14)


def test_partial_label_loss__has_no_pseudo_labels_before_they_begin():
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(1))
    loss = partial_label_loss(logits, torch.full((6,), -1), with_pseudo=False)
    assert loss.pseudo.item() == 0
    assert loss.pseudo_share.item() == 0


def test_partial_label_loss__is_exact_where_both_candidates_are_impossible():
    logits = torch.tensor([[0.0, 0.0, 60.0]], dtype=torch.float64)
    exact = partial_label_loss(logits, torch.tensor([-1]), with_pseudo=False)
    published = partial_label_loss(logits, torch.tensor([-1]), with_pseudo=False, epsilon=1e-8)
    assert exact.candidate.item() == pytest.approx(60 - LN2, rel=1e-12)
    assert published.candidate.item() == pytest.approx(-math.log(1e-8), rel=1e-6)


def test_partial_label_loss__refuses_a_label_that_no_class_has():
    with pytest.raises(LossError, match=r"MV1853: labels holds values outside \[-2, 2\]"):
        partial_label_loss(torch.zeros(2, 3), torch.tensor([0, -3]), with_pseudo=False)
