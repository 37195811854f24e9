import math

import pytest
import torch

from medvlp.errors import LossError
from medvlp.losses.survival_discrete import (
    discrete_risk,
    hazards_and_survival,
    survival_cross_entropy_loss,
    survival_nll_loss,
)

LN3 = math.log(3)


def test_survival_nll_loss__hand_worked():
    # Hazards 1/4, 1/2. Sample 0 dies in bin 1: -ln(3/4 * 1/2). Sample 1 is censored in bin 0:
    # -ln(3/4). With weight 0.5 the censored half counts half.
    logits = torch.tensor([[-LN3, 0.0], [-LN3, 0.0]], dtype=torch.float64)
    bins, censored = torch.tensor([1, 0]), torch.tensor([0, 1])
    died, survived = -math.log(3 / 8), -math.log(3 / 4)
    assert survival_nll_loss(logits, bins, censored).item() == pytest.approx((died + survived) / 2)
    halved = survival_nll_loss(logits, bins, censored, uncensored_weight=0.5)
    assert halved.item() == pytest.approx((died + survived / 2) / 2, rel=1e-14)


def test_survival_cross_entropy_loss__hand_worked():
    # Survival after bin 1 is 3/8, after bin 0 3/4: died -ln(5/8), survived -ln(3/4).
    logits = torch.tensor([[-LN3, 0.0], [-LN3, 0.0]], dtype=torch.float64)
    loss = survival_cross_entropy_loss(logits, torch.tensor([1, 0]), torch.tensor([0, 1]))
    assert loss.item() == pytest.approx(-(math.log(5 / 8) + math.log(3 / 4)) / 2, rel=1e-14)


def test_discrete_risk__hand_worked():
    # h = 1/4, 1/2; S = 3/4, 3/8.
    logits = torch.tensor([[-LN3, 0.0]], dtype=torch.float64)
    hazards, survival = hazards_and_survival(logits)
    assert hazards.tolist() == [[pytest.approx(1 / 4), 1 / 2]]
    assert survival.tolist() == [[pytest.approx(3 / 4), pytest.approx(3 / 8)]]
    assert discrete_risk(logits).item() == pytest.approx(-9 / 8, rel=1e-14)


@pytest.mark.parametrize("loss", [survival_nll_loss, survival_cross_entropy_loss])
def test_survival_losses__do_not_read_logits_after_the_bin(loss):
    logits = torch.randn(4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    bins, censored = torch.tensor([0, 1, 2, 2]), torch.tensor([0, 1, 0, 1])
    expected = loss(logits, bins, censored)
    logits[:, 3:] = 50
    torch.testing.assert_close(loss(logits, bins, censored), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("loss", [survival_nll_loss, survival_cross_entropy_loss])
@pytest.mark.parametrize("size", [-100.0, 100.0, -1e4, 1e4])
def test_survival_losses__are_finite_for_extreme_logits(loss, size):
    logits = torch.full((2, 3), size, requires_grad=True)
    value = loss(logits, torch.tensor([1, 1]), torch.tensor([0, 1]))
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(logits.grad).all()


def test_survival_nll_loss__with_the_published_floor_stops_there():
    logits = torch.full((1, 1), -40.0, dtype=torch.float64)
    arguments = logits, torch.tensor([0]), torch.tensor([0])
    assert survival_nll_loss(*arguments).item() == pytest.approx(40, rel=1e-12)
    floored = survival_nll_loss(*arguments, floor=1e-7)
    assert floored.item() == pytest.approx(-math.log(1e-7), rel=1e-14)


@pytest.mark.parametrize("loss", [survival_nll_loss, survival_cross_entropy_loss])
def test_survival_losses__refuse_a_bin_that_is_not_there(loss):
    with pytest.raises(LossError, match=r"MV1853: bins holds values outside \[0, 2\]"):
        loss(torch.zeros(2, 3), torch.tensor([0, 3]), torch.tensor([0, 1]))


@pytest.mark.parametrize("loss", [survival_nll_loss, survival_cross_entropy_loss])
def test_survival_losses__refuse_a_floor_above_one(loss):
    with pytest.raises(ValueError, match=r"must be in \[0, 1\], got \(0.0, 2\)"):
        loss(torch.zeros(1, 3), torch.tensor([0]), torch.tensor([0]), floor=2)
