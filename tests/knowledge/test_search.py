import pytest

from medvlp.errors import KnowledgeError
from medvlp.knowledge.graph import KnowledgeGraph
from medvlp.knowledge.search import resolve_term, search_terms
from tests.knowledge.example_graphs import term, tumour_graph


@pytest.mark.parametrize(
    ("query", "id_"),
    [
        ("glioblastma", "X:8"),
        ("GBM", "X:8"),
        ("adenocarcinomas of the lungs", "X:6"),
        ("carcinoma squamous cell lung", "X:7"),
        ("luad", "X:6"),
        ("brain cancr", "X:5"),
        ("X:55", "X:5"),
        (" x:55 ", "X:5"),
    ],
)
def test_search_terms__puts_the_meant_term_first(query, id_):
    assert search_terms(tumour_graph(), query)[0].id == id_


def test_search_terms__lists_each_term_once_and_the_nearest_name():
    hits = search_terms(tumour_graph(), "lung cancer", limit=3)
    assert hits[0].score == 100
    assert len({hit.id for hit in hits}) == len(hits) == 3
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    (hit,) = search_terms(tumour_graph(), "glioblastoma multiform", limit=1)
    assert (hit.name, hit.matched) == ("glioblastoma", "glioblastoma multiforme")


def test_search_terms__does_not_take_a_short_name_inside_the_query():
    graph = KnowledgeGraph([term("X:1", "rc"), term("X:2", "Ewing sarcoma")])
    assert [hit.id for hit in search_terms(graph, "ewing sarcma")] == ["X:2"]


def test_search_terms__does_not_take_one_word_of_a_long_query():
    graph = KnowledgeGraph(
        [term("X:1", "anemia"), term("X:2", "Diamond-Blackfan anemia 18"), term("X:3", "THES")]
    )
    assert search_terms(graph, "ziamondBlackfan anemia 1u8")[0].id == "X:2"
    assert "X:3" not in {hit.id for hit in search_terms(graph, "tumour of the brain")}


def test_search_terms__keeps_the_order_of_words_when_a_first_letter_is_wrong():
    graph = KnowledgeGraph([term("X:1", "entropion"), term("X:2", "senile entropion")])
    assert search_terms(graph, "asenile entropion")[0].id == "X:2"


def test_search_terms__finds_nothing_far_away():
    for query in ("", "  ", "zzzzqqqq", "\u80ba\u764c", "x" * 50_000):
        assert search_terms(tumour_graph(), query) == ()
    assert search_terms(KnowledgeGraph([]), "cancer") == ()


def test_resolve_term__takes_ids_names_and_exact_synonyms():
    graph = tumour_graph()
    for text in ("X:6", "x:6 ", "Lung Adenocarcinoma", "adenocarcinoma of lung"):
        assert resolve_term(graph, text) == "X:6"
    assert resolve_term(graph, "X:55") == "X:5"


def test_resolve_term__names_the_nearest_terms_of_an_unknown_one():
    with pytest.raises(KnowledgeError, match=r"MV2001.*'glioblastma'; the nearest.*\(X:8\)"):
        resolve_term(tumour_graph(), "glioblastma")


def test_resolve_term__prefers_a_name_and_refuses_a_shared_synonym():
    graph = KnowledgeGraph(
        [
            term("X:1", "first", synonyms=["twin", "third"]),
            term("X:2", "second", synonyms=["twin"]),
            term("X:3", "third"),
        ]
    )
    assert resolve_term(graph, "third") == "X:3"
    with pytest.raises(KnowledgeError, match=r"MV2013.*X:1 \(first\), X:2 \(second\)"):
        resolve_term(graph, "twin")


def test_search_terms__finds_misspelt_diseases_of_the_whole_ontology(disease_ontology):
    for query, name in {
        "glioblastma": "glioblastoma",
        "lung adenocarcinma": "lung adenocarcinoma",
        "clear cell renal carcinoma": "clear cell renal cell carcinoma",
        "ewing sarcma": "Ewing sarcoma",
        "hepatocellular carcinom": "hepatocellular carcinoma",
    }.items():
        assert search_terms(disease_ontology, query, limit=1)[0].name == name
