"""Texts about diseases: name first, each once, a lineage through each parent."""

import pytest

from medvlp.errors import KnowledgeError
from medvlp.knowledge.attributes import Attribute, AttributeSettings, attributes_of
from medvlp.knowledge.graph import Definition, KnowledgeGraph, Synonym, Term


@pytest.fixture(scope="module")
def graph() -> KnowledgeGraph:
    return KnowledgeGraph(
        [
            Term("DOID:4", "disease"),
            Term("X:1", "cancer", parents=("DOID:4",)),
            Term("X:2", "lung disease", parents=("DOID:4",)),
            Term(
                "X:3",
                "lung cancer",
                (Synonym("Lung Cancer", "EXACT"), Synonym("cancer of lung", "EXACT")),
                (Definition("A cancer\n of the lung.", "DO"), Definition("cancer of lung", "UMLS")),
                ("X:1", "X:2"),
            ),
            Term("X:9", "old", is_obsolete=True),
        ]
    )


def texts(attributes: list[Attribute]) -> list[tuple[str, str]]:
    return [(a.kind, a.text) for a in attributes]


def test_attributes__are_name_synonyms_definitions_and_lineages_each_text_once(graph):
    assert texts(attributes_of(graph, ["X:3"])) == [
        ("name", "lung cancer"),
        ("synonym", "cancer of lung"),
        ("definition", "A cancer of the lung."),
        ("hypernym", "Hypernym relation: cancer, lung cancer"),
        ("hypernym", "Hypernym relation: lung disease, lung cancer"),
    ]


def test_attributes__cover_all_terms_that_are_not_obsolete(graph):
    found = attributes_of(graph)
    assert {a.concept_id for a in found} == {"DOID:4", "X:1", "X:2", "X:3"}
    assert [a.concept_id for a in found if a.kind == "name"] == ["DOID:4", "X:1", "X:2", "X:3"]
    assert not [a for a in found if a.concept_id == "X:1" and a.kind == "hypernym"]


def test_settings__choose_kinds_and_hold_out_synonyms(graph):
    settings = AttributeSettings(
        kinds=("synonym", "hypernym"), exclude_synonyms=("cancers of lung",)
    )
    assert texts(attributes_of(graph, ["X:3"], settings)) == [
        ("name", "lung cancer"),
        ("hypernym", "Hypernym relation: cancer, lung cancer"),
        ("hypernym", "Hypernym relation: lung disease, lung cancer"),
    ]
    settings = AttributeSettings(hypernym_with_name=False, hypernym_prefix="")
    lineages = [a.text for a in attributes_of(graph, ["X:3"], settings) if a.kind == "hypernym"]
    assert lineages == ["cancer", "lung disease"]


def test_attributes__take_concepts_beside_the_graph_and_name_unknown_ones(graph):
    found = attributes_of(graph, [], extra={"fat": ("fat", "adipose tissue")})
    assert texts(found) == [("name", "fat"), ("synonym", "adipose tissue")]
    with pytest.raises(KnowledgeError, match="MV2001"):
        attributes_of(graph, ["X:33"])
