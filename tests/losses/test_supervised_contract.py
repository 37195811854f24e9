"""What every supervised loss must pass: oracle, gradcheck, permutation, precision, empty batch."""

import pytest
import torch

from medvlp.errors import LossError
from tests.losses.supervised_cases import CASES, make_batch, with_gradients

pytestmark = pytest.mark.parametrize("name", CASES)


def merged(name, *, seed=0, num_rows=7, dtype=torch.float64):
    case = CASES[name]
    rows, shared = make_batch(case, seed, num_rows)
    return case, {**with_gradients(case, rows, dtype), **with_gradients(case, shared, dtype)}


def gradients(inputs):
    return {name: x.grad for name, x in inputs.items() if x.requires_grad}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_loss__equals_the_oracle(name, seed):
    case, inputs = merged(name, seed=seed)
    expected = case.expected({key: x.tolist() for key, x in inputs.items()})
    actual = case.loss(inputs)
    torch.testing.assert_close(
        actual.detach(), torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=1e-13
    )


def test_loss__passes_gradcheck(name):
    case, inputs = merged(name, num_rows=5)
    leaves = [key for key, x in inputs.items() if x.requires_grad]

    def call(*values):
        return case.loss({**inputs, **dict(zip(leaves, values, strict=True))})

    assert torch.autograd.gradcheck(call, [inputs[key] for key in leaves], atol=1e-7, rtol=1e-5)


def test_loss__does_not_depend_on_the_order_of_rows(name):
    case = CASES[name]
    if not case.is_permutable:
        pytest.skip("rows and columns, or the order inside ties, have a meaning here")
    rows, shared = make_batch(case, 3, 8)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(4))
    expected = case.loss({**rows, **shared})
    actual = case.loss({**{key: x[order] for key, x in rows.items()}, **shared})
    torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-13)


def test_loss__takes_a_single_row(name):
    case, inputs = merged(name, num_rows=1)
    expected = case.expected({key: x.tolist() for key, x in inputs.items()})
    actual = case.loss(inputs)
    actual.backward()
    torch.testing.assert_close(
        actual.detach(), torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=1e-13
    )
    assert all(torch.isfinite(grad).all() for grad in gradients(inputs).values())


def test_loss__stays_in_fp32_for_bf16_inputs_under_autocast(name):
    case, inputs = merged(name, dtype=torch.bfloat16)
    wide = {key: x.detach().double() if x.is_floating_point() else x for key, x in inputs.items()}
    expected = case.loss(wide)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual = case.loss(inputs)
    assert actual.dtype == torch.float32
    torch.testing.assert_close(actual.detach().double(), expected, rtol=2e-5, atol=1e-6)


def test_loss__refuses_an_empty_batch(name):
    case = CASES[name]
    rows, shared = make_batch(case, 0, 2)
    empty = {key: x[:0, :0] if key == "scores" else x[:0] for key, x in rows.items()}
    with pytest.raises(LossError, match="MV1851: the batch holds no rows on any rank"):
        case.loss({**empty, **shared})


def test_loss__refuses_values_that_are_not_finite(name):
    case, inputs = merged(name)
    leaf = next(key for key, x in inputs.items() if x.requires_grad)
    values = inputs[leaf].detach().clone()
    values.view(-1)[0] = float("nan")
    with pytest.raises(LossError, match=r"MV1852: .* holds NaN or Inf"):
        case.loss({**inputs, leaf: values})


def test_loss__refuses_arguments_of_unequal_length(name):
    case = CASES[name]
    rows, shared = make_batch(case, 0, 4)
    key = list(rows)[-1]
    with pytest.raises(LossError, match=r"MV1850: .* has shape \(3"):
        case.loss({**rows, key: rows[key][:3], **shared})
