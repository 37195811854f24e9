"""From tiles to slides: hand-worked cases, loop oracles, ties, invariances, refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvlp.zeroshot.pooling import (
    detection_ratio,
    label_tiles,
    pool_mean,
    pool_top_j,
    subtype_ratio,
)
from tests.oracles import tile_scores

EXACT = {"rtol": 0, "atol": 1e-12}
# One-hot tiles, to write slides as lists of labels.
HOT = np.eye(4)


def test_detection_ratio__counts_tiles_strictly_above_the_threshold() -> None:
    assert detection_ratio([0.4, 0.5, 0.6, 0.9]) == 0.5
    assert detection_ratio([0.4, 0.5, 0.6, 0.9], threshold=0.3) == 1.0
    assert detection_ratio([0.5]) == 0.0


@pytest.mark.parametrize("values", [[], [[0.5]]])
def test_detection_ratio__refuses_a_slide_without_tiles(values) -> None:
    with pytest.raises(ValueError, match="at least one tile"):
        detection_ratio(values)


# Labels 0 0 0 1 1 2 with class 0 normal: two of three subtype tiles are class 1.
def test_subtype_ratio__matches_a_case_worked_by_hand() -> None:
    found = subtype_ratio(HOT[[0, 0, 0, 1, 1, 2]][:, :3], normal=0)
    assert found.label == 1
    assert found.share == pytest.approx(2 / 3)
    np.testing.assert_allclose(found.fractions, [1 / 2, 1 / 3, 1 / 6], **EXACT)
    np.testing.assert_allclose(found.counted_shares, [0, 2 / 3, 1 / 3], **EXACT)
    assert found.rule == "most tiles among subtypes"


def test_subtype_ratio__lets_the_second_choice_decide_where_all_tiles_are_normal() -> None:
    scores = [[0.9, 0.02, 0.08], [0.9, 0.03, 0.07], [0.8, 0.15, 0.05]]
    found = subtype_ratio(scores, normal=0)
    assert (found.label, found.share) == (2, pytest.approx(2 / 3))
    assert found.fractions.tolist() == [1, 0, 0]
    assert found.rule == "all tiles are normal: best subtype of every tile"


def test_subtype_ratio__lets_the_second_choice_decide_a_tie() -> None:
    scores = [[0.1, 0.9, 0.0], [0.1, 0.0, 0.9], [0.9, 0.02, 0.08]]
    found = subtype_ratio(scores, normal=0)
    assert (found.label, found.share) == (2, pytest.approx(2 / 3))
    assert found.rule == "two subtypes tie: best subtype of every tile"


def test_subtype_ratio__says_so_where_the_tie_remains() -> None:
    found = subtype_ratio([[0.0, 0.9, 0.1], [0.0, 0.1, 0.9]], normal=0)
    assert (found.label, found.share) == (1, 0.5)
    assert found.rule.endswith("still tied, first class in order")


def test_subtype_ratio__plain_rule_takes_the_first_class() -> None:
    scores = [[0.9, 0.02, 0.08], [0.9, 0.03, 0.07]]
    found = subtype_ratio(scores, normal=0, undecided="first-class")
    assert (found.label, found.share) == (1, 0.0)
    assert subtype_ratio(scores, normal=2, undecided="first-class").label == 0


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    n=st.integers(1, 30),
    c=st.integers(2, 5),
    normal=st.integers(0, 4),
    lean=st.floats(0, 3),
)
def test_subtype_ratio__matches_explicit_loops(
    seed: int, n: int, c: int, normal: int, lean: float
) -> None:
    normal %= c
    scores = np.random.default_rng(seed).normal(size=(n, c))
    scores[:, normal] += lean
    found = subtype_ratio(scores, normal)
    label, share = tile_scores.slide_label(scores.tolist(), normal)
    assert (found.label, found.share) == (label, pytest.approx(share))
    plain = subtype_ratio(scores, normal, undecided="first-class")
    assert plain.label == tile_scores.plain_label(scores.tolist(), normal)


def test_subtype_ratio__does_not_depend_on_the_order_of_tiles() -> None:
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(50, 4))
    found = subtype_ratio(scores, 3)
    again = subtype_ratio(scores[rng.permutation(50)], 3)
    assert (found.label, found.share, found.rule) == (again.label, again.share, again.rule)


@pytest.mark.parametrize(
    ("shape", "normal", "phrase"),
    [((0, 3), 0, "at least one tile"), ((4, 1), 0, "at least two"), ((4, 3), 3, "got 3 of 3")],
)
def test_subtype_ratio__refuses_what_cannot_be_judged(shape, normal, phrase) -> None:
    with pytest.raises(ValueError, match=phrase):
        subtype_ratio(np.zeros(shape), normal)


# Column 0: 3, 1, 2 -> top 2 are 3 and 2; column 1: 0, 5, 1 -> 5 and 1.
def test_pool_top_j__matches_a_case_worked_by_hand() -> None:
    scores = [[3.0, 0.0], [1.0, 5.0], [2.0, 1.0]]
    np.testing.assert_allclose(pool_top_j(scores, 2), [2.5, 3.0], **EXACT)
    np.testing.assert_allclose(pool_top_j(scores, 2, "sum"), [5.0, 6.0], **EXACT)


@pytest.mark.parametrize("aggregate", ["mean", "sum"])
@pytest.mark.parametrize("j", [1, 2, 7, 8, 100])
def test_pool_top_j__matches_explicit_loops(j: int, aggregate) -> None:
    scores = np.random.default_rng(j).normal(size=(8, 3))
    expected = tile_scores.top_j(scores.tolist(), j, aggregate)
    np.testing.assert_allclose(pool_top_j(scores, j, aggregate), expected, **EXACT)


def test_pool_top_j__of_all_tiles_is_the_mean() -> None:
    scores = np.random.default_rng(2).normal(size=(9, 4))
    np.testing.assert_allclose(pool_top_j(scores, 9), pool_mean(scores), **EXACT)
    np.testing.assert_allclose(pool_top_j(scores, 1), scores.max(axis=0), **EXACT)


def test_pool_top_j__is_bitwise_independent_of_the_order_of_tiles() -> None:
    rng = np.random.default_rng(3)
    scores = rng.normal(size=(200, 3))
    assert (pool_top_j(scores, 50) == pool_top_j(scores[rng.permutation(200)], 50)).all()


def test_pool_top_j__leaves_its_input_alone() -> None:
    scores = np.random.default_rng(4).normal(size=(9, 4))
    before = scores.copy()
    pool_top_j(scores, 3)
    assert (scores == before).all()


@pytest.mark.parametrize(("shape", "j"), [((0, 2), 1), ((3, 0), 1), ((3, 2), 0), ((3,), 1)])
def test_pool_top_j__refuses_no_tiles_and_no_j(shape, j) -> None:
    with pytest.raises(ValueError, match="at least"):
        pool_top_j(np.zeros(shape), j)


def test_pool_mean__matches_numpy_and_refuses_no_tiles() -> None:
    scores = np.random.default_rng(5).normal(size=(9, 4))
    np.testing.assert_allclose(pool_mean(scores), np.mean(scores, axis=0), **EXACT)
    with pytest.raises(ValueError, match="at least one tile"):
        pool_mean(np.zeros((0, 2)))


# Slide class 2, threshold 0.5: sure normal, sure class 2, another class, unsure class 2.
def test_label_tiles__matches_a_case_worked_by_hand() -> None:
    rows = [[0.8, 0.1, 0.1], [0.1, 0.2, 0.7], [0.1, 0.8, 0.1], [0.3, 0.2, 0.5]]
    assert label_tiles(rows, 2, 0.5).tolist() == [0, 2, -2, -2]


@pytest.mark.parametrize("slide_class", [0, 3, -1])
def test_label_tiles__refuses_a_class_that_no_slide_has(slide_class: int) -> None:
    with pytest.raises(ValueError, match=r"must be in 1\.\.2"):
        label_tiles(np.ones((2, 3)) / 3, slide_class, 0.5)
