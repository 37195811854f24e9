import math

import pytest
import torch

from medvlp.errors import LossError
from medvlp.losses.survival import cox_loss

LN2 = math.log(2)


def float64(*values):
    return torch.tensor(values, dtype=torch.float64)


def batch(seed, n=30, num_times=8):
    generator = torch.Generator().manual_seed(seed)
    h = torch.randn(n, generator=generator, dtype=torch.float64)
    times = torch.randint(1, num_times, (n,), generator=generator).double()
    return h, times, torch.randint(0, 2, (n,), generator=generator)


def test_cox_loss__hand_worked_without_ties():
    # exp h = 2, 1, 1 at times 1, 2, 3; events at 1 and 2; risk sets {0,1,2} and {1,2}.
    # -[ln(2/4) + ln(1/2)] / 2 = ln 2.
    loss = cox_loss(float64(LN2, 0, 0), float64(1, 2, 3), torch.tensor([1, 1, 0]))
    assert loss.item() == pytest.approx(LN2, rel=1e-14)


def test_cox_loss__hand_worked_with_ties():
    # exp h = 2, 1, 1; the first two events tie, all three are at risk: A = 4, tied sum D = 3.
    # breslow: [ln(4/2) + ln(4/1)] / 2. efron: the second sees 4 - 3/2: [ln(4/2) + ln(2.5/1)] / 2.
    arguments = float64(LN2, 0, 0), float64(1, 1, 2), torch.tensor([1, 1, 0])
    breslow, efron = cox_loss(*arguments), cox_loss(*arguments, ties="efron")
    assert breslow.item() == pytest.approx((LN2 + math.log(4)) / 2, rel=1e-14)
    assert efron.item() == pytest.approx((LN2 + math.log(2.5)) / 2, rel=1e-14)


@pytest.mark.parametrize("ties", ["breslow", "efron", "order"])
def test_cox_loss__rules_agree_where_no_times_tie(ties):
    h, _, events = batch(0)
    times = torch.randperm(30, generator=torch.Generator().manual_seed(1)).double()
    expected = cox_loss(h, times, events)
    torch.testing.assert_close(cox_loss(h, times, events, ties=ties), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("ties", ["breslow", "efron", "order"])
def test_cox_loss__does_not_change_when_all_hazards_shift(ties):
    h, times, events = batch(2)
    expected = cox_loss(h, times, events, ties=ties)
    actual = cox_loss(h + 500, times, events, ties=ties)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)


def test_cox_loss__depends_on_the_order_of_times_only():
    h, times, events = batch(3)
    expected = cox_loss(h, times, events, ties="efron")
    actual = cox_loss(h, times.exp() - 100, events, ties="efron")
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("ties", ["breslow", "efron", "order"])
def test_cox_loss__is_exact_where_hazards_spread_over_exp_200(ties):
    # The riskiest dies first, so every event is certain: the loss is 0, not log(1e-7).
    h = float64(200, 100, 0, -100).requires_grad_()
    loss = cox_loss(h, float64(1, 2, 3, 4), torch.ones(4).long(), ties=ties)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-40)
    assert torch.isfinite(h.grad).all()


def test_cox_loss__with_epsilon_is_off_by_several_units_for_wide_hazards():
    # The largest hazard is censored early, so that it is in no risk set: the exact loss is ln 2.
    arguments = float64(30, 0, 0), float64(1, 2, 3), torch.tensor([0, 1, 1])
    exact = cox_loss(*arguments, ties="order")
    published = cox_loss(*arguments, ties="order", epsilon=1e-7)
    assert exact.item() == pytest.approx(LN2 / 2, rel=1e-12)
    assert published.item() > 10


@pytest.mark.parametrize("ties", ["breslow", "efron", "order"])
def test_cox_loss__is_zero_with_zero_gradient_without_events(ties):
    h = torch.randn(5, requires_grad=True)
    loss = cox_loss(h, torch.arange(5.0), torch.zeros(5).long(), ties=ties)
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(h.grad, torch.zeros(5))


def test_cox_loss__refuses_events_other_than_0_and_1():
    with pytest.raises(LossError, match=r"MV1853: events holds values outside \[0, 1\]"):
        cox_loss(torch.zeros(2), torch.ones(2), torch.tensor([1, 2]))


def test_cox_loss__refuses_a_column_of_hazards():
    with pytest.raises(LossError, match=r"MV1850: log_hazard has shape \(2, 1\)"):
        cox_loss(torch.zeros(2, 1), torch.ones(2), torch.tensor([1, 0]))


def test_cox_loss__refuses_epsilon_that_would_have_no_effect():
    with pytest.raises(ValueError, match="epsilon belongs to ties='order'"):
        cox_loss(torch.zeros(2), torch.ones(2), torch.tensor([1, 0]), epsilon=1e-7)
