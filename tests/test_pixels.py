"""Pixels are prepared exactly as torchvision's transforms on PIL images do."""

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import v2

from medvlp.pixels import prepare_image, resize_rgb
from medvlp.types import ImagePreprocessing


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("shape", [(256, 256), (300, 200), (199, 301), (224, 225)])
@pytest.mark.parametrize(("resize_px", "input_px"), [(224, 224), (248, 224), (237, 225)])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_prepare_image__equals_torchvision(
    shape: tuple[int, int], resize_px: int, input_px: int, interpolation: str
) -> None:
    rgb = noise(*shape)
    transform = v2.Compose(
        [v2.Resize(resize_px, v2.InterpolationMode(interpolation)), v2.CenterCrop(input_px)]
    )
    expected = np.asarray(transform(Image.fromarray(rgb)))
    wanted = ImagePreprocessing(
        input_px=input_px,
        resize_px=resize_px,
        interpolation=interpolation,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
    )
    actual = prepare_image(rgb, wanted)
    np.testing.assert_array_equal(actual, expected)
    assert actual.flags.c_contiguous


def test_resize_rgb__takes_width_before_height() -> None:
    assert resize_rgb(noise(10, 20), (5, 7), "bicubic").shape == (7, 5, 3)


def test_resize_rgb__leaves_a_fitting_image_alone() -> None:
    rgb = noise(8, 9)
    assert resize_rgb(rgb, (9, 8), "bilinear") is rgb
