"""Masks of slides: read at any resolution, refused where they are another slide's."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medvlp.errors import DataError
from medvlp.pipelines.masks import read_mask


def save(path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels).save(path)
    return path


def test_read_mask__tells_the_scale_per_axis(tmp_path: Path) -> None:
    pixels = np.zeros((30, 40), np.uint8)
    pixels[5, 7] = 1
    mask, factors = read_mask(save(tmp_path / "m.png", pixels), (4000, 3001))
    assert mask.sum() == 1
    assert mask[5, 7]
    assert factors == pytest.approx((100, 3001 / 30))


def test_read_mask__counts_any_colour(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[2, 3] = (0, 200, 0)
    mask, _ = read_mask(save(tmp_path / "m.tif", pixels), (8, 8))
    assert np.argwhere(mask).tolist() == [[2, 3]]


def test_read_mask__refuses_other_proportions_and_no_images(tmp_path: Path) -> None:
    path = save(tmp_path / "m.png", np.zeros((30, 40), np.uint8))
    with pytest.raises(
        DataError, match=r"MV1524: mask .* has 40 x 30 pixels and the slide 300 x 4"
    ):
        read_mask(path, (300, 400))
    (tmp_path / "x.png").write_text("no image")
    for name in ("x.png", "missing.png"):
        with pytest.raises(DataError, match=r"MV1524: mask .* cannot be read as an image"):
            read_mask(tmp_path / name, (4, 4))
