"""One reading serves the network and the eye, and places lead from one to the other."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medvlp.io import content_sha256
from medvlp.radiographs.framed import SHOWN_PX, read_framed
from medvlp.radiographs.reader import read_radiograph


def write(path: Path, shape: tuple[int, int]) -> Path:
    rows, cols = np.indices(shape)
    values = (255 * (rows / shape[0] + cols / shape[1]) / 2).astype(np.uint8)
    Image.fromarray(values).save(path)
    return path


def test_read_framed__shows_small_pictures_as_they_are(tmp_path: Path) -> None:
    path = write(tmp_path / "x.png", (120, 90))
    found = read_framed(path, 64)
    assert found.shape == (120, 90)
    assert np.array_equal(found.image.pixels, read_radiograph(path).pixels)
    assert found.square.shape == (64, 64)
    assert found.content_sha256 == content_sha256(path)


@pytest.mark.parametrize("shape", [(1500, 700), (700, 1500)])
def test_read_framed__shrinks_large_ones_and_keeps_their_places(
    tmp_path: Path, shape: tuple[int, int]
) -> None:
    found = read_framed(write(tmp_path / "x.png", shape), 64)
    assert found.shape == shape
    assert max(found.image.pixels.shape) == SHOWN_PX
    assert found.image.pixels.shape == found.frame.shape
    back = found.frame.to_image_map(found.square)
    assert np.abs(back - found.image.pixels)[20:-20, 20:-20].max() < 0.03


def test_read_framed__takes_a_window(tmp_path: Path) -> None:
    found = read_framed(write(tmp_path / "x.png", (120, 90)), 64, (64.0, 32.0))
    assert found.image.value_range == "window"
