import pytest

from medvlp.knowledge.phrases import END, Phrase, PhraseIndex, bag_key, marks_in
from tests.knowledge.linking_graph import small_graph, term


def at(index: PhraseIndex, text: str) -> list[str]:
    node = index.trie
    for word in text.split():
        node = node.get(word, {})
    return [phrase.concept_id for phrase in node.get(END, ())]


@pytest.fixture(scope="module")
def index() -> PhraseIndex:
    return PhraseIndex(small_graph())


def test_phrase_index__holds_names_and_synonyms_by_normal_words(index: PhraseIndex) -> None:
    assert at(index, "carcinoma of kidney") == ["T:1"]
    assert at(index, "crohn disease") == ["T:6"]
    assert at(index, "rcc") == ["T:2"]


def test_phrase_index__turns_a_comma_form_round(index: PhraseIndex) -> None:
    assert at(index, "dilated cardiomyopathy") == ["T:7"]


def test_phrase_index__writes_hyphenated_words_together(index: PhraseIndex) -> None:
    assert at(index, "nonsmall cell carcinoma") == at(index, "non small cell carcinoma") == ["T:9"]


def test_phrase_index__gives_all_terms_of_a_shared_name(index: PhraseIndex) -> None:
    assert at(index, "twin syndrome") == ["T:13", "T:14"]


def test_phrase_index__trusts_a_name_more_than_a_related_synonym(index: PhraseIndex) -> None:
    related = index.trie["congestive"]["cardiomyopathy"][END][0]
    assert (related.match, related.confidence) == ("synonym", 0.7)
    assert index.trie["pneumonia"][END][0].confidence == 1.0


def test_phrase_index__keeps_the_marks_of_every_way_to_write_a_name() -> None:
    for names in (("a-b fusion", "a:b fusion"), ("a:b fusion", "a-b fusion")):
        index = PhraseIndex([term("1", *names)])
        (phrase,) = index.trie["a"]["b"]["fusion"][END]
        assert phrase.marks == frozenset(":")


def test_phrase_index__drops_what_says_nothing() -> None:
    index = PhraseIndex([term("1", "gout NOS")], [("red gout", Phrase("T:2", "synonym", 0.5))])
    assert at(index, "gout") == ["T:1"]
    assert at(index, "red gout") == ["T:2"]


def test_bag_key__forgets_order_small_words_and_forms_of_organs() -> None:
    expected = ("carcinoma", "kidney")
    for words in (["renal", "carcinoma"], ["carcinoma", "of", "the", "kidney"]):
        assert bag_key(words) == expected


@pytest.mark.parametrize("words", [["gout"], ["type", "2"], ["a"] * 9, list("ab"), ["word"] * 8])
def test_bag_key__is_none_for_short_long_and_numbered(words: list[str]) -> None:
    assert bag_key(words) is None


def test_marks_in__ignores_hyphens_and_slashes() -> None:
    assert marks_in("a-b/c 'd'") == frozenset()
    assert marks_in("a, b (c)") == {",", "(", ")"}
