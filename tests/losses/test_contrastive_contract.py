"""What every loss over pairs must pass: oracle, paths, gradcheck, order, precision, refusals."""

from dataclasses import replace

import pytest
import torch

from medvlp.errors import LossError
from medvlp.losses.engine.settings import EngineSettings
from tests.losses.contrastive_cases import CASES, make_batch, prepared

pytestmark = pytest.mark.parametrize("name", CASES)
DENSE = EngineSettings(path="dense")
TILED = EngineSettings(path="tiled", row_block=3, column_block=4)
ROWS = ("image", "text", "knowledge", "group", "concept", "mixed", "weight")


def merged(name, *, seed=0, num_rows=9, dtype=torch.float64):
    rows, shared = make_batch(seed, num_rows)
    return CASES[name], prepared(CASES[name], {**rows, **shared}, dtype)


def run(case, inputs, settings=DENSE):
    report = case.loss(inputs, settings)
    leaves = [inputs[leaf] for leaf in case.leaves]
    return report.total.detach(), torch.autograd.grad(report.total, leaves)


@pytest.mark.parametrize("settings", [DENSE, TILED], ids=["dense", "tiled"])
@pytest.mark.parametrize("seed", [0, 1])
def test_loss__equals_the_oracle(name, seed, settings):
    case, inputs = merged(name, seed=seed)
    expected = case.expected({key: x.tolist() for key, x in inputs.items()})
    actual = case.loss(inputs, settings).total
    assert abs(actual.item() - expected) <= 1e-12 * max(abs(expected), 1.0)


def test_loss__passes_gradcheck(name):
    case, inputs = merged(name, num_rows=6)
    if not case.is_gradient_of_value:
        pytest.skip("alpha is held constant in the gradient; see test_metric.py")

    def call(*values):
        return case.loss({**inputs, **dict(zip(case.leaves, values, strict=True))}, settings).total

    settings = replace(TILED, check_inputs=False)
    leaves = [inputs[leaf] for leaf in case.leaves]
    assert torch.autograd.gradcheck(call, leaves, atol=1e-7, rtol=1e-5, fast_mode=True)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-6)])
def test_loss__is_the_same_tiled_and_dense(name, dtype, tolerance):
    case, inputs = merged(name, seed=3, num_rows=11, dtype=dtype)
    expected, expected_grads = run(case, inputs)
    actual, actual_grads = run(case, inputs, TILED)
    assert abs(actual - expected) <= tolerance * abs(expected)
    for have, want in zip(actual_grads, expected_grads, strict=True):
        assert (have - want).abs().max() <= tolerance * want.abs().max()


def test_loss__does_not_depend_on_the_order_of_rows(name):
    case, inputs = merged(name, seed=4)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(5))
    expected, expected_grads = run(case, inputs)
    moved = {key: inputs[key][order].detach() for key in ROWS}
    moved["targets"] = inputs["targets"][order][:, order]
    moved = {**inputs, **moved}
    for leaf in case.leaves:
        moved[leaf].requires_grad_()
    actual, actual_grads = run(case, moved, TILED)
    assert abs(actual - expected) <= 1e-12 * abs(expected)
    for leaf, have, want in zip(case.leaves, actual_grads, expected_grads, strict=True):
        in_order = want[order] if want.ndim else want
        torch.testing.assert_close(have, in_order, rtol=1e-10, atol=1e-13, msg=leaf)


def test_loss__takes_a_single_row(name):
    case, inputs = merged(name, num_rows=1)
    expected = case.expected({key: x.tolist() for key, x in inputs.items()})
    actual, grads = run(case, inputs, TILED)
    assert abs(actual.item() - expected) <= 1e-12
    assert all(torch.isfinite(grad).all() for grad in grads)


def test_loss__is_finite_and_right_at_scale_100_with_opposed_pairs(name):
    # Half of the pairs point away from each other, so that rows lie 200 apart: one exponential
    # for rows and columns would lose them in fp32.
    case, inputs = merged(name, seed=6, num_rows=10)
    text = inputs["image"].detach().clone()
    text[::2] *= -1
    wide = {**inputs, "text": text.requires_grad_(), "scale": torch.tensor(100.0).double()}
    wide["scale"].requires_grad_()
    expected, expected_grads = run(case, wide)
    narrow = prepared(case, wide, torch.float32)
    for settings in (DENSE, TILED):
        actual, grads = run(case, narrow, settings)
        assert abs(actual - expected) <= 2e-6 * abs(expected) + 1e-5
        for have, want in zip(grads, expected_grads, strict=True):
            assert (have - want).abs().max() <= 2e-4 * want.abs().max() + 1e-6


def test_loss__stays_in_fp32_for_bf16_inputs_under_autocast(name):
    case, inputs = merged(name, dtype=torch.bfloat16)
    wide = prepared(case, inputs, torch.float64)
    expected, expected_grads = run(case, wide)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual, grads = run(case, inputs)
    assert actual.dtype == torch.float32
    assert abs(actual - expected) <= 2e-5 * abs(expected)
    for have, want in zip(grads, expected_grads, strict=True):
        assert have.dtype == torch.bfloat16
        assert (have - want).abs().max() <= 8e-3 * want.abs().max()


def test_loss__without_gradients_gives_the_same_value(name):
    case, inputs = merged(name)
    expected, _ = run(case, inputs)
    with torch.no_grad():
        actual = case.loss(inputs, TILED).total
    assert not actual.requires_grad
    assert abs(actual - expected) <= 1e-12 * abs(expected)


def test_loss__refuses_an_empty_batch(name):
    case, inputs = merged(name)
    empty = {key: x[:0] if key in ROWS else x for key, x in inputs.items()}
    with pytest.raises(LossError, match="MV1851: the batch holds no rows on any rank"):
        case.loss(empty, DENSE)


def test_loss__refuses_nan(name):
    case, inputs = merged(name)
    broken = {**inputs, "image": torch.full_like(inputs["image"], torch.nan)}
    with pytest.raises(LossError, match="MV1852: x holds NaN or Inf"):
        case.loss(broken, DENSE)
