"""Words of traits and of reports."""

from itertools import chain

from medvlp.phantoms.chest.traits import PHANTOM_FINDINGS, SYNONYMS, TRAIT_NAMES
from medvlp.phantoms.chest.wording import (
    CONCLUDED,
    FOUND,
    OTHER_SENTENCES,
    TRAIT_WORDS,
    noun_words,
    trait_words,
)


def test_trait_words__say_every_trait_that_occurs():
    assert tuple(TRAIT_WORDS) == TRAIT_NAMES
    for place, trait in enumerate(TRAIT_NAMES):
        values = {traits.words[place] for traits in PHANTOM_FINDINGS.values()}
        assert values == set(TRAIT_WORDS[trait])


def test_trait_words__of_two_values_are_never_the_same():
    for values in TRAIT_WORDS.values():
        words = list(chain.from_iterable(values.values()))
        assert len(set(words)) == len(words)


def test_noun_words__follow_brightness_and_count():
    assert noun_words(PHANTOM_FINDINGS["molune"], 0) == "lucency"
    assert noun_words(PHANTOM_FINDINGS["dravik"], 0) == "lucencies"
    assert noun_words(PHANTOM_FINDINGS["jastel"], 1) == "shadow"
    assert trait_words(PHANTOM_FINDINGS["jastel"], 1)["shape"] == "triangular"


def test_templates__name_no_finding():
    templates = [*chain(*FOUND.values()), *chain(*CONCLUDED.values()), *chain(*OTHER_SENTENCES)]
    text = " ".join(templates).lower()
    assert not [name for name in (*PHANTOM_FINDINGS, *SYNONYMS.values()) if name in text]
