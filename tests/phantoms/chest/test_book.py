"""The book of the made-up findings."""

import re

import pytest
import yaml

from medvlp.knowledge.facets import load_finding_book
from medvlp.phantoms.chest.book import (
    phantom_appearances,
    phantom_definition,
    phantom_findings_yaml,
)
from medvlp.phantoms.chest.traits import PHANTOM_FINDINGS, SEEN, SYNONYMS, UNSEEN
from medvlp.phantoms.chest.wording import TRAIT_WORDS


def words_of(name):
    text = " ".join((phantom_definition(name), *phantom_appearances(name)))
    one = text.lower().replace("lucencies", "lucency").replace("opacities", "opacity")
    return set(
        re.findall(r"[a-z-]+", one.replace("shadows", "shadow").replace("defects", "defect"))
    )


@pytest.mark.parametrize("name", PHANTOM_FINDINGS)
def test_texts__say_each_trait_in_three_ways_and_never_the_name(name):
    traits = PHANTOM_FINDINGS[name]
    text = " ".join((phantom_definition(name), *phantom_appearances(name))).lower()
    for trait, value in zip(TRAIT_WORDS, traits.words, strict=True):
        assert all(word in text for word in TRAIT_WORDS[trait][value]), (name, trait)
    assert name not in text
    assert SYNONYMS[name] not in text


def test_texts__of_unseen_findings_use_words_that_seven_seen_ones_use():
    for name in UNSEEN:
        for word in words_of(name):
            assert sum(word in words_of(seen) for seen in SEEN) >= 7, (name, word)


def test_texts__tell_findings_apart():
    texts = {phantom_definition(name) for name in PHANTOM_FINDINGS}
    assert len(texts) == len(PHANTOM_FINDINGS)


def test_yaml__holds_the_findings_asked_for():
    book = yaml.safe_load(phantom_findings_yaml())
    assert tuple(book["findings"]) == tuple(PHANTOM_FINDINGS)
    entry = book["findings"]["vontas"]
    assert entry["synonyms"] == [SYNONYMS["vontas"]]
    assert entry["definition"] == phantom_definition("vontas")
    assert len(entry["appearances"]) >= 4
    assert entry["sided"] is True
    assert tuple(yaml.safe_load(phantom_findings_yaml(SEEN))["findings"]) == SEEN


def test_yaml__is_a_book_of_findings(tmp_path):
    path = tmp_path / "phantom.yaml"
    path.write_text(phantom_findings_yaml(), encoding="utf-8")
    book = load_finding_book(path)
    assert book.names == tuple(PHANTOM_FINDINGS)
    assert book.find(SYNONYMS["molune"].upper()).name == "molune"
