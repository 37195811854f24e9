"""Masks and tiles: hand-worked cases, loop oracles, edges, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvlp.metrics.segmentation import dice, nearest_level, paint_tiles, shrink_mask, tile_truth
from tests.oracles import masks

MASK = np.asarray([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0]], dtype=np.uint8)


# Tiles of 2 px: all 4 covered, none, none, exactly half (not more than half).
def test_tile_truth__matches_a_case_worked_by_hand() -> None:
    actual = tile_truth(MASK, [[0, 0], [2, 0], [0, 2], [2, 2]], 2)
    assert actual.tolist() == [True, False, False, False]
    assert tile_truth(MASK, [[2, 1]], 2).tolist() == [False]
    assert tile_truth(MASK, [[1, 1]], 1).tolist() == [True]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), tile=st.integers(1, 7))
def test_tile_truth__matches_explicit_loops_beyond_the_edges_too(seed: int, tile: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.integers(0, 2, size=(12, 9)) * 255
    coords = rng.integers(-3, 14, size=(20, 2))
    expected = masks.tile_truth(mask.tolist(), coords.tolist(), tile)
    assert tile_truth(mask, coords, tile).tolist() == expected


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), factor=st.integers(1, 5))
def test_tile_truth__of_a_smaller_mask_is_that_of_the_mask_blown_up(seed: int, factor: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.integers(0, 2, size=(12, 9))
    coords = rng.integers(-3, 14, size=(20, 2)) * factor
    large = mask.repeat(factor, axis=0).repeat(factor, axis=1)
    expected = tile_truth(large, coords, 3 * factor)
    actual = tile_truth(mask, coords, (3 * factor, 3 * factor), px0_per_px=(factor, factor))
    assert actual.tolist() == expected.tolist()


def test_tile_truth__takes_one_pixel_of_a_mask_coarser_than_tiles() -> None:
    assert tile_truth([[0, 1]], [[0, 0], [8, 0]], 2, px0_per_px=(8.0, 8.0)).tolist() == [
        False,
        True,
    ]
    with pytest.raises(ValueError, match="px0_per_px"):
        tile_truth(MASK, [[0, 0]], 2, px0_per_px=(0.0, 1.0))


def test_nearest_level__takes_the_first_of_two_equally_near() -> None:
    assert nearest_level([1.0, 4.0, 16.0, 64.0]) == 2
    assert nearest_level([1.0, 8.0, 24.0]) == 1
    assert nearest_level([1.0, 2.0, 4.0], target=3) == 1
    with pytest.raises(ValueError, match="no levels"):
        nearest_level([])


def test_shrink_mask__takes_every_second_pixel_of_whole_blocks() -> None:
    mask = np.arange(35).reshape(5, 7) % 3
    assert (shrink_mask(mask, 2) == (mask[[0, 2]][:, [0, 2, 4]] != 0)).all()
    assert (shrink_mask(mask, 1) == (mask != 0)).all()


@pytest.mark.parametrize("downsample", [0, 6, -1])
def test_shrink_mask__refuses_a_factor_that_leaves_nothing(downsample: int) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        shrink_mask(np.ones((5, 7)), downsample)


# Tile of 6 px at (5, 2), factor 4: columns int(1.25) to int(2.75), rows int(0.5) to int(2.0).
def test_paint_tiles__matches_a_case_worked_by_hand() -> None:
    actual = paint_tiles((3, 4), [[5, 2]], 6, 4)
    assert actual.astype(int).tolist() == [[0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    n=st.integers(0, 12),
    tile=st.integers(1, 30),
    d=st.integers(1, 9),
)
def test_paint_tiles__match_explicit_loops(seed: int, n: int, tile: int, d: int) -> None:
    coords = np.random.default_rng(seed).integers(0, 80, size=(n, 2))
    expected = masks.paint((11, 8), coords.tolist(), tile, d)
    assert (paint_tiles((11, 8), coords, tile, d) == np.asarray(expected)).all()


@pytest.mark.parametrize(
    ("coords", "tile", "d", "phrase"),
    [
        ([[0, 0]], 0, 1, "must be at least 1"),
        ([[0, 0]], 1, 0, "must be at least 1"),
        ([[-1, 0]], 1, 1, "must not be negative"),
        ([[0.5, 0]], 1, 1, "must be integers"),
        ([0, 0], 1, 1, r"shape \(N, 2\)"),
    ],
)
def test_paint_tiles__refuses_what_is_no_tile(coords, tile, d, phrase) -> None:
    with pytest.raises(ValueError, match=phrase):
        paint_tiles((4, 4), coords, tile, d)


# 5 pixels and 4 pixels share 3.
def test_dice__matches_a_case_worked_by_hand() -> None:
    assert dice([1, 1, 1, 1, 1, 0], [0, 0, 1, 2, 3, 1]) == pytest.approx(6 / 9)


def test_dice__matches_explicit_loops_and_is_symmetric() -> None:
    rng = np.random.default_rng(1)
    one, two = rng.integers(0, 2, size=(2, 20, 30))
    expected = masks.dice(one.tolist(), two.tolist())
    assert dice(one, two) == dice(two, one) == pytest.approx(expected, rel=0, abs=1e-12)


def test_dice__knows_its_ends() -> None:
    empty, full = np.zeros((3, 3)), np.ones((3, 3))
    assert dice(empty, empty) == 1.0
    assert dice(full, full) == 1.0
    assert dice(full, empty) == 0.0
    with pytest.raises(ValueError, match=r"shapes \(3, 3\) and \(3,\)"):
        dice(full, np.ones(3))


@pytest.mark.parametrize(
    ("mask", "tile", "phrase"), [(np.ones(4), 1, r"shape \(rows, cols\)"), (MASK, 0, "at least 1")]
)
def test_tile_truth__refuses_what_is_no_mask(mask, tile, phrase) -> None:
    with pytest.raises(ValueError, match=phrase):
        tile_truth(mask, [[0, 0]], tile)
