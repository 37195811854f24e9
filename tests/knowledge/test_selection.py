import time

import pytest

from medvlp.errors import KnowledgeError
from medvlp.knowledge.graph import KnowledgeGraph
from medvlp.knowledge.selection import select
from tests.knowledge.example_graphs import term, tumour_graph


@pytest.mark.parametrize(
    ("expression", "ids"),
    [
        ("lung cancer", "4"),
        ("X:55", "5"),
        ("descendants of cancer", "45678"),
        ("children of cancer", "45"),
        ("parents of lung cancer", "23"),
        ("Ancestors Of lung adenocarcinoma", "1234"),
        ("leaves of cancer", "678"),
        ("children of children of disease", "45"),
        ("brain cancer or lung cancer", "45"),
        ("descendants of cancer and descendants of lung disease", "467"),
        ("descendants of cancer but not lung cancer", "5678"),
        ("descendants of cancer but not (lung cancer or children of lung cancer)", "58"),
        ("descendants of cancer but not lung cancer or brain cancer", "678"),
        ("descendants of cancer and not glioblastoma", "4567"),
        ("descendants of cancer except glioblastoma", "4567"),
        ("children of cancer and not brain cancer or glioblastoma", "48"),
        ("glioblastoma or children of cancer and not brain cancer", "48"),
        ("glioblastoma or brain cancer and not glioblastoma", "58"),
        ("brain cancer or cancer and lung cancer", "5"),
        ("(brain cancer or cancer) and lung cancer", ""),
        ("children of (lung cancer or brain cancer)", "678"),
        ('"lung cancer"', "4"),
    ],
)
def test_select__reads_expressions(expression, ids):
    assert select(tumour_graph(), expression) == tuple(f"X:{number}" for number in ids)


def test_select__takes_the_longest_words_that_name_a_term():
    graph = KnowledgeGraph(
        [
            term("X:1", "head"),
            term("X:2", "neck cancer"),
            term("X:3", "head and neck cancer"),
            term("X:4", "lesion (rare)"),
            term("X:5", "children of war syndrome"),
        ]
    )
    assert select(graph, "head and neck cancer") == ("X:3",)
    assert select(graph, '"head" and "neck cancer"') == ()
    assert select(graph, 'head and "neck cancer"') == ()
    assert select(graph, "lesion (rare) or head") == ("X:1", "X:4")
    assert select(graph, '"children of war syndrome"') == ("X:5",)


def test_select__reads_a_long_list_in_time():
    start = time.process_time()
    assert select(tumour_graph(), " or ".join(["lung cancer"] * 300)) == ("X:4",)
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("expression", "code", "why"),
    [
        ("", "MV2011", "it is empty"),
        ("lung cancer and", "MV2011", "missing at its end"),
        ("(lung cancer", "MV2011", "closing parenthesis is missing"),
        ("lung cancer)", "MV2011", r"'\)' is left over"),
        ("or lung cancer", "MV2011", "missing before 'or'"),
        ('"lung cancer or brain cancer', "MV2011", "a closing quotation mark is missing"),
        ("descendants of", "MV2011", "missing at its end"),
        ("(" * 300 + "lung cancer", "MV2011", "nested more than 50"),
        ("children of " * 300 + "lung cancer", "MV2011", "nested more than 50"),
        ("x " * 2000, "MV2011", "more than 1000 words"),
        ("descendants of glioblastma", "MV2001", "nearest are 'glioblastoma'"),
        ("lung cancer but not lang cancer", "MV2001", "'lang cancer'"),
    ],
)
def test_select__says_what_it_cannot_read(expression, code, why):
    with pytest.raises(KnowledgeError, match=why) as caught:
        select(tumour_graph(), expression)
    assert caught.value.code == code
