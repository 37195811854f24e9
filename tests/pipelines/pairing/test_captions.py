"""Near-duplicate captions agree with a comparison of all pairs; the ranking with its formula."""

import itertools
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvlp.pipelines.pairing.captions import (
    caption_families,
    rank_captions,
    similar_captions,
    word_set,
)
from medvlp.pipelines.pairing.settings import CaptionMerging

words = st.frozensets(st.sampled_from("abcdefghijkl"), min_size=1, max_size=11)


def all_pairs(sets, scopes, rule: Literal["iou", "difference"], min_iou: float):
    """Every pair compared, from the words of the rule."""
    found = set()
    for i, j in itertools.combinations(range(len(sets)), 2):
        if scopes[i] != scopes[j]:
            continue
        a, b = sets[i], sets[j]
        if rule == "iou":
            near = len(a & b) * 1000 > round(min_iou * 1000) * len(a | b)
        else:
            near = bool(a & b) and 2 in (len(a - b), len(b - a))
        if near:
            found.add((i, j))
    return found


def pairs_of(sets, scopes, merging) -> set[tuple[int, int]]:
    blocks = list(similar_captions(sets, scopes, merging))
    found = [pair for i, j in blocks for pair in zip(i.tolist(), j.tolist(), strict=True)]
    assert len(found) == len(set(found))
    return {(min(pair), max(pair)) for pair in found}


def joined(count: int, pairs) -> list[int]:
    family = list(range(count))
    for _ in range(count):
        for i, j in pairs:
            family[i] = family[j] = min(family[i], family[j])
    return family


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(words, st.sampled_from(["", "x"])), min_size=1, max_size=24))
@pytest.mark.parametrize(("rule", "min_iou"), [("iou", 0.9), ("iou", 0.5), ("difference", 0.9)])
def test_similar_captions__equals_a_comparison_of_all_pairs(rule, min_iou, items) -> None:
    sets, scopes = [item[0] for item in items], [item[1] for item in items]
    merging = CaptionMerging(rule=rule, min_iou=min_iou)
    expected = all_pairs(sets, scopes, rule, min_iou)
    assert pairs_of(sets, scopes, merging) == expected
    assert caption_families(sets, scopes, merging).tolist() == joined(len(sets), expected)


def test_similar_captions__excludes_a_ratio_of_exactly_the_threshold() -> None:
    ten = [f"w{i}" for i in range(10)]
    sets = [frozenset(ten), frozenset(ten[:9]), frozenset([*ten, "x"])]
    assert pairs_of(sets, ["", "", ""], CaptionMerging()) == {(0, 2)}


def test_similar_captions__works_over_several_blocks() -> None:
    rng = np.random.default_rng(0)
    base = [frozenset(f"{i}_{k}" for k in range(12)) for i in range(1500)]
    twins = [frozenset(list(sorted(item))[:11]) for item in base]
    order = rng.permutation(3000)
    sets = [(base + twins)[place] for place in order]
    found = pairs_of(sets, [""] * 3000, CaptionMerging())
    assert len(found) == 1500
    assert {(order[i] % 1500, order[j] % 1500) for i, j in found} == {(i, i) for i in range(1500)}


def test_rank_captions__puts_the_middle_one_first() -> None:
    captions = ["a b c d", "a b c e", "a b c", "x y z"]
    assert rank_captions(captions, [1, 1, 1, 1])[0] == 2
    assert rank_captions(captions, [1, 1, 1, 1])[-1] == 3


def test_rank_captions__follows_the_weighted_mean_of_iou() -> None:
    captions, weights = ["a b", "b c", "c d e"], [5, 1, 2]
    sets = [word_set(text) for text in captions]
    score = [
        sum(w * len(a & b) / len(a | b) for b, w in zip(sets, weights, strict=True)) for a in sets
    ]
    expected = sorted(range(3), key=lambda i: -score[i])
    assert rank_captions(captions, weights) == expected


def test_rank_captions__uses_features_where_given_and_breaks_ties_by_weight_then_alphabet() -> None:
    features = np.array([[1, 0], [0.8, 0.6], [0, 1]], dtype=np.float32)
    assert rank_captions(["p", "q", "r"], [1, 1, 1], features)[0] == 1
    same = np.ones((3, 1), dtype=np.float32)
    assert rank_captions(["b", "a", "c"], [1, 1, 2], same) == [2, 1, 0]
