"""Framing keeps the aspect, and boxes and maps find their way back."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from medvlp.radiographs.framing import Frame, frame_image

SHAPES = [(320, 390), (390, 320), (64, 64), (33, 1000), (1000, 33), (224, 224), (3000, 2510)]


def bump(shape: tuple[int, int], row: float, col: float, width: float) -> np.ndarray:
    """A smooth hill whose top lies at a place of the picture, in continuous pixels."""
    rows = (np.arange(shape[0]) + 0.5 - row)[:, None]
    cols = (np.arange(shape[1]) + 0.5 - col)[None, :]
    return np.exp(-(rows**2 + cols**2) / (2 * width**2)).astype(np.float32)


def centre(values: np.ndarray) -> tuple[float, float]:
    """Centre of mass in continuous pixels."""
    rows, cols = np.indices(values.shape) + 0.5
    total = values.sum()
    return float((rows * values).sum() / total), float((cols * values).sum() / total)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size_px", [64, 224])
def test_frame_image__keeps_the_aspect_and_centres(shape: tuple[int, int], size_px: int) -> None:
    square, frame = frame_image(np.full(shape, 0.5, np.float32), size_px, fill=-1.0)
    assert square.shape == (size_px, size_px)
    assert square.dtype == np.float32
    inside = np.argwhere(square != -1.0)
    low, high = inside.min(axis=0), inside.max(axis=0) + 1
    assert tuple(high - low) == frame.inner
    assert max(frame.inner) == size_px
    for axis in (0, 1):
        assert abs(frame.inner[axis] - shape[axis] * frame.scale) <= 0.5 + 1e-9
        assert abs(low[axis] - (size_px - high[axis])) <= 1
    np.testing.assert_allclose(square[square != -1.0], 0.5, rtol=0, atol=1e-6)


def test_frame_image__changes_nothing_where_the_picture_fits() -> None:
    pixels = np.random.default_rng(0).random((96, 96), dtype=np.float32)
    square, frame = frame_image(pixels, 96)
    np.testing.assert_array_equal(square, pixels)
    assert frame.scale == 1.0


def test_frame_image__averages_what_it_shrinks() -> None:
    """A checkerboard of single pixels turns gray; picking pixels would keep black and white."""
    checks = (np.indices((512, 512)).sum(axis=0) % 2).astype(np.float32)
    square, _ = frame_image(checks, 64)
    assert np.abs(square[4:-4, 4:-4] - 0.5).max() < 0.02


def test_frame_image__stays_within_the_range() -> None:
    pixels = (np.random.default_rng(1).random((200, 300)) > 0.5).astype(np.float32)
    for size_px in (64, 500):
        square, _ = frame_image(pixels, size_px)
        assert 0.0 <= square.min()
        assert square.max() <= 1.0 + 1e-6


def test_frame_image__is_what_pil_resizes_and_pads() -> None:
    pixels = np.random.default_rng(2).random((100, 50), dtype=np.float32)
    square, _ = frame_image(pixels, 40)
    expected = np.asarray(Image.fromarray(pixels).resize((20, 40), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(square[:, 10:30], expected)
    assert not square[:, :10].any()
    assert not square[:, 30:].any()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size_px", [64, 224, 225])
def test_boxes__come_back_exactly(shape: tuple[int, int], size_px: int) -> None:
    frame = Frame.of(shape, size_px)
    rng = np.random.default_rng(3)
    for _ in range(20):
        rows = np.sort(rng.random(2) * shape[0])
        cols = np.sort(rng.random(2) * shape[1])
        box = (rows[0], rows[1], cols[0], cols[1])
        np.testing.assert_allclose(
            frame.to_image_box(frame.to_frame_box(box)), box, rtol=0, atol=1e-9 * max(shape)
        )
    whole = (0.0, shape[0], 0.0, shape[1])
    np.testing.assert_allclose(
        frame.to_image_box((0, size_px, 0, size_px)), whole, rtol=0, atol=1e-9 * max(shape)
    )


def test_to_image_box__cuts_off_the_padding() -> None:
    frame = Frame.of((100, 50), 200)
    assert frame.offset == (0, 50)
    assert frame.to_image_box((20, 40, 0, 60)) == (10, 20, 0, 5)
    assert frame.to_image_box((20, 40, 0, 50)) == (10, 20, 0, 0)


@pytest.mark.parametrize("shape", [(320, 390), (390, 320), (1000, 700)])
def test_a_place__is_the_same_for_pixels_boxes_and_maps(shape: tuple[int, int]) -> None:
    """A hill in the picture lies in the square where its box lies, and the map leads it back."""
    row, col = shape[0] * 0.3, shape[1] * 0.7
    hill = bump(shape, row, col, 20.0)
    square, frame = frame_image(hill, 224)
    row0, _, col0, _ = frame.to_frame_box((row, row, col, col))
    np.testing.assert_allclose(centre(square), (row0, col0), rtol=0, atol=0.1)
    back = frame.to_image_map(square)
    assert back.shape == shape
    np.testing.assert_allclose(centre(back), (row, col), rtol=0, atol=0.1 / frame.scale)
    assert np.abs(back - hill).max() < 0.03


def test_to_image_map__leads_a_patch_to_its_place() -> None:
    """One patch of 14 x 14 is brightest in the middle of the box that it stands for."""
    frame = Frame.of((300, 600), 224)
    grid = np.zeros((14, 14), np.float32)
    grid[6, 9] = 1.0
    found = frame.to_image_map(grid)
    row0, row1, col0, col1 = frame.to_image_box((6 * 16, 7 * 16, 9 * 16, 10 * 16))
    peak = np.unravel_index(np.argmax(found), found.shape)
    assert row0 < peak[0] + 0.5 < row1
    assert col0 < peak[1] + 0.5 < col1
    np.testing.assert_allclose(
        centre(found), ((row0 + row1) / 2, (col0 + col1) / 2), rtol=0, atol=0.5
    )
    assert frame.to_image_map(grid, (30, 60)).shape == (30, 60)


def test_to_image_map__leaves_the_padding_out() -> None:
    frame = Frame.of((50, 100), 200)
    square = np.zeros((200, 200), np.float32)
    square[:50] = 1.0  # padding above the picture
    assert frame.to_image_map(square)[2:].max() == 0.0


def test_framing__refuses_what_is_no_picture() -> None:
    with pytest.raises(ValueError, match="two axes"):
        frame_image(np.zeros((3, 4, 5), np.float32), 8)
    with pytest.raises(ValueError, match="positive"):
        frame_image(np.zeros((0, 4), np.float32), 8)
    with pytest.raises(ValueError, match="positive"):
        Frame.of((4, 4), 0)
    with pytest.raises(ValueError, match="a map has two axes"):
        Frame.of((4, 4), 8).to_image_map(np.zeros((1, 2, 2)))
