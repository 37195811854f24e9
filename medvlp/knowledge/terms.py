"""The records of the knowledge graph: a term, its words, and the source it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["SCOPES", "Definition", "Scope", "SourceRecord", "Synonym", "Term"]

Scope = Literal["EXACT", "NARROW", "BROAD", "RELATED"]
SCOPES: tuple[Scope, ...] = ("EXACT", "NARROW", "BROAD", "RELATED")


@dataclass(frozen=True, slots=True)
class Synonym:
    """Another name of a term.

    Attributes:
        text: The words.
        scope: How it relates to the term: the same, narrower, broader, or only related.
        source: Name of the source where it is not the one that the term comes from.
    """

    text: str
    scope: Scope
    source: str = ""


@dataclass(frozen=True, slots=True)
class Definition:
    """What a term means, in words.

    Attributes:
        text: The words.
        source: Who says so, such as ``DO`` or ``UMLS``.
    """

    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Term:
    """A node of the graph.

    Attributes:
        id: Identifier with its vocabulary, such as ``DOID:3910``.
        name: Preferred name.
        synonyms: Other names.
        definitions: Meanings, the most trusted first.
        parents: Direct is_a parents.
        xrefs: The same or a near concept in other vocabularies, such as ``NCI:C3512``.
        alternative_ids: Identifiers that mean this term too.
        is_obsolete: Whether the source has withdrawn it.
        replaced_by: What an obsolete term was replaced by.
    """

    id: str
    name: str
    synonyms: tuple[Synonym, ...] = ()
    definitions: tuple[Definition, ...] = ()
    parents: tuple[str, ...] = ()
    xrefs: tuple[str, ...] = ()
    alternative_ids: tuple[str, ...] = ()
    is_obsolete: bool = False
    replaced_by: tuple[str, ...] = ()

    @property
    def exact_names(self) -> tuple[str, ...]:
        """The name and the exact synonyms, without repeats."""
        exact = (synonym.text for synonym in self.synonyms if synonym.scope == "EXACT")
        return tuple(dict.fromkeys((self.name, *exact)))


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """Where terms come from.

    Attributes:
        name: Name of the ontology or file.
        version: Version that the file states; may be empty.
        licence: Licence that the file states; may be empty.
        sha256: Hash of the file, or of the files of a folder.
        holds_umls: Whether it holds text of the UMLS Metathesaurus, whose licence forbids passing
            it on.
    """

    name: str
    version: str
    licence: str
    sha256: str
    holds_umls: bool
