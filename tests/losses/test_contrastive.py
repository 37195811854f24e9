"""The CLIP loss is what the paper says, to the last digits, and so is its gradient."""

import numpy as np
import pytest
import torch
from open_clip.loss import ClipLoss

from medvlp.losses.contrastive import clip_loss
from tests.oracles import contrastive as oracle


def unit_rows(count: int, width: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(count, width, generator=generator, dtype=torch.float64)
    return rows / rows.norm(dim=1, keepdim=True)


def test_clip_loss__of_two_pairs_worked_by_hand():
    # z = 2 * [[1, 0], [0.6, 0.8]] = [[2, 0], [1.2, 1.6]]
    # rows:    log(1 + e^-2) = 0.126928,  log(1 + e^-0.4) = 0.513015
    # columns: log(1 + e^-0.8) = 0.371101, log(1 + e^-1.6) = 0.183901
    image = torch.tensor([[1.0, 0.0], [0.6, 0.8]], dtype=torch.float64)
    text = torch.eye(2, dtype=torch.float64)
    expected = (0.126928 + 0.513015 + 0.371101 + 0.183901) / 4
    assert float(clip_loss(image, text, 2.0)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("scale", [1.0, 14.3, 100.0])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_clip_loss__agrees_with_the_loops_of_the_oracle(count, scale):
    image, text = unit_rows(count, 5, 1), unit_rows(count, 5, 2)
    expected = oracle.clip_loss(image.tolist(), text.tolist(), scale)
    assert float(clip_loss(image, text, scale)) == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_clip_loss__agrees_with_open_clip_in_value_and_gradient():
    def run(loss):
        image, text = (unit_rows(9, 6, s).requires_grad_() for s in (3, 4))
        scale = torch.tensor(20.0, dtype=torch.float64, requires_grad=True)
        value = loss(image, text, scale)
        value.backward()
        return value.detach(), image.grad, text.grad, scale.grad

    for expected, actual in zip(run(ClipLoss()), run(clip_loss), strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("case", ["c01", "c02"])
def test_clip_loss__agrees_with_reference_numbers(vectors, case):
    with np.load(vectors / f"openclip_clip__{case}.npz") as stored:
        image, text, scale = (
            torch.from_numpy(stored[k].astype(np.float64)).requires_grad_()
            for k in ("image", "text", "scale")
        )
        loss = clip_loss(image, text, scale)
        loss.backward()
        np.testing.assert_allclose(loss.detach(), stored["loss"], rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(image.grad, stored["grad_image"], rtol=1e-7, atol=1e-10)
        np.testing.assert_allclose(text.grad, stored["grad_text"], rtol=1e-7, atol=1e-10)
        np.testing.assert_allclose(scale.grad, stored["grad_scale"], rtol=1e-7, atol=1e-10)


def test_clip_loss__has_the_gradient_of_finite_differences():
    image, text = (unit_rows(3, 4, s).requires_grad_() for s in (5, 6))
    scale = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(clip_loss, (image, text, scale))


def test_clip_loss__does_not_change_when_pairs_change_places():
    image, text = unit_rows(6, 4, 7), unit_rows(6, 4, 8)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    expected = clip_loss(image, text, 10.0)
    torch.testing.assert_close(clip_loss(image[order], text[order], 10.0), expected)
    assert not torch.isclose(clip_loss(image[order], text, 10.0), expected)


def test_clip_loss__is_symmetric_under_swap():
    image, text = unit_rows(6, 4, 9), unit_rows(6, 4, 10)
    torch.testing.assert_close(clip_loss(image, text, 10.0), clip_loss(text, image, 10.0))


def test_clip_loss__is_log_b_where_all_pairs_are_alike_and_zero_for_one_pair():
    alike = torch.ones(5, 1, dtype=torch.float64)
    assert float(clip_loss(alike, alike, 30.0)) == pytest.approx(np.log(5), abs=1e-12)
    assert float(clip_loss(alike[:1], alike[:1], 30.0)) == 0.0


def test_clip_loss__computes_logits_in_float32_inside_autocast():
    image, text = unit_rows(64, 16, 11).float(), unit_rows(64, 16, 12).float()
    expected = clip_loss(image.double(), text.double(), 100.0)
    with torch.autocast("cpu", torch.bfloat16):
        actual = clip_loss(image, text, 100.0)
    assert actual.dtype == torch.float32
    torch.testing.assert_close(actual.double(), expected, rtol=2e-5, atol=0)


@pytest.mark.parametrize(
    "shapes", [((3, 4), (2, 4)), ((3, 4), (3, 5)), ((0, 4), (0, 4)), ((4,),) * 2]
)
def test_clip_loss__refuses_shapes_that_do_not_pair(shapes):
    image, text = (torch.zeros(shape) for shape in shapes)
    with pytest.raises(ValueError, match=r"one shape \(B, D\) with B >= 1, got"):
        clip_loss(image, text, 1.0)
