"""The Disease Ontology, and a user's own terms, as JSON lines: one term per line.

A line holds ``id`` and ``name`` and may hold ``definition`` (a text), ``synonyms`` (pairs of text
and scope, or texts that are exact), ``parents``, ``xrefs``, ``alternative_ids``, ``obsolete`` and
``replaced_by``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, Field, ValidationError

from medvlp.config.strict import StrictModel
from medvlp.io import content_sha256
from medvlp.knowledge.parsers.records import ParsedSource, broken_source, read_source_text
from medvlp.knowledge.terms import Definition, Scope, SourceRecord, Synonym, Term

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_jsonl"]

_Text = Annotated[str, Field(min_length=1, pattern=r"\S")]


def _as_pair(value: object) -> object:
    if isinstance(value, str):
        return (value, "EXACT")
    return tuple(value) if isinstance(value, list) else value


class _Line(StrictModel):
    id: Annotated[str, Field(pattern=r"^[^\s:]+:\S+$")]
    name: _Text
    definition: str | None = None
    synonyms: tuple[Annotated[tuple[_Text, Scope], BeforeValidator(_as_pair)], ...] = ()
    parents: tuple[_Text, ...] = ()
    xrefs: tuple[_Text, ...] = ()
    alternative_ids: tuple[_Text, ...] = ()
    obsolete: bool = False
    replaced_by: tuple[_Text, ...] = ()


def read_jsonl(path: Path) -> ParsedSource:
    """Read terms from JSON lines.

    Args:
        path: The file.

    Raises:
        KnowledgeError: MV2006 if the file is unreadable, MV2002 with the line if a line is no term.
    """
    terms: list[Term] = []
    lines: list[int] = []
    for number, text in enumerate(read_source_text(path).split("\n"), start=1):
        if not text.strip():
            continue
        term = _term(path, number, text)
        terms.append(term)
        lines.append(number)
    record = SourceRecord(
        name=path.name, version="", licence="", sha256=content_sha256(path), holds_umls=False
    )
    return ParsedSource(record, tuple(terms), tuple(lines))


def _term(path: Path, number: int, text: str) -> Term:
    try:
        line = _Line.model_validate_json(text)
    except ValidationError as error:
        raise _refusal(path, number, text, error) from error
    source = "DO" if line.id.startswith("DOID:") else path.stem
    definition = (line.definition or "").strip()
    return Term(
        id=line.id,
        name=" ".join(line.name.split()),
        synonyms=tuple(Synonym(" ".join(words.split()), scope) for words, scope in line.synonyms),
        definitions=(Definition(definition, source),) if definition else (),
        parents=line.parents,
        xrefs=line.xrefs,
        alternative_ids=line.alternative_ids,
        is_obsolete=line.obsolete,
        replaced_by=line.replaced_by,
    )


def _refusal(path: Path, number: int, text: str, error: ValidationError) -> Exception:
    try:
        json.loads(text)
    except (ValueError, RecursionError) as fault:
        return broken_source(path, number, f"is not JSON ({fault})", expected="one JSON object")
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"])) or "the line"
    shown = repr(first["input"])[:80]
    return broken_source(
        path,
        number,
        f"{place}={shown} is not valid: {first['msg']}",
        expected="a term with id and name",
    )
