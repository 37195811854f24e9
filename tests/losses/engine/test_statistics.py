from types import SimpleNamespace

import pytest
import torch

from medvlp.losses.engine.bodies import PLAIN
from medvlp.losses.engine.statistics import absorb, empty_sums


def tile_of(logits, *, may_look=True):
    return SimpleNamespace(
        logits=logits, scratch=torch.empty_like(logits), may_look=may_look, bodies=PLAIN
    )


def absorbed(logits, *, may_look=True, with_columns=True):
    rows = empty_sums(logits.shape[0], logits.device)
    columns = empty_sums(logits.shape[1], logits.device)
    absorb(tile_of(logits, may_look=may_look), rows, columns if with_columns else None)
    return rows, columns


def random_logits(spread):
    generator = torch.Generator().manual_seed(0)
    logits = 5 * torch.randn(40, 30, generator=generator)
    logits += spread * torch.linspace(-1, 1, 40).unsqueeze(1)
    logits[3] = -torch.inf
    logits[:, 7] = -torch.inf
    return logits


@pytest.mark.parametrize("may_look", [True, False])
@pytest.mark.parametrize("spread", [0.0, 20.0, 200.0])
def test_absorb__equals_float64_at_any_spread_of_rows(spread, may_look):
    logits = random_logits(spread)
    rows, columns = absorbed(logits, may_look=may_look)
    for actual, dim in ((rows, 1), (columns, 0)):
        expected = logits.double().logsumexp(dim)
        assert torch.equal(torch.isinf(actual), torch.isinf(expected))
        is_set = torch.isfinite(expected)
        torch.testing.assert_close(
            actual[is_set], expected[is_set], rtol=0, atol=3e-7 + 3e-8 * spread
        )


def test_absorb__leaves_columns_alone_where_not_wanted():
    rows, columns = absorbed(random_logits(0.0), with_columns=False)
    assert torch.isfinite(rows).sum() == 39
    assert torch.isinf(columns).all()


def test_absorb__of_nothing_changes_nothing():
    rows, columns = absorbed(torch.full((2, 3), -torch.inf))
    assert torch.isinf(rows).all()
    assert torch.isinf(columns).all()


def test_absorb__adds_tile_to_tile():
    logits = random_logits(30.0)
    rows, columns = empty_sums(40, logits.device), empty_sums(30, logits.device)
    for part in (slice(0, 11), slice(11, 40)):
        for other in (slice(0, 29), slice(29, 30)):
            absorb(tile_of(logits[part, other]), rows[part], columns[other])
    whole_rows, whole_columns = absorbed(logits)
    torch.testing.assert_close(rows, whole_rows, rtol=0, atol=1e-6)
    torch.testing.assert_close(columns, whole_columns, rtol=0, atol=1e-6)
