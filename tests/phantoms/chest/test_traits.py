"""The made-up findings and what they look like."""

from collections import Counter
from itertools import combinations

from medvlp.phantoms.chest.traits import PHANTOM_FINDINGS, SEEN, SYNONYMS, TRAIT_NAMES, UNSEEN


def test_findings__are_16_seen_and_8_unseen():
    assert len(SEEN) == 16
    assert len(UNSEEN) == 8
    assert (*SEEN, *UNSEEN) == tuple(PHANTOM_FINDINGS)


def test_names__are_all_different():
    names = [*PHANTOM_FINDINGS, *SYNONYMS.values()]
    assert len(set(names)) == len(names) == 48
    assert not [pair for pair in combinations(names, 2) if pair[0] in pair[1] or pair[1] in pair[0]]


def test_unseen_findings__have_traits_that_three_seen_ones_share():
    for place, trait in enumerate(TRAIT_NAMES):
        seen = Counter(PHANTOM_FINDINGS[name].words[place] for name in SEEN)
        for name in UNSEEN:
            assert seen[PHANTOM_FINDINGS[name].words[place]] >= 3, (name, trait)


def test_findings__differ_in_three_traits_or_more():
    for first, second in combinations(PHANTOM_FINDINGS.values(), 2):
        assert sum(a != b for a, b in zip(first.words, second.words, strict=True)) >= 3


def test_findings__pair_each_shape_with_each_zone_once_at_most():
    pairs = Counter((traits.shape, traits.zone) for traits in PHANTOM_FINDINGS.values())
    assert max(pairs.values()) == 1
