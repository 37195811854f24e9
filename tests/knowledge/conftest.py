"""The Disease Ontology, read once for all tests of the graph."""

import pytest

from medvlp.knowledge.graph import KnowledgeGraph
from medvlp.knowledge.parsers.jsonl import read_jsonl


@pytest.fixture(scope="session")
def disease_ontology(real_data) -> KnowledgeGraph:
    """The whole ontology as a graph."""
    source = read_jsonl(real_data / "knowledge/do_2026-07-31/doid_rebuilt_full.jsonl")
    return KnowledgeGraph(source.terms, [source.record])
