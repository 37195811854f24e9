"""Findings of an image and their facets: names, a definition, sentences on how they look.

A book of findings is a YAML file (:mod:`medvlp.knowledge.finding_file`), keyed by name. The one
that comes with the package describes findings of the chest radiograph in sentences written for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Literal

from medvlp.config.documents import parse_yaml, read_yaml
from medvlp.config.strict import parse_model
from medvlp.errors import KnowledgeError
from medvlp.io.hashing import json_sha256
from medvlp.knowledge.finding_file import (
    MAX_NAME,
    FacetText,
    FindingBookFile,
    FindingEntry,
    FindingRegion,
    check_keys,
    fold_name,
    text_problem,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from medvlp.config.documents import PlainValue

__all__ = [
    "FACET_KINDS",
    "FacetKind",
    "FindingBook",
    "FindingFacets",
    "free_finding",
    "load_finding_book",
    "parse_finding_book",
]

FacetKind = Literal["name", "definition", "appearance"]
FACET_KINDS: tuple[FacetKind, ...] = ("name", "definition", "appearance")
_SHIPPED = "findings/chest_xray.yaml"
_NUM_NAMED = 5


@dataclass(frozen=True, slots=True)
class FindingFacets:
    """What is known of one finding.

    Attributes:
        name: Its name.
        synonyms: Its other names.
        definition: What it is; empty where nobody says.
        appearances: How it looks, a sentence each.
        concept: Its identifier in the Disease Ontology, where it is a disease of it.
        sided: Whether left and right differ.
        region: Where it lies.
        provenance: Definition or appearance -> names of its sources, for those that name any.
    """

    name: str
    synonyms: tuple[str, ...] = ()
    definition: str = ""
    appearances: tuple[str, ...] = ()
    concept: str | None = None
    sided: bool = False
    region: FindingRegion = "chest"
    provenance: tuple[tuple[str, tuple[str, ...]], ...] = field(default=(), compare=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The name, then the synonyms."""
        return (self.name, *self.synonyms)

    @property
    def is_described(self) -> bool:
        """Whether more than names is known."""
        return bool(self.definition or self.appearances)

    def texts(self) -> tuple[tuple[FacetKind, str], ...]:
        """Return all texts with their kind: names, the definition if there is one, appearances."""
        definition = (self.definition,) if self.definition else ()
        return (
            *(("name", text) for text in self.names),
            *(("definition", text) for text in definition),
            *(("appearance", text) for text in self.appearances),
        )


@dataclass(frozen=True)
class FindingBook:
    """Findings in an order, found by any of their names.

    Attributes:
        name: Name of the book.
        findings: The findings.
    """

    name: str
    findings: tuple[FindingFacets, ...]

    def __len__(self) -> int:
        """Return the number of findings."""
        return len(self.findings)

    def __iter__(self) -> Iterator[FindingFacets]:
        """Yield the findings in order."""
        return iter(self.findings)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the findings, without synonyms, in order."""
        return tuple(finding.name for finding in self.findings)

    def find(self, text: str) -> FindingFacets | None:
        """Return the finding of a name or synonym, None if the book has none.

        Args:
            text: The name; case, spaces, hyphens and underscores do not matter.
        """
        return self._by_name.get(fold_name(text))

    @cached_property
    def content_sha256(self) -> str:
        """Hash of all that a model reads: order, names, texts, concepts, sides and regions."""
        return json_sha256(
            [
                [f.name, f.synonyms, f.definition, f.appearances, f.concept, f.sided, f.region]
                for f in self.findings
            ]
        )

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources of definitions and appearances, in the order of the texts."""
        told = (item for finding in self.findings for item in finding.provenance)
        return tuple(dict.fromkeys(name for _, names in told for name in names))

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of the book, such as findings without any description."""
        bare = [finding.name for finding in self.findings if not finding.is_described]
        if not bare:
            return ()
        more = "" if len(bare) <= _NUM_NAMED else f" and {len(bare) - _NUM_NAMED} more"
        return (
            f"{len(bare)} of {len(self)} findings have neither definition nor appearance, so that "
            f"a model knows them by name only: {', '.join(bare[:_NUM_NAMED])}{more}",
        )

    @cached_property
    def _by_name(self) -> dict[str, FindingFacets]:
        return {fold_name(name): finding for finding in self.findings for name in finding.names}


def load_finding_book(path: Path | None = None) -> FindingBook:
    """Read a book of findings.

    Args:
        path: The YAML file; the book of the chest radiograph that comes with the package if None.

    Raises:
        ConfigError: MV1004 or MV1005 if the file is unreadable or no YAML, MV1001 for an unknown
            key, MV1002 for a missing or bad value, MV2050 for a name that two findings share,
            MV2052 to MV2054 for a text that is empty, too long or not printable, MV2055 for a
            concept that is no identifier of the Disease Ontology.
    """
    if path is None:
        return _shipped_book()
    return parse_finding_book(read_yaml(path), source=str(path))


def parse_finding_book(document: PlainValue, *, source: str) -> FindingBook:
    """Make a book of plain values.

    Args:
        document: The values, as the YAML file holds them.
        source: Name of the file or of the caller, for messages.

    Raises:
        ConfigError: As :func:`load_finding_book` does.
    """
    check_keys(document, source=source)
    book = parse_model(document, FindingBookFile, source=source)
    return FindingBook(book.name, tuple(_facets(*item) for item in book.findings.items()))


def free_finding(text: str) -> FindingFacets:
    """Return a finding of which nothing but a name is known.

    Args:
        text: The name, any words.

    Raises:
        KnowledgeError: MV2052 if it says nothing, MV2053 if it is too long for a name, MV2054 if
            it has control characters.
    """
    name = " ".join(text.split())
    problem = text_problem(name, MAX_NAME)
    if problem is not None:
        raise KnowledgeError(problem.code, problem.what, expected=problem.expected)
    return FindingFacets(name)


@cache
def _shipped_book() -> FindingBook:
    text = files(__package__).joinpath(_SHIPPED).read_text(encoding="utf-8")
    return parse_finding_book(parse_yaml(text, source=_SHIPPED), source=_SHIPPED)


def _facets(name: str, entry: FindingEntry) -> FindingFacets:
    definition = [] if entry.definition is None else [_sourced(entry.definition)]
    appearances = [_sourced(item) for item in entry.appearances]
    return FindingFacets(
        name,
        entry.synonyms,
        "".join(text for text, _ in definition),
        tuple(text for text, _ in appearances),
        entry.concept,
        entry.sided,
        entry.region,
        tuple(item for item in (*definition, *appearances) if item[1]),
    )


def _sourced(item: str | FacetText) -> tuple[str, tuple[str, ...]]:
    return (item, ()) if isinstance(item, str) else (item.text, item.sources)
