import numpy as np
import pytest
from scipy import ndimage

from medvlp.slides.regions import (
    close_mask,
    connected_to,
    drop_small,
    drop_unmarked,
    erode_mask,
    fill_holes,
    fill_surrounded,
    grow_mask,
    nearest_outside,
    open_mask,
)

CROSS = ndimage.generate_binary_structure(2, 1)
SQUARE = ndimage.generate_binary_structure(2, 2)


@pytest.fixture(scope="module")
def blobs() -> np.ndarray:
    rng = np.random.default_rng(1)
    return ndimage.gaussian_filter(rng.standard_normal((90, 120)), 2.5) > 0.03


def drawn(text: str) -> np.ndarray:
    return np.array([[cell == "#" for cell in line] for line in text.split()])


@pytest.mark.parametrize("radius", [0, 1, 2, 5])
def test_grow_mask__is_dilation_with_an_octagon(blobs, radius: int) -> None:
    expected = blobs
    for step in range(radius):
        expected = ndimage.binary_dilation(expected, SQUARE if step % 2 else CROSS)
    np.testing.assert_array_equal(grow_mask(blobs, radius), expected)
    assert grow_mask(blobs, radius).dtype == np.bool_


@pytest.mark.parametrize("radius", [1, 3])
def test_erode_mask__is_erosion_with_the_outside_counted_as_mask(blobs, radius: int) -> None:
    expected = blobs
    for step in range(radius):
        structure = SQUARE if step % 2 else CROSS
        expected = ndimage.binary_erosion(expected, structure, border_value=1)
    np.testing.assert_array_equal(erode_mask(blobs, radius), expected)


def test_open_and_close__bracket_the_mask(blobs) -> None:
    assert (open_mask(blobs, 2) <= blobs).all()
    assert (close_mask(blobs, 2) >= blobs).all()


def test_close_mask__bridges_a_crack_and_open_mask_drops_a_line() -> None:
    crack = drawn("#####..#####\n" * 9)
    assert close_mask(crack, 1).all()
    line = drawn("............\n" * 4 + "############\n" + "............\n" * 4)
    assert not open_mask(line, 1).any()


def test_fill_surrounded__fills_a_broken_ring_but_no_notch() -> None:
    ring = np.zeros((41, 41), np.bool_)
    row, col = np.indices(ring.shape) - 20
    ring[np.abs(np.hypot(row, col) - 10) < 1.5] = True
    ring[18:23, 25:] = False  # a gap on one side
    filled = fill_surrounded(ring, 15, 7)
    assert filled[20, 20]
    assert not filled[20, 38]
    half = np.zeros((41, 41), np.bool_)
    half[:, :20] = True
    np.testing.assert_array_equal(fill_surrounded(half, 15, 7), half)


def test_fill_surrounded__looks_only_as_far_as_told() -> None:
    frame = np.ones((31, 31), np.bool_)
    frame[5:26, 5:26] = False
    assert not fill_surrounded(frame, 9, 8)[15, 15]
    # 11 steps reach the frame straight on; diagonals take 11 / sqrt(2) = 8 steps
    assert not fill_surrounded(frame, 11, 8)[15, 15]
    assert fill_surrounded(frame, 11, 4)[15, 15]
    assert fill_surrounded(frame, 16, 8)[15, 15]


def test_fill_surrounded__agrees_with_walking_step_by_step(blobs) -> None:
    steps = [(r, c) for r in (-1, 0, 1) for c in (-1, 0, 1) if (r, c) != (0, 0)]
    expected = blobs.copy()
    for row, col in np.ndindex(blobs.shape):
        seen = 0
        for down, right in steps:
            for k in range(1, max(1, round(7 / np.hypot(down, right))) + 1):
                r, c = row + k * down, col + k * right
                if 0 <= r < blobs.shape[0] and 0 <= c < blobs.shape[1] and blobs[r, c]:
                    seen += 1
                    break
        expected[row, col] |= seen >= 6
    np.testing.assert_array_equal(fill_surrounded(blobs, 7, 6), expected)


def test_drop_small__keeps_parts_of_the_least_size() -> None:
    mask = drawn("##.#...\n" + "##.#.#.\n" + "......#\n")
    np.testing.assert_array_equal(drop_small(mask, 4), drawn("##.....\n##.....\n.......\n"))
    assert not drop_small(mask, 5).any()


def test_drop_unmarked__asks_for_a_share_of_marks() -> None:
    mask = drawn("####.####\n")
    marks = drawn("##......#\n")
    np.testing.assert_array_equal(drop_unmarked(mask, marks, 0.5), drawn("####.....\n"))
    np.testing.assert_array_equal(drop_unmarked(mask, marks, 0.25), mask)


def test_fill_holes__fills_small_enclosed_holes_only() -> None:
    mask = drawn("#######\n#.#...#\n###...#\n#######\n#..####\n")
    filled = fill_holes(mask, 2)
    np.testing.assert_array_equal(filled, drawn("#######\n###...#\n###...#\n#######\n#..####\n"))


def test_connected_to__keeps_what_touches_a_seed() -> None:
    mask = drawn("##..##\n")
    np.testing.assert_array_equal(connected_to(drawn("#.....\n"), mask), drawn("##....\n"))
    assert not connected_to(np.zeros_like(mask), mask).any()


def test_nearest_outside__points_to_the_nearest_free_pixel() -> None:
    rows, cols = nearest_outside(drawn("####.\n"))
    assert rows.tolist() == [[0, 0, 0, 0, 0]]
    assert cols.tolist() == [[4, 4, 4, 4, 4]]
