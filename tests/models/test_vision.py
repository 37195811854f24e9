"""An image encoder embeds what it is given, in the stated form, on a device that exists."""

import pytest
import torch

from medvlp.errors import ModelError, UsageError
from medvlp.models.vision import ImageEncoder, check_device, check_precision
from medvlp.types import ImagePreprocessing

PREPROCESSING = ImagePreprocessing(
    input_px=8,
    resize_px=8,
    interpolation="bicubic",
    mean=(0.5, 0.5, 0.5),
    std=(0.25, 0.25, 0.25),
)


def build(*, is_normalized: bool = False, bias: float = 0.5, **more) -> ImageEncoder:
    generator = torch.Generator().manual_seed(0)
    tower = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 5), torch.nn.Dropout(0.5))
    with torch.no_grad():
        tower[1].weight.copy_(torch.randn(5, 192, generator=generator))
        tower[1].bias.fill_(bias)
    return ImageEncoder(
        name="m",
        tower=tower,
        weights=tower.state_dict(),
        preprocessing=PREPROCESSING,
        is_projected=is_normalized,
        is_normalized=is_normalized,
        **more,
    )


@pytest.fixture
def rgb() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (4, 8, 8, 3), generator=generator, dtype=torch.uint8)


def test_embed__normalises_pixels_then_runs_the_tower_in_evaluation_mode(rgb):
    encoder = build()
    pixels = ((rgb.double() / 255 - 0.5) / 0.25).permute(0, 3, 1, 2)
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(5, 192, generator=generator).double()
    expected = pixels.reshape(4, -1) @ weight.T + 0.5
    actual = encoder.embed(rgb)
    assert (encoder.dim, actual.dtype) == (5, torch.float32)
    torch.testing.assert_close(actual.double(), expected, rtol=1e-5, atol=1e-4)


def test_embed__gives_unit_vectors_where_it_says_so(rgb):
    norms = build(is_normalized=True).embed(rgb).norm(dim=1)
    torch.testing.assert_close(norms, torch.ones(4), rtol=0, atol=1e-6)
    assert (build().embed(rgb).norm(dim=1) > 2).all()


def test_embed__in_bf16_is_near_float32_and_still_returns_float32(rgb):
    exact, fast = build().embed(rgb), build(precision="bf16").embed(rgb)
    assert fast.dtype == torch.float32
    assert not torch.equal(exact, fast)
    torch.testing.assert_close(fast, exact, rtol=0.02, atol=0.02 * float(exact.abs().max()))


def test_embed__does_not_depend_on_the_batch(rgb):
    encoder = build()
    one_by_one = torch.cat([encoder.embed(rgb[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(encoder.embed(rgb), one_by_one, rtol=1e-5, atol=1e-5)


def test_embed__refuses_another_size():
    with pytest.raises(ValueError, match=r"\(B, 8, 8, 3\), got \(1, 9, 8, 3\)"):
        build().embed(torch.zeros(1, 9, 8, 3, dtype=torch.uint8))


def test_image_encoder__refuses_nan_weights():
    with pytest.raises(ModelError, match=r"'1.bias' holds 5 values"):
        build(bias=float("nan"))


def test_image_encoder__hashes_its_weights():
    assert build().weights_sha256 == build().weights_sha256
    assert build().weights_sha256 != build(bias=0.25).weights_sha256


def test_check_precision__lists_the_valid_ones():
    assert check_precision("bf16") == "bf16"
    with pytest.raises(UsageError, match=r"'fp16' is unknown; expected one of \('fp32', 'bf16'\)"):
        check_precision("fp16")


@pytest.mark.parametrize(
    ("device", "phrase"),
    [("tpu9", "is unknown"), ("cuda:99", "is not on this machine"), ("xpu", "is not on this")],
)
def test_check_device__refuses_what_is_not_there(device, phrase):
    with pytest.raises(UsageError, match=phrase) as caught:
        check_device(device)
    assert caught.value.code == "MV1415"
