"""What the classes are called: the committed file of names joined with the Disease Ontology."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from medvlp.config.strict import StrictModel, load_yaml_model
from medvlp.knowledge.graph import Definition, KnowledgeGraph, Synonym, Term
from medvlp.knowledge.parsers.jsonl import read_jsonl

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["CONDITIONS", "ClassTexts", "Concepts", "Condition", "load_concepts", "ontology_file"]

Condition = Literal["names", "synonyms", "definitions", "parents"]
CONDITIONS: tuple[Condition, ...] = ("names", "synonyms", "definitions", "parents")

_FILE = Path(__file__).with_name("classes.yaml")
_ONTOLOGY = "knowledge/do_2026-07-31/doid_rebuilt_full.jsonl"


class _Concept(StrictModel):
    names: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()
    definition: str = ""
    parents: tuple[str, ...] = ()


class _ClassesFile(StrictModel):
    sets: Annotated[dict[str, dict[str, str]], Field(min_length=1)]
    concepts: dict[str, _Concept]


@dataclass(frozen=True)
class ClassTexts:
    """The words of one class of one set.

    Attributes:
        concept: Its concept.
        names: What captions call it.
        held_out: Synonyms that no caption uses.
        definition: What it means.
        parent: Concept of the parent term.
        parent_name: Name of the parent term.
    """

    concept: str
    names: tuple[str, ...]
    held_out: tuple[str, ...]
    definition: str
    parent: str
    parent_name: str

    @property
    def is_disease(self) -> bool:
        """Whether the Disease Ontology knows it."""
        return self.concept.startswith("DOID:")


@dataclass(frozen=True)
class Concepts:
    """Sets, classes and the graph of what is known about them.

    Attributes:
        sets: Set to label to concept.
        graph: The Disease Ontology and the concepts of the committed file, in one graph.
        held_out: Texts that no caption of any arm uses.
        local: Concepts that stand in the committed file only.
    """

    sets: Mapping[str, Mapping[str, str]]
    graph: KnowledgeGraph
    held_out: frozenset[str]
    local: frozenset[str]
    _names: Mapping[str, tuple[str, ...]] = field(repr=False)

    def texts(self, set_name: str, label: str) -> ClassTexts:
        """Return the words of a class.

        Args:
            set_name: Its set.
            label: Its label in the set.
        """
        concept = self.sets[set_name][label]
        term = self.graph[concept]
        others = [found for found in self.sets[set_name].values() if found != concept]
        parent = _nearest_parent(self.graph, concept, others)
        held = (synonym.text for synonym in term.synonyms if synonym.text in self.held_out)
        return ClassTexts(
            concept=concept,
            names=self._names[concept],
            held_out=tuple(dict.fromkeys(held)),
            definition=term.definitions[0].text,
            parent=parent,
            parent_name=self.graph[parent].name,
        )

    def part(self, name: Literal["kin", "cancers", "all"]) -> tuple[str, ...]:
        """Return the terms that the knowledge encoder is trained on, sorted.

        Args:
            name: ``kin``: the local concepts, and the classes' diseases with their ancestors and
                all below their grandparents; ``cancers``: also every cancer; ``all``: every term.
        """
        graph = self.graph
        if name == "all":
            return tuple(term.id for term in graph if not term.is_obsolete)
        found = set(self.local)
        for concept in {x for labels in self.sets.values() for x in labels.values()}:
            found |= {concept, *graph.ancestors(concept)}
            if concept.startswith("DOID:"):
                for parent in graph.parents(concept):
                    for above in graph.parents(parent):
                        found |= graph.descendants(above)
        if name == "cancers":
            found |= graph.descendants("DOID:162")
        return tuple(sorted(found))


def ontology_file(roots: Iterable[Path]) -> Path:
    """Return the Disease Ontology in the first folder that has it.

    Raises:
        SystemExit: If none has.
    """
    roots = list(roots)
    for root in roots:
        if (root / _ONTOLOGY).exists():
            return root / _ONTOLOGY
    raise SystemExit(f"{_ONTOLOGY} is in none of {[str(root) for root in roots]}; --knowledge FILE")


def load_concepts(ontology: Path, file: Path = _FILE) -> Concepts:
    """Join the file of classes with the ontology.

    Args:
        ontology: The Disease Ontology.
        file: The file of classes.
    """
    described = load_yaml_model(file, _ClassesFile)
    parsed = read_jsonl(ontology)
    terms = {term.id: term for term in parsed.terms}
    local = frozenset(key for key in described.concepts if not key.startswith("DOID:"))
    names: dict[str, tuple[str, ...]] = {}
    held_out: set[str] = set()
    for key, concept in described.concepts.items():
        terms[key] = _extended(terms[key], concept) if key in terms else _term(key, concept)
        names[key] = concept.names
        held_out |= set(concept.held_out)
    for concept_id in {x for labels in described.sets.values() for x in labels.values()}:
        if concept_id.startswith("DOID:"):
            names[concept_id] = (terms[concept_id].name,)
            held_out |= {synonym.text for synonym in terms[concept_id].synonyms}
    return Concepts(
        sets=described.sets,
        graph=KnowledgeGraph(terms.values(), (parsed.record,)),
        held_out=frozenset(held_out),
        local=local,
        _names=names,
    )


def _term(key: str, concept: _Concept) -> Term:
    synonyms = (*concept.names[1:], *concept.held_out)
    return Term(
        id=key,
        name=concept.names[0],
        synonyms=tuple(Synonym(text, "EXACT") for text in synonyms),
        definitions=(Definition(concept.definition, "file"),),
        parents=concept.parents,
    )


def _extended(term: Term, concept: _Concept) -> Term:
    added = tuple(Synonym(text, "EXACT", "file") for text in concept.held_out)
    return Term(
        id=term.id,
        name=term.name,
        synonyms=(*term.synonyms, *added),
        definitions=term.definitions,
        parents=term.parents,
    )


def _nearest_parent(graph: KnowledgeGraph, concept: str, others: Iterable[str]) -> str:
    shared = {above for other in others for above in graph.ancestors(other)}
    direct = sorted(graph.parents(concept))
    level = direct
    while level:
        apart = [found for found in level if found not in shared]
        if apart:
            return apart[0]
        level = sorted({above for found in level for above in graph.parents(found)})
    return direct[0]
