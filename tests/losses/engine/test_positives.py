import pytest
import torch
from torch.nn.functional import softplus

from medvlp.losses.engine.positives import positive_side

POSITION = torch.tensor([0, 2, 2, 0, 2])
LOGITS = torch.tensor([3.0, -1.0, 500.0, 2.0, -700.0], dtype=torch.float64)
COUNT = torch.tensor([2.0, 0.0, 3.0], dtype=torch.float64)
NEGATIVES = torch.tensor([1.0, -torch.inf, 4.0], dtype=torch.float64)


def expected_value(kind, logits):
    rows = [logits[POSITION == row] for row in (0, 2)]
    functions = {
        "mean": lambda z, _: z.mean(),
        "largest": lambda z, _: z.logsumexp(0),
        "smallest": lambda z, _: (-z).logsumexp(0),
        "each": lambda z, n: softplus(n - z, threshold=40.0).mean(),
    }
    return torch.stack(
        [functions[kind](z, n) for z, n in zip(rows, NEGATIVES[[0, 2]], strict=True)]
    )


@pytest.mark.parametrize("kind", ["mean", "largest", "smallest", "each"])
def test_positive_side__has_the_value_and_gradient_of_its_formula(kind):
    side = positive_side(kind, COUNT)
    side.negatives = NEGATIVES
    for part in (slice(0, 2), slice(2, 5)):  # as two tiles would bring them
        side.update(POSITION[part], LOGITS[part])
    leaf = LOGITS.clone().requires_grad_()
    expected = expected_value(kind, leaf)
    torch.testing.assert_close(side.value[[0, 2]], expected.detach(), rtol=1e-14, atol=1e-14)
    assert side.value[1].item() == (0.0 if kind in ("mean", "each") else -torch.inf)
    grad = torch.tensor([0.3, 0.0, -2.0], dtype=torch.float64)
    (want,) = torch.autograd.grad(expected @ grad[[0, 2]], leaf)
    actual = side.gradient(POSITION, LOGITS, grad)
    torch.testing.assert_close(actual, want, rtol=1e-13, atol=1e-15)


def test_positive_side__of_each_knows_its_slope_by_the_negatives():
    side = positive_side("each", COUNT)
    side.negatives = NEGATIVES
    side.update(POSITION, LOGITS)
    gap = NEGATIVES[POSITION] - LOGITS
    expected = [gap[POSITION == row].sigmoid().mean().item() for row in (0, 2)]
    assert side.slope[[0, 2]].tolist() == pytest.approx(expected)
    assert [positive_side(kind, COUNT).needs_negatives for kind in ("mean", "each")] == [
        False,
        True,
    ]
