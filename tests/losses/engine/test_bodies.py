import pytest
import torch

from medvlp.losses.engine.bodies import PLAIN, compiled_bodies

GENERATOR = torch.Generator().manual_seed(0)


def logits_of(rows, columns):
    logits = 20 * torch.randn(rows, columns, generator=GENERATOR)
    logits[0] = -torch.inf
    return logits


def test_sums_along__give_log_sum_exp():
    logits = logits_of(5, 7)
    for dim in (0, 1):
        top, total = PLAIN.sums(logits, dim)
        expected = logits.double().logsumexp(dim)
        torch.testing.assert_close(total.double().log() + top, expected, rtol=0, atol=1e-5)


def test_weighted_exponentials__add_both_directions():
    logits = torch.tensor([[0.0, -1.0], [-2.0, -torch.inf]]).double()
    u, v = torch.tensor([1.0, 2.0]).double(), torch.tensor([3.0, 5.0]).double()
    zero = torch.zeros(2).double()
    rows = PLAIN.gradient(logits, zero, u)
    assert torch.equal(rows, logits.exp() * u[:, None])
    both = PLAIN.gradient(logits, zero, u, zero + 1, v)
    torch.testing.assert_close(both, rows + (logits - 1).exp() * v, rtol=1e-15, atol=0)


@pytest.mark.slow
def test_compiled_bodies__equal_the_plain_ones():
    bodies = compiled_bodies()
    for shape in ((64, 48), (33, 17)):
        logits = logits_of(*shape)
        for dim in (0, 1):
            for have, want in zip(bodies.sums(logits, dim), PLAIN.sums(logits, dim), strict=True):
                torch.testing.assert_close(have, want, rtol=1e-6, atol=0)
        tops = logits.amax(1).clamp(min=0), logits.amax(0)
        inputs = logits, tops[0], torch.rand(shape[0]), tops[1], torch.rand(shape[1])
        torch.testing.assert_close(
            bodies.gradient(*inputs), PLAIN.gradient(*inputs), rtol=1e-5, atol=1e-7
        )
        torch.testing.assert_close(
            bodies.gradient(*inputs[:3]), PLAIN.gradient(*inputs[:3]), rtol=1e-5, atol=1e-7
        )
