import json

import pytest

from medvlp.errors import KnowledgeError
from medvlp.knowledge.graph import KnowledgeGraph
from medvlp.knowledge.parsers.oncotree import read_oncotree


def node(name, children=(), **references):
    return {
        "name": name,
        "externalReferences": references,
        "history": [],
        "children": dict(children),
    }


def write(tmp_path, value):
    path = tmp_path / "tree.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_read_oncotree__makes_children_of_nested_nodes(tmp_path):
    adeno = node("Lung Adenocarcinoma", NCI=["C3512"], UMLS=["C0152013"]) | {"history": ["LUADX"]}
    tree = {"TISSUE": node("Tissue", {"LUNG": node("Lung", {"LUAD": adeno})})}
    terms = {term.id: term for term in read_oncotree(write(tmp_path, tree)).terms}
    assert set(terms) == {"ONCOTREE:TISSUE", "ONCOTREE:LUNG", "ONCOTREE:LUAD"}
    luad = terms["ONCOTREE:LUAD"]
    assert luad.parents == ("ONCOTREE:LUNG",)
    assert luad.xrefs == ("NCI:C3512", "UMLS_CUI:C0152013")
    assert luad.alternative_ids == ("ONCOTREE:LUADX",)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("[]", "holds no tree"),
        ('{"A": {"name": "a"}}', "node 'A' has no 'children'"),
        ('{"A": {"children": {}}}', "node 'A' has no name"),
        ('{"A": 3}', "node 'A' has no 'children'"),
        ('{"A": {"name": "a", "children": {},}}', "a comma before a closing bracket"),
        ('{"A": 1, "A": 2}', "key 'A' is given twice"),
        ({"A": node("a", NCI="C1")}, "externalReferences.NCI='C1'"),
        ({"A": node("a", UMLS=[5])}, r"externalReferences.UMLS=\[5\]"),
        ({"A": node("a") | {"history": "LUADX"}}, "history='LUADX'"),
        ({"A b": node("a")}, "'A b' is no code"),
        ('{"A": {"name": "\\ud800", "children": {}}}', "half a character"),
    ],
)
def test_read_oncotree__refuses_what_is_no_tree(tmp_path, value, why):
    with pytest.raises(KnowledgeError, match=f"MV2002.*{why}"):
        read_oncotree(write(tmp_path, value))


def test_read_oncotree__takes_null_for_no_references(tmp_path):
    tree = {"A": node("a", NCI=None) | {"history": None}}
    (term,) = read_oncotree(write(tmp_path, tree)).terms
    assert (term.xrefs, term.alternative_ids) == ((), ())


def test_read_oncotree__refuses_a_bottomless_tree(tmp_path):
    tree = {"A0": node("a")}
    for number in range(1, 150):
        tree = {f"A{number}": node("a", tree)}
    with pytest.raises(KnowledgeError, match=r"MV2002.*nested over 100 deep"):
        read_oncotree(write(tmp_path, tree))


def test_read_oncotree__reads_the_whole_tree(real_data):
    source = read_oncotree(real_data / "knowledge/oncotree_2025_10_03.json")
    graph = KnowledgeGraph(source.terms)
    assert (len(graph), graph.roots) == (898, ("ONCOTREE:TISSUE",))
    assert graph.find("lung adenocarcinoma") == ("ONCOTREE:LUAD",)
