import json

import pytest

from medvlp.errors import KnowledgeError
from medvlp.knowledge.graph import Definition, KnowledgeGraph, Synonym
from medvlp.knowledge.parsers.keep_json import read_keep_json

NODES = {
    "DOID:1": {
        "name": "cancer",
        "parent": [],
        "synonyms": [],
        "definitions": {},
        "children": ["DOID:2", "DOID:8"],
    },
    "DOID:2": {
        "name": "lung cancer",
        "parent": ["DOID:1"],
        "synonyms": ["lung malignancy", "lung malignancy"],
        "definitions": {"DO": "A cancer.", "UMLS_0": "A tumor.", "ICD10M_1": "A code."},
    },
    "DOID:3": {"name": "lung adenocarcinoma", "parent": ["DOID:2"]},
}


def write(tmp_path, value):
    path = tmp_path / "graph.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value, indent=1))
    return path


def test_read_keep_json__reads_nodes_and_marks_text_of_the_umls(tmp_path):
    source = read_keep_json(write(tmp_path, NODES))
    graph = KnowledgeGraph(source.terms, [source.record])
    lung = graph["DOID:2"]
    assert lung.synonyms == (Synonym("lung malignancy", "EXACT"),)
    assert [d.source for d in lung.definitions] == ["DO", "UMLS", "ICD10M"]
    assert lung.definitions[0] == Definition("A cancer.", "DO")
    assert graph.holds_umls
    assert source.notes == ("1 children named that are not in the file",)


def test_read_keep_json__takes_parents_from_children(tmp_path):
    nodes = {"X:1": {"name": "a", "children": ["X:2"]}, "X:2": {"name": "b"}}
    source = read_keep_json(write(tmp_path, nodes))
    assert source.terms[1].parents == ("X:1",)
    assert not source.record.holds_umls


def test_read_keep_json__names_the_line_of_a_trailing_comma(tmp_path):
    text = '{\n "X:1": {\n  "name": "a",\n  "parent": ["X:2"],\n },\n "X:2": {"name": "b"}\n}\n'
    with pytest.raises(KnowledgeError, match=r"line 4: there is a comma before a closing.*remove"):
        read_keep_json(write(tmp_path, text))


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({}, "holds no nodes"),
        ({"X:1": 3}, "X:1=3 is not valid"),
        ({"X:1": {"parent": []}}, "X:1.name"),
        ({"X:1": {"name": "a", "parents": []}}, "X:1.parents"),
        ('{"X:1": ', "line 1: is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ({"X:1": {"name": " "}}, "X:1.name=' '"),
        ({"": {"name": "a"}}, "'' is no id"),
        ({"id": "X:1", "name": "a"}, "as JSON lines need a whole term on each line"),
        ('{"X:\\uD800": {"name": "a"}}', "half a character"),
    ],
)
def test_read_keep_json__refuses_other_content(tmp_path, value, why):
    with pytest.raises(KnowledgeError, match=f"MV2002.*{why}"):
        read_keep_json(write(tmp_path, value))
