"""The knowledge graph of KEEP's training data: one JSON object of nodes by id.

A node holds ``name``, ``parent``, ``synonyms``, ``definitions`` (by source, such as ``DO`` or
``UMLS_0``) and ``children``. Synonyms come from the UMLS, so such a graph counts as holding it.
"""

from __future__ import annotations

import json
import reprlib
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, ValidationError

from medvlp.config.strict import StrictModel
from medvlp.io import content_sha256
from medvlp.knowledge.parsers.records import (
    ParsedSource,
    broken_source,
    parse_json,
    read_source_text,
)
from medvlp.knowledge.terms import Definition, SourceRecord, Synonym, Term

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_keep_json"]

_Text = Annotated[str, Field(pattern=r"\S")]


class _Node(StrictModel):
    name: _Text
    parent: tuple[_Text, ...] = ()
    synonyms: tuple[_Text, ...] = ()
    definitions: Annotated[dict[_Text, _Text], Field(default_factory=dict)]
    children: tuple[_Text, ...] = ()


def read_keep_json(path: Path) -> ParsedSource:
    """Read KEEP's knowledge graph.

    Args:
        path: The file; strict JSON, so the commas before closing brackets of the published example
            must be removed first.

    Raises:
        KnowledgeError: MV2006 if the file is unreadable, MV2002 if it is no such graph.
    """
    document = parse_json(path, read_source_text(path))
    if not isinstance(document, dict) or not document:
        raise broken_source(path, None, "holds no nodes", expected="nodes by id")
    nodes = {id_: _node(path, id_, value) for id_, value in document.items()}
    absent = sum(child not in nodes for node in nodes.values() for child in node.children)
    parents = {id_: list(node.parent) for id_, node in nodes.items()}
    for id_, node in nodes.items():
        for child in node.children:
            parents.get(child, []).append(id_)
    terms = tuple(
        _term(id_, node, tuple(dict.fromkeys(parents[id_]))) for id_, node in nodes.items()
    )
    holds_umls = any(
        term.synonyms or any(d.source not in {"DO", "ICD10M"} for d in term.definitions)
        for term in terms
    )
    record = SourceRecord(
        name=path.name, version="", licence="", sha256=content_sha256(path), holds_umls=holds_umls
    )
    return ParsedSource(record, terms, notes=_notes(absent))


def _node(path: Path, id_: str, value: object) -> _Node:
    if not id_ or any(letter.isspace() for letter in id_):
        raise broken_source(path, None, f"{id_!r} is no id", expected="an id without spaces")
    try:
        return _Node.model_validate_json(json.dumps(value))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, (id_, *first["loc"])))
        shown = reprlib.repr(first["input"])
        raise broken_source(
            path,
            None,
            f"{place}={shown} is not valid: {first['msg']}",
            expected="nodes by id, each with a name, as in KEEP's knowledge graph",
            hint="terms as JSON lines need a whole term on each line" if place == "id" else "",
        ) from error


def _term(id_: str, node: _Node, parents: tuple[str, ...]) -> Term:
    return Term(
        id=id_,
        name=node.name,
        synonyms=tuple(Synonym(text, "EXACT") for text in dict.fromkeys(node.synonyms)),
        definitions=tuple(
            Definition(text, key.partition("_")[0]) for key, text in node.definitions.items()
        ),
        parents=parents,
    )


def _notes(absent: int) -> tuple[str, ...]:
    return (f"{absent} children named that are not in the file",) if absent else ()
