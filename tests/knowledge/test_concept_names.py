"""What a concept is called, without what is held out."""

import pytest

from medvlp.errors import KnowledgeError
from medvlp.knowledge.concept_names import ConceptNames, read_held_out
from medvlp.knowledge.graph import KnowledgeGraph, Synonym, Term


@pytest.fixture
def graph() -> KnowledgeGraph:
    synonyms = (Synonym("Two  words", "EXACT"), Synonym("wide", "BROAD"), Synonym("one", "EXACT"))
    return KnowledgeGraph([Term("X:1", "one", synonyms)])


def test_names__are_the_name_and_synonyms_of_the_scopes_once_each(graph):
    assert ConceptNames(graph).of("X:1") == ("one", "Two words")
    assert ConceptNames(graph, scopes=("BROAD",)).of("X:1") == ("one", "wide")
    assert ConceptNames(graph, use_synonyms=False).of("X:1") == ("one",)


def test_names__leave_out_what_is_held_out_whatever_the_spelling(graph):
    names = ConceptNames(graph, held_out=["TWO-WORDS"])
    assert names.of("X:1") == ("one",)
    assert names.is_held_out("two word")
    assert not names.is_held_out("two")
    assert ConceptNames(graph, held_out=["one"]).of("X:1") == ("Two words",)


def test_names__know_normal_tissue_and_extra_concepts(graph):
    names = ConceptNames(graph, extra={"fat": ("adipose tissue",)})
    assert names.of("normal")[0] == "normal tissue"
    assert names.of("fat") == ("adipose tissue",)
    assert (names.is_extra("fat"), names.is_extra("X:1")) == (True, False)
    with pytest.raises(KnowledgeError, match="MV2001"):
        names.of("muscle")


def test_read_held_out__takes_lines(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("a b \n\n c\n", encoding="utf-8")
    assert read_held_out(path) == ("a b", "c")
