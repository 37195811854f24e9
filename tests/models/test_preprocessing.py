"""A model's own settings decide how its pixels are prepared; what is not supported is refused."""

import numpy as np
import pytest
import torch

from medvlp.errors import ModelError
from medvlp.models.preprocessing import from_open_clip, from_timm, normalize_pixels

TIMM = {
    "input_size": (3, 224, 224),
    "interpolation": "bicubic",
    "mean": (0.5, 0.4, 0.3),
    "std": (0.2, 0.2, 0.1),
    "crop_pct": 0.875,
    "crop_mode": "center",
}
OPEN_CLIP = {
    "size": (224, 224),
    "interpolation": "bilinear",
    "mean": [0.5, 0.4, 0.3],
    "std": [0.2, 0.2, 0.1],
    "resize_mode": "shortest",
}


@pytest.mark.parametrize(
    ("crop_pct", "input_px", "resize_px"),
    [(0.875, 224, 256), (0.95, 160, 168), (1.0, 224, 224), (0.9, 224, 248)],
)
def test_from_timm__resizes_so_that_the_crop_is_crop_pct(crop_pct, input_px, resize_px):
    config = {**TIMM, "crop_pct": crop_pct, "input_size": (3, input_px, input_px)}
    found = from_timm(config, "m")
    assert (found.input_px, found.resize_px) == (input_px, resize_px)
    assert (found.interpolation, found.mean) == ("bicubic", (0.5, 0.4, 0.3))


@pytest.mark.parametrize(
    ("change", "phrase"),
    [
        ({"interpolation": "lanczos"}, "interpolation='lanczos'"),
        ({"crop_mode": "squash"}, "crop_mode='squash'"),
        ({"crop_mode": "border"}, "crop_mode='border'"),
        ({"input_size": (1, 224, 224)}, "1 input channels"),
        ({"input_size": (3, 224, 196)}, r"input size \(224, 196\)"),
        ({"mean": (0.5,)}, r"mean=\(0.5,\)"),
    ],
)
def test_from_timm__refuses_by_name_what_is_not_supported(change, phrase):
    with pytest.raises(ModelError, match=phrase) as caught:
        from_timm({**TIMM, **change}, "m")
    assert caught.value.code == "MV1411"


def test_from_open_clip__crops_what_it_resized():
    found = from_open_clip(OPEN_CLIP, "m")
    assert (found.input_px, found.resize_px, found.interpolation) == (224, 224, "bilinear")
    assert from_open_clip({**OPEN_CLIP, "size": 384, "mean": 0.5}, "m").mean == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("change", "phrase"),
    [
        ({"resize_mode": "squash"}, "resize_mode='squash'"),
        ({"resize_mode": "longest"}, "resize_mode='longest'"),
        ({"interpolation": "random"}, "interpolation='random'"),
        ({"size": (224, 448)}, "input size"),
    ],
)
def test_from_open_clip__refuses_by_name_what_is_not_supported(change, phrase):
    with pytest.raises(ModelError, match=phrase):
        from_open_clip({**OPEN_CLIP, **change}, "m")


def test_normalize_pixels__follows_the_formula_worked_by_hand():
    # (51 / 255 - 0.1) / 0.5 = 0.2; (255 / 255 - 0.5) / 0.25 = 2; (0 - 0.3) / 0.1 = -3
    rgb = torch.tensor([[[[51, 255, 0]]]], dtype=torch.uint8)
    actual = normalize_pixels(rgb, torch.tensor([0.1, 0.5, 0.3]), torch.tensor([0.5, 0.25, 0.1]))
    assert actual.shape == (1, 3, 1, 1)
    expected = torch.tensor([0.2, 2.0, -3.0])
    torch.testing.assert_close(actual.flatten(), expected, rtol=0, atol=1e-6)


def test_normalize_pixels__keeps_channels_last_memory():
    rgb = torch.zeros(2, 8, 8, 3, dtype=torch.uint8)
    pixels = normalize_pixels(rgb, torch.zeros(3), torch.ones(3))
    assert pixels.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("rgb", [np.zeros((1, 4, 4, 3), np.float32), np.zeros((4, 4, 3), np.uint8)])
def test_normalize_pixels__refuses_another_type_or_shape(rgb):
    with pytest.raises(ValueError, match=r"uint8 of shape \(B, H, W, 3\)"):
        normalize_pixels(torch.from_numpy(rgb), torch.zeros(3), torch.ones(3))
