from types import SimpleNamespace

import pytest
import torch

from medvlp.losses.engine.bodies import PLAIN
from medvlp.losses.engine.gradient import Direction, negative_gradient


def setting(spread, *, may_look):
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(9, 6, generator=generator, dtype=torch.float64)
    logits += torch.linspace(-spread, spread, 9).unsqueeze(1)
    logits[2] = -torch.inf
    tile = SimpleNamespace(
        logits=logits.float(),
        scratch=torch.empty(9, 6),
        rows=slice(0, 9),
        columns=slice(0, 6),
        may_look=may_look,
        bodies=PLAIN,
    )
    grads = [torch.randn(n, generator=generator, dtype=torch.float64) for n in (9, 6)]
    grads[0][2] = 0.0  # a row without negatives carries no gradient
    return logits, tile, grads


@pytest.mark.parametrize("may_look", [True, False])
@pytest.mark.parametrize("spread", [0.0, 150.0])
def test_negative_gradient__is_that_of_the_log_sum_exps(spread, may_look):
    logits, tile, (u, v) = setting(spread, may_look=may_look)
    rows, columns = logits.logsumexp(1), logits.logsumexp(0)
    by_rows = (
        torch.where(u == 0, 0.0, u).unsqueeze(1) * (logits - rows.unsqueeze(1)).exp().nan_to_num()
    )
    expected = by_rows + v * (logits - columns).exp()
    actual = negative_gradient(tile, Direction(rows, u), Direction(columns, v))
    torch.testing.assert_close(actual.double(), expected, rtol=2e-5, atol=1e-10)
    _, tile, _ = setting(spread, may_look=may_look)
    actual = negative_gradient(tile, Direction(rows, u), None)
    torch.testing.assert_close(actual.double(), by_rows, rtol=2e-5, atol=1e-10)


def test_negative_gradient__of_no_negative_is_zero():
    _, tile, _ = setting(0.0, may_look=True)
    tile.logits.fill_(-torch.inf)
    nothing = [torch.full((n,), -torch.inf, dtype=torch.float64) for n in (9, 6)]
    zeros = [torch.zeros(n, dtype=torch.float64) for n in (9, 6)]
    directions = [Direction(*both) for both in zip(nothing, zeros, strict=True)]
    assert not negative_gradient(tile, *directions).any()


def test_direction__spans_what_carries_gradient():
    direction = Direction(
        torch.tensor([-300.0, 1.0, 5.0]).double(), torch.tensor([0.0, 2.0, 0.0]).double()
    )
    assert direction.span(slice(0, 3)) == (1.0, 5.0)
    assert direction.factors(slice(0, 2), torch.tensor(1.0).double(), torch.float64).tolist() == [
        0,
        2,
    ]
