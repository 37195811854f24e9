import io
import json

import pytest
from rich.console import Console

from medvlp.errors import KnowledgeError
from medvlp.knowledge.drawing import draw_term, term_record
from medvlp.knowledge.graph import KnowledgeGraph
from tests.knowledge.example_graphs import term, tumour_graph


def drawn(graph, id_, **settings):
    console = Console(file=io.StringIO(), width=100, markup=False, highlight=False)
    console.print(draw_term(graph, id_, **settings))
    return console.file.getvalue()


def test_draw_term__shows_lineage_children_and_words():
    text = drawn(tumour_graph(), "X:4")
    lines = text.splitlines()
    assert lines[0] == "disease  X:1"
    assert lines[1] == "└── cancer  X:2"
    assert lines[2] == "    └── lung cancer  X:4"
    assert lines[3] == "        ├── lung adenocarcinoma  X:6"
    assert "X:3 lung disease" in text
    adeno = drawn(tumour_graph(), "X:6")
    assert "A lung cancer that derives from glands. [DO]" in adeno
    assert "adenocarcinoma of lung; LUAD (related)" in adeno
    assert "NCI:C3512" in adeno
    assert "(+1 below)" in drawn(tumour_graph(), "X:2")


def test_draw_term__lists_a_few_of_many_children_and_prints_names_as_they_are():
    terms = [
        term("X:1", "[bold]root[/nothing]"),
        *(term(f"X:{n}", "c", "X:1") for n in range(2, 9)),
    ]
    text = drawn(KnowledgeGraph(terms), "X:1", max_children=3)
    assert "[bold]root[/nothing]  X:1" in text
    assert "and 4 more" in text


def test_term_record__is_plain_data():
    record = json.loads(json.dumps(term_record(tumour_graph(), "X:6")))
    assert record["path"][-1] == {"id": "X:6", "name": "lung adenocarcinoma"}
    assert (record["depth"], record["children"], record["num_descendants"]) == (3, [], 0)
    assert record["synonyms"][1]["scope"] == "RELATED"
    with pytest.raises(KnowledgeError, match="MV2001"):
        term_record(tumour_graph(), "X:99")
