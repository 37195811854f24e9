"""Cross-entropy of hidden tokens against a case by hand, a loop in float64, torch, and refusals."""

import math

import pytest
import torch

from medvlp.errors import LossError
from medvlp.losses.masked_tokens import masked_token_loss

LN3 = math.log(3)


def test_masked_token_loss__hand_worked():
    # softmax(0, ln 3) = (1/4, 3/4): target 1 gives ln(4/3), target 0 ln 4; mean ln(16/3) / 2.
    logits = torch.tensor([[0.0, LN3], [0.0, LN3]], dtype=torch.float64)
    report = masked_token_loss(logits, torch.tensor([1, 0]))
    assert report.total.item() == pytest.approx(math.log(16 / 3) / 2, rel=1e-14)
    assert report.terms["accuracy"].item() == 0.5
    assert report.terms["perplexity"].item() == pytest.approx(math.sqrt(16 / 3), rel=1e-14)


def test_masked_token_loss__equals_a_loop_and_torch():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(11, 7, generator=generator, dtype=torch.float64) * 5
    targets = torch.randint(0, 7, (11,), generator=generator)
    terms = []
    for row, target in zip(logits.tolist(), targets.tolist(), strict=True):
        total = math.fsum(math.exp(z) for z in row)
        terms.append(math.log(total) - row[target])
    actual = masked_token_loss(logits, targets).total
    assert actual.item() == pytest.approx(math.fsum(terms) / 11, rel=1e-13)
    expected = torch.nn.functional.cross_entropy(logits, targets)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-13)


def test_masked_token_loss__has_the_right_gradient_and_no_order():
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(5, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    targets = torch.tensor([0, 3, 1, 1, 2])
    assert torch.autograd.gradcheck(lambda z: masked_token_loss(z, targets).total, logits)
    turned = masked_token_loss(logits.flip(0), targets.flip(0)).total
    torch.testing.assert_close(turned, masked_token_loss(logits, targets).total, rtol=0, atol=1e-14)


def test_masked_token_loss__refuses_what_has_no_loss():
    with pytest.raises(LossError, match="MV1851"):
        masked_token_loss(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64))
    with pytest.raises(LossError, match="MV1853"):
        masked_token_loss(torch.zeros(1, 3), torch.tensor([3]))
    with pytest.raises(LossError, match="MV1852"):
        masked_token_loss(torch.full((1, 3), torch.nan), torch.tensor([0]))
