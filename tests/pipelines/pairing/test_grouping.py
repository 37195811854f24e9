"""Groups are what ties join, as a walk over all pairs of images finds them."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medvlp.pipelines.pairing.caption_quality import normalize_caption
from medvlp.pipelines.pairing.grouping import CaptionedImage, group_images
from medvlp.pipelines.pairing.settings import CaptionMerging

CAPTIONS = [
    "alpha beta gamma delta epsilon zeta eta theta iota kappa",
    "alpha beta gamma delta epsilon zeta eta theta iota kappa extra",
    "Alpha beta, gamma delta epsilon zeta eta theta iota kappa!",
    "one two three",
    "one two three four",
    "something else",
]
one_image = st.tuples(
    st.lists(st.sampled_from(CAPTIONS), min_size=1, max_size=2, unique=True),
    st.sampled_from(["", "v"]),
    st.sampled_from(["", "", "g"]),
    st.integers(0, 6),
)


def tied(a, b, merging: CaptionMerging) -> bool:
    """Whether two images belong together, from the words of the rules."""
    (captions_a, scope_a, group_a, cluster_a), (captions_b, scope_b, group_b, cluster_b) = a, b
    if cluster_a == cluster_b or (group_a and group_a == group_b):
        return True
    if scope_a != scope_b and not merging.across_scopes:
        return False
    for x, y in itertools.product(captions_a, captions_b):
        x_words, y_words = (normalize_caption(text).split() for text in (x, y))
        if merging.merge != "none" and x_words == y_words:
            return True
        p, q = set(x_words), set(y_words)
        if merging.merge == "similar" and 10 * len(p & q) > 9 * len(p | q):
            return True
    return False


def brute_force(items, merging: CaptionMerging) -> list[int]:
    label = list(range(len(items)))
    changed = True
    while changed:
        changed = False
        for i, j in itertools.combinations(range(len(items)), 2):
            if label[i] != label[j] and tied(items[i], items[j], merging):
                label[i] = label[j] = min(label[i], label[j])
                changed = True
    return label


def partition(labels, names) -> set[frozenset[str]]:
    groups: dict[int, set[str]] = {}
    for label, name in zip(labels, names, strict=True):
        groups.setdefault(int(label), set()).add(name)
    return {frozenset(group) for group in groups.values()}


def build(items, names):
    images = [
        CaptionedImage(name=name, captions=tuple(captions), scope=scope, group=group)
        for name, (captions, scope, group, _) in zip(names, items, strict=True)
    ]
    return images, np.array([item[3] for item in items], dtype=np.int64)


def with_cluster_places(items):
    """Turn drawn cluster numbers into the place of a cluster's first image."""
    first: dict[int, int] = {}
    return [(*item[:3], first.setdefault(item[3], place)) for place, item in enumerate(items)]


@settings(max_examples=120, deadline=None)
@given(
    items=st.lists(one_image, min_size=1, max_size=9),
    merge=st.sampled_from(["similar", "identical", "none"]),
    across=st.booleans(),
    order=st.randoms(use_true_random=False),
)
def test_group_images__equals_brute_force_in_any_order(items, merge, across, order) -> None:
    merging = CaptionMerging(merge=merge, across_scopes=across, per_group=None)
    names = [f"image{i}" for i in range(len(items))]
    placed = with_cluster_places(items)
    images, clusters = build(placed, names)
    grouping = group_images(images, clusters, merging)
    assert partition(grouping.group_of, names) == partition(brute_force(placed, merging), names)

    places = list(range(len(items)))
    order.shuffle(places)
    moved = with_cluster_places([items[p] for p in places])
    again = group_images(*build(moved, [names[p] for p in places]), merging)
    assert dict(zip([names[p] for p in places], again.group_of.tolist(), strict=True)) == dict(
        zip(names, grouping.group_of.tolist(), strict=True)
    )
    assert again.captions == grouping.captions


def make(captions, **fields) -> list[CaptionedImage]:
    return [
        CaptionedImage(name=f"i{place}", captions=(text,), **fields)
        for place, text in enumerate(captions)
    ]


def test_group_images__keeps_one_caption_of_near_duplicates_and_counts_the_rest() -> None:
    images = make([CAPTIONS[0], CAPTIONS[2], CAPTIONS[1], "one two three"])
    grouping = group_images(images, np.zeros(4, np.int64), CaptionMerging(per_group=None))
    assert grouping.captions == ((CAPTIONS[2], "one two three"),)
    assert grouping.num_dropped_captions == 1
    single = group_images(images, np.zeros(4, np.int64), CaptionMerging())
    assert single.captions == ((CAPTIONS[2],),)


def test_group_images__spells_a_caption_as_most_do() -> None:
    images = make(["Lung Cancer", "lung cancer", "lung cancer"])
    grouping = group_images(images, np.arange(3), CaptionMerging())
    assert grouping.captions == (("lung cancer",),)


def test_group_images__ranks_captions_by_the_text_model() -> None:
    class Texts:
        def embed(self, texts):
            table = {"x one": [1.0, 0.0], "y two": [0.8, 0.6], "z three": [0.0, 1.0]}
            return np.array([table[text] for text in texts], dtype=np.float32)

    images = make(["x one", "y two", "z three"])
    grouping = group_images(images, np.zeros(3, np.int64), CaptionMerging(), Texts())
    assert grouping.captions == (("y two",),)


def test_group_images__counts_groups_after_each_kind_of_tie() -> None:
    images = make([CAPTIONS[0], CAPTIONS[1], CAPTIONS[2], "one two", "three four", "five six"])
    grouping = group_images(images, np.array([0, 1, 2, 3, 4, 4]), CaptionMerging())
    assert list(grouping.counts.values()) == [5, 5, 4, 3]


@pytest.mark.parametrize("count", [0, 1])
def test_group_images__takes_none_and_one(count: int) -> None:
    grouping = group_images(make(["a b"] * count), np.arange(count), CaptionMerging())
    assert grouping.group_of.tolist() == [0] * count
    assert len(grouping.captions) == count
