"""Tile scores: hand-worked cases, loop oracles, invariances, refusals and speed."""

import time

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics.pairwise import cosine_similarity

from medvlp.zeroshot.tiles import (
    first_occurrences,
    sigmoid,
    smooth_neighbours,
    smooth_overlaps,
    softmax,
    tile_cosines,
    tile_probabilities,
)
from tests.oracles import tile_scores

EXACT = {"rtol": 0, "atol": 1e-12}


def random_tiles(seed: int, *, n: int = 40, d: int = 8, c: int = 3):
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(d, c))
    return rng.normal(size=(n, d)), weights / np.linalg.norm(weights, axis=0)


def random_grid(rng: np.random.Generator, step: int, n: int) -> np.ndarray:
    """Return n positions on a grid with holes and duplicates, in random order."""
    return rng.integers(-3, 4, size=(n, 2)) * step


# Columns (1, 0) and (0, 1); the feature (3, 4) has cosines 0.6 and 0.8, so with scale 10 the second
# class gets 1 / (1 + exp(-2)).
def test_tile_probabilities__match_a_case_worked_by_hand() -> None:
    actual = tile_probabilities([[3.0, 4.0]], np.eye(2), 10)
    np.testing.assert_allclose(actual, [[1 - 0.8807970779778823, 0.8807970779778823]], **EXACT)


def test_tile_probabilities__match_explicit_loops() -> None:
    features, weights = random_tiles(1)
    expected = tile_scores.probabilities(features, weights, 25.0)
    np.testing.assert_allclose(tile_probabilities(features, weights, 25.0), expected, **EXACT)


def test_tile_cosines__match_scikit_learn() -> None:
    features, weights = random_tiles(2)
    expected = cosine_similarity(features, weights.T)
    np.testing.assert_allclose(tile_cosines(features, weights), expected, **EXACT)


def test_sigmoid__matches_scipy_and_survives_large_logits() -> None:
    logits = np.asarray([[-1e6, -40.0, -1.5], [0.0, 2.0, 1e6]])
    np.testing.assert_allclose(sigmoid(logits), scipy.special.expit(logits), **EXACT)


def test_softmax__matches_scipy_and_survives_large_logits() -> None:
    logits = np.random.default_rng(3).normal(size=(7, 4)) * 900
    np.testing.assert_allclose(softmax(logits), scipy.special.softmax(logits, axis=1), **EXACT)


def test_tile_probabilities__do_not_change_with_the_length_of_features() -> None:
    features, weights = random_tiles(4)
    np.testing.assert_allclose(
        tile_probabilities(features * 7.5, weights, 10),
        tile_probabilities(features, weights, 10),
        **EXACT,
    )


def test_tile_probabilities__follow_a_permutation_of_tiles_and_classes() -> None:
    features, weights = random_tiles(5)
    rows, columns = np.random.default_rng(0).permutation(40), [2, 0, 1]
    actual = tile_probabilities(features[rows], weights[:, columns], 10)
    expected = tile_probabilities(features, weights, 10)[rows][:, columns]
    np.testing.assert_allclose(actual, expected, **EXACT)


def test_tile_cosines__are_the_same_in_chunks() -> None:
    rng = np.random.default_rng(6)
    features = rng.normal(size=(20_000, 4)).astype(np.float16)
    weights = np.eye(4)[:, :2]
    actual = tile_cosines(features, weights)
    assert actual.dtype == np.float64
    np.testing.assert_allclose(actual[8190:8195], tile_cosines(features[8190:8195], weights))


@pytest.mark.parametrize(
    ("features", "weights", "scale", "phrase"),
    [
        (np.ones((3, 4)), np.ones((5, 2)), 10, "do not fit"),
        (np.ones(4), np.ones((4, 2)), 10, "do not fit"),
        (np.ones((3, 4)), np.ones((4, 2)), 0, "must be positive"),
        (np.ones((3, 4)), np.ones((4, 2)), np.inf, "must be positive"),
        (np.ones((3, 4)), np.ones((4, 2)), np.nan, "must be positive"),
    ],
)
def test_tile_probabilities__refuse_shapes_and_scales_that_cannot_be(
    features, weights, scale, phrase
) -> None:
    with pytest.raises(ValueError, match=phrase):
        tile_probabilities(features, weights, scale)


def test_first_occurrences__keep_the_first_row_of_every_position_in_order() -> None:
    coords = [[5, 5], [0, 0], [5, 5], [5, 0], [0, 0], [0, 5]]
    assert first_occurrences(coords).tolist() == [0, 1, 3, 5]


def test_first_occurrences__match_explicit_loops() -> None:
    coords = random_grid(np.random.default_rng(7), 256, 60)
    assert first_occurrences(coords).tolist() == tile_scores.first_rows(coords)


# Tiles at (0, 0), (10, 0), (0, 10), (10, 10) with values 1, 2, 3, 5 and step 10: the last one sees
# all four, the second and third see the first and themselves, the first only itself.
def test_smooth_overlaps__match_a_case_worked_by_hand() -> None:
    coords = [[0, 0], [10, 0], [0, 10], [10, 10]]
    actual = smooth_overlaps([[1.0], [2.0], [3.0], [5.0]], coords, 10)
    np.testing.assert_allclose(actual, [[1.0], [1.5], [2.0], [2.75]], **EXACT)


def test_smooth_overlaps__give_every_row_of_a_position_the_value_of_its_first_row() -> None:
    coords = [[0, 0], [10, 0], [0, 0], [10, 0]]
    actual = smooth_overlaps([[1.0], [2.0], [100.0], [200.0]], coords, 10)
    np.testing.assert_allclose(actual, [[1.0], [1.5], [1.0], [1.5]], **EXACT)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    n=st.integers(1, 60),
    step=st.tuples(st.sampled_from([1, 7, 256]), st.sampled_from([1, 5, 224])),
)
def test_smooth_overlaps__match_explicit_loops(seed: int, n: int, step: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    coords = rng.integers(-3, 4, size=(n, 2)) * np.asarray(step) + rng.integers(0, 2, size=(n, 2))
    values = rng.random((n, 3))
    expected = tile_scores.smoothed(values, coords.tolist(), step)
    np.testing.assert_allclose(smooth_overlaps(values, coords, step), expected, **EXACT)


def test_smooth_overlaps__do_not_depend_on_the_origin_or_the_order() -> None:
    rng = np.random.default_rng(8)
    coords = np.unique(random_grid(rng, 128, 40), axis=0)
    values = rng.random((len(coords), 2))
    expected = smooth_overlaps(values, coords, 128)
    order = rng.permutation(len(coords))
    moved = smooth_overlaps(values[order], coords[order] + [100_003, -7], 128)
    np.testing.assert_allclose(moved, expected[order], **EXACT)


def test_smooth_overlaps__leave_tiles_without_neighbours_alone() -> None:
    values = np.random.default_rng(9).random((3, 2))
    coords = [[0, 0], [10, 11], [20, 5]]
    np.testing.assert_allclose(smooth_overlaps(values, coords, 10), values, **EXACT)


def test_smooth_overlaps__keep_probabilities_that_sum_to_one() -> None:
    rng = np.random.default_rng(10)
    values = softmax(rng.normal(size=(50, 4)))
    actual = smooth_overlaps(values, random_grid(rng, 64, 50), 64)
    np.testing.assert_allclose(actual.sum(axis=1), 1, **EXACT)


def test_smooth_overlaps__find_neighbours_at_rounded_positions() -> None:
    step = 254.3
    grid = np.stack(np.meshgrid(np.arange(30), np.arange(20), indexing="ij"), -1).reshape(-1, 2)
    values = np.random.default_rng(11).random((len(grid), 2))
    expected = smooth_overlaps(values, grid * 254, 254)
    for rounding in (np.rint, np.floor):
        actual = smooth_overlaps(values, rounding(grid * step).astype(int), step)
        np.testing.assert_allclose(actual, expected, **EXACT)


def test_smooth_overlaps__whole_steps_match_exact_positions_only() -> None:
    values = np.asarray([[1.0], [3.0]])
    np.testing.assert_allclose(smooth_overlaps(values, [[0, 0], [11, 0]], 10), values, **EXACT)


def test_smooth_overlaps__take_one_step_or_a_pair_of_any_kind() -> None:
    values, coords = np.random.default_rng(0).random((4, 1)), [[0, 0], [8, 0], [0, 8], [8, 8]]
    expected = smooth_overlaps(values, coords, 8)
    for step in ((8, 8), [8, 8], np.asarray([8, 8]), 8.0, np.int64(8)):
        assert (smooth_overlaps(values, coords, step) == expected).all()


def test_smooth_overlaps__accept_no_tiles() -> None:
    empty = smooth_overlaps(np.zeros((0, 2)), np.zeros((0, 2), dtype=int), 10)
    assert empty.shape == (0, 2)


@pytest.mark.parametrize(
    ("values", "coords", "step", "phrase"),
    [
        (np.ones((2, 1)), np.zeros((3, 2), dtype=int), 10, "do not fit"),
        (np.ones(2), np.zeros((2, 2), dtype=int), 10, "do not fit"),
        (np.ones((2, 1)), np.zeros((2, 3), dtype=int), 10, r"shape \(N, 2\)"),
        (np.ones((2, 1)), np.zeros((2, 2)), 10, "must be integers"),
        (np.ones((2, 1)), np.zeros((2, 2), dtype=int), 0, "at least one pixel"),
        (np.ones((2, 1)), np.zeros((2, 2), dtype=int), (3, np.nan), "at least one pixel"),
        (np.ones((2, 1)), [[0, 0], [2**40, 0]], 10, "more than 2"),
    ],
)
def test_smooth_overlaps__refuse_what_does_not_fit(values, coords, step, phrase) -> None:
    with pytest.raises(ValueError, match=phrase):
        smooth_overlaps(values, coords, step)


def test_smooth_overlaps__take_a_large_slide_in_a_blink() -> None:
    side = 320
    grid = np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).reshape(-1, 2) * 128
    values = np.random.default_rng(12).random((len(grid), 4))
    start = time.perf_counter()
    smooth_overlaps(values, np.random.default_rng(0).permutation(grid), 128)
    assert time.perf_counter() - start < 2, "a loop over tiles has crept in"


# Neighbours (0, 1) of tile 0 and (1, 1) of tile 1: means 1.5 and 2.
def test_smooth_neighbours__match_a_case_worked_by_hand() -> None:
    actual = smooth_neighbours([[1.0], [2.0]], [[0, 1], [1, 1]])
    np.testing.assert_allclose(actual, [[1.5], [2.0]], **EXACT)


def test_smooth_neighbours__match_numpy_indexing() -> None:
    rng = np.random.default_rng(13)
    values, index = rng.random((20, 3)), rng.integers(0, 20, size=(20, 8))
    np.testing.assert_allclose(smooth_neighbours(values, index), values[index].mean(1), **EXACT)


@pytest.mark.parametrize(
    ("index", "phrase"),
    [([[0], [2]], "must be in 0..1"), ([[0], [-1]], "must be in"), ([[0]], "do not fit")],
)
def test_smooth_neighbours__refuse_rows_that_do_not_exist(index, phrase) -> None:
    with pytest.raises(ValueError, match=phrase):
        smooth_neighbours(np.ones((2, 1)), index)
