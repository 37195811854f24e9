"""The made-up findings and what they look like."""

from collections import Counter
from itertools import combinations, permutations
from operator import itemgetter

from medvlp.phantoms.chest.traits import PHANTOM_FINDINGS, SEEN, SYNONYMS, TRAIT_NAMES, UNSEEN


def test_findings__are_40_seen_and_8_unseen():
    assert len(SEEN) == 40
    assert len(UNSEEN) == 8
    assert (*SEEN, *UNSEEN) == tuple(PHANTOM_FINDINGS)


def test_names__are_all_different():
    names = [*PHANTOM_FINDINGS, *SYNONYMS.values()]
    assert len(set(names)) == len(names) == 96
    assert not [pair for pair in combinations(names, 2) if pair[0] in pair[1] or pair[1] in pair[0]]


def test_unseen_findings__have_traits_that_seven_seen_ones_share():
    for place, trait in enumerate(TRAIT_NAMES):
        seen = Counter(PHANTOM_FINDINGS[name].words[place] for name in SEEN)
        for name in UNSEEN:
            assert seen[PHANTOM_FINDINGS[name].words[place]] >= 7, (name, trait)


def test_unseen_findings__have_pairs_of_traits_that_seen_ones_share():
    shared = []
    for one, other in combinations(range(len(TRAIT_NAMES)), 2):
        seen = Counter(itemgetter(one, other)(PHANTOM_FINDINGS[name].words) for name in SEEN)
        shared += [seen[itemgetter(one, other)(PHANTOM_FINDINGS[name].words)] for name in UNSEEN]
    assert min(shared) >= 1
    assert sum(shared) / len(shared) > 3.5


def test_findings__differ_in_two_traits_and_unseen_ones_in_three():
    for first, second in combinations(PHANTOM_FINDINGS, 2):
        pairs = zip(PHANTOM_FINDINGS[first].words, PHANTOM_FINDINGS[second].words, strict=True)
        assert sum(a != b for a, b in pairs) >= (2 if second in SEEN else 3), (first, second)


def test_traits__do_not_tell_each_other():
    """A value beside streaks is together with no value of another trait in most of its findings."""
    seen = [
        PHANTOM_FINDINGS[name].words for name in SEEN if PHANTOM_FINDINGS[name].shape != "streaks"
    ]
    for one, other in permutations(range(len(TRAIT_NAMES)), 2):
        values = Counter(words[one] for words in seen)
        pairs = Counter((words[one], words[other]) for words in seen)
        for (value, with_value), count in pairs.items():
            assert count / values[value] <= 0.85, (value, with_value)
