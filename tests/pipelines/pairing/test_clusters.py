"""Clusters follow their rules as written down, whatever the order and the sizes of blocks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvlp.pipelines.pairing import clusters
from medvlp.pipelines.pairing.clusters import cluster_images, components
from medvlp.pipelines.pairing.settings import ImageDuplicates


def on_a_circle(degrees) -> np.ndarray:
    angle = np.deg2rad(np.asarray(degrees, dtype=np.float64))
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


def greedy_stars(table: np.ndarray, cosine: float) -> list[int]:
    """The published rule, one image after the other."""
    taken = [-1] * len(table)
    for i in range(len(table)):
        if taken[i] >= 0:
            continue
        taken[i] = i
        for j in range(i + 1, len(table)):
            if taken[j] < 0 and table[i, j] > cosine:
                taken[j] = i
    return taken


def flood(table: np.ndarray, cosine: float) -> list[int]:
    label = [-1] * len(table)
    for i in range(len(table)):
        stack = [i] if label[i] < 0 else []
        while stack:
            here = stack.pop()
            if label[here] < 0:
                label[here] = i
                stack.extend(np.flatnonzero(table[here] > cosine).tolist())
    return label


def test_cluster_images__stars_do_not_chain_and_components_do() -> None:
    features = on_a_circle([0, 15, 30, 45, 180])  # cos 15 = 0.966, cos 30 = 0.866
    names = list("abcde")
    star = cluster_images(features, [""] * 5, names, ImageDuplicates(rule="star"))
    chain = cluster_images(features, [""] * 5, names, ImageDuplicates(rule="components"))
    none = cluster_images(features, [""] * 5, names, ImageDuplicates(rule="none"))
    assert star.tolist() == [0, 0, 2, 2, 4]
    assert chain.tolist() == [0, 0, 0, 0, 4]
    assert none.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("search", ["exact", "flat"])
@pytest.mark.parametrize(("rule", "oracle"), [("star", greedy_stars), ("components", flood)])
def test_cluster_images__equals_the_rule_written_out(rule, oracle, search, monkeypatch) -> None:
    monkeypatch.setattr(clusters, "_MANY_PAIRS", 40)
    rng = np.random.default_rng(5)
    centers = rng.normal(size=(40, 8))
    features = centers[rng.integers(40, size=300)] + rng.normal(size=(300, 8)) * 0.25
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    table = features.astype(np.float64) @ features.astype(np.float64).T
    names = [f"{i:04d}" for i in range(300)]
    chosen = ImageDuplicates(rule=rule, search=search, cosine=0.93)
    found = cluster_images(features, [""] * 300, names, chosen)
    assert found.tolist() == oracle(table, 0.93)
    assert 1 < len(set(found.tolist())) < 300


@settings(max_examples=60, deadline=None)
@given(
    degrees=st.lists(st.integers(0, 359), min_size=1, max_size=20),
    order=st.randoms(use_true_random=False),
    rule=st.sampled_from(["star", "components"]),
)
def test_cluster_images__do_not_depend_on_the_order(degrees, order, rule) -> None:
    count = len(degrees)
    names = [f"n{i:02d}" for i in range(count)]
    scopes = ["s" if value % 2 else "t" for value in degrees]
    chosen = ImageDuplicates(rule=rule)

    def named(places):
        found = cluster_images(
            on_a_circle([degrees[p] for p in places]),
            [scopes[p] for p in places],
            [names[p] for p in places],
            chosen,
        )
        return {names[p]: names[places[c]] for p, c in zip(places, found, strict=True)}

    places = list(range(count))
    order.shuffle(places)
    result = named(places)
    assert result == named(list(range(count)))
    assert all(scopes[names.index(a)] == scopes[names.index(b)] for a, b in result.items())


def test_cluster_images__takes_many_copies_of_one_image() -> None:
    features = np.repeat(on_a_circle([10]), 5000, axis=0)
    names = [f"{i:05d}" for i in range(5000)]
    for rule in ("star", "components"):
        found = cluster_images(features, [""] * 5000, names, ImageDuplicates(rule=rule))
        assert set(found.tolist()) == {0}


def test_cluster_images__switches_to_faiss_above_a_number(monkeypatch) -> None:
    asked = []
    build = clusters.build_search

    def note(features, kind):
        asked.append((len(features), kind))
        return build(features, kind)

    monkeypatch.setattr(clusters, "build_search", note)
    chosen = ImageDuplicates(exact_up_to=3)
    names = [str(i) for i in range(7)]
    cluster_images(on_a_circle(range(0, 70, 10)), list("aaabbbb"), names, chosen)
    assert asked == [(3, "exact"), (4, "ivf")]


def test_components__give_the_first_member() -> None:
    found = components(6, np.array([4, 1, 5]), np.array([1, 2, 5]))
    assert found.tolist() == [0, 1, 1, 3, 1, 5]
