"""Ontologies in the OBO format, parsed by fastobo.

fastobo keeps strictly to the standard. Files in circulation break it in the lists of references in
square brackets, and in references that are web addresses: such a list or reference is left out, the
term is kept, and a note names the lines. Any other fault is refused with its line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import fastobo

from medvlp.errors import KnowledgeError
from medvlp.io import content_sha256
from medvlp.knowledge.parsers.records import ParsedSource, broken_source, read_source_text
from medvlp.knowledge.terms import Definition, SourceRecord, Synonym, Term

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_obo"]

_STANZAS_AT_ONCE = 500
_Document = Any  # fastobo has no types


def _id_text(ident: _Document) -> str:
    """Return an identifier without the escapes of the format."""
    if isinstance(ident, fastobo.id.PrefixedIdent):
        return f"{ident.prefix}:{ident.local}"
    return str(getattr(ident, "unescaped", ident))


_READERS: dict[str, Callable[[Any], Any]] = {
    "name": lambda clause: clause.name.strip(),
    "synonym": lambda clause: Synonym(clause.synonym.desc, clause.synonym.scope),
    "def": lambda clause: str(clause.definition),
    "is_a": lambda clause: _id_text(clause.term),
    "xref": lambda clause: _id_text(clause.xref.id),
    "alt_id": lambda clause: _id_text(clause.alt_id),
    "replaced_by": lambda clause: _id_text(clause.term),
    "is_obsolete": lambda clause: clause.obsolete,
}


def read_obo(path: Path) -> ParsedSource:
    """Read the terms of an OBO file.

    Args:
        path: The file.

    Returns:
        All terms, obsolete ones too; relationships other than is_a are counted in the notes.

    Raises:
        KnowledgeError: MV2006 if the file is unreadable, MV2002 with the line if it is not OBO.
    """
    # Whole-line comments are legal, but fastobo cannot read them inside a stanza.
    text = read_source_text(path).replace("\r\n", "\n")
    lines = ["" if line.startswith("!") else line for line in text.split("\n")]
    starts = [number for number, line in enumerate(lines) if line.lstrip().startswith("[")]
    bounds = [*starts[::_STANZAS_AT_ONCE], len(lines)]
    mended: list[int] = []
    header = list(_parse(path, lines, 0, bounds[0], mended).header)
    frames: list[Any] = []
    for first, last in pairwise(bounds):
        inside = [number for number in starts if first <= number < last]
        frames += _parse_stanzas(path, lines, [*inside, last], mended)
    if len(frames) != len(starts):
        raise broken_source(path, None, f"has {len(starts)} stanzas, of which {len(frames)} parse")
    terms: list[Term] = []
    places: list[int] = []
    num_others = num_relation_definitions = num_empty = 0
    for start, frame in zip(starts, frames, strict=True):
        if isinstance(frame, fastobo.term.TermFrame):
            term, others = _term(path, start + 1, frame)
            num_others += others
            synonyms = tuple(synonym for synonym in term.synonyms if synonym.text.strip())
            num_empty += len(term.synonyms) - len(synonyms)
            terms.append(replace(term, synonyms=synonyms))
            places.append(start + 1)
        else:
            num_relation_definitions += sum(clause.raw_tag() == "def" for clause in frame)
    if not terms:
        raise broken_source(path, None, "holds no [Term]", expected="an ontology in OBO format")
    return ParsedSource(
        _record(path, header),
        tuple(terms),
        lines=tuple(places),
        notes=_notes(mended, num_others, num_empty),
        num_relation_definitions=num_relation_definitions,
    )


def _parse_stanzas(path: Path, lines: list[str], bounds: list[int], mended: list[int]) -> list[Any]:
    """Parse some stanzas at once or, where one is faulty, one by one."""
    try:
        return list(_load(path, lines, bounds[0], bounds[-1]))
    except (SyntaxError, KnowledgeError):
        parts = pairwise(bounds)
        return [frame for part in parts for frame in _parse(path, lines, *part, mended)]


def _parse(path: Path, lines: list[str], first: int, last: int, mended: list[int]) -> _Document:
    """Parse lines from ``first`` to before ``last``, mending them as long as that helps."""
    while True:
        try:
            return _load(path, lines, first, last)
        except SyntaxError as error:
            place = min(first + (error.lineno or 1) - 1, last - 1)
            better = _mend(lines[place])
            if better is None or better == lines[place]:
                raise broken_source(
                    path,
                    place + 1,
                    f"{lines[place][:80]!r} is not OBO ({error.msg})",
                    expected="a clause of the OBO format",
                ) from error
            lines[place] = better
            mended.append(place + 1)


def _load(path: Path, lines: list[str], first: int, last: int) -> _Document:
    try:
        document: _Document = fastobo.loads("\n".join([*lines[first:last], ""]))
    except SyntaxError:
        raise
    except ValueError as error:
        raise broken_source(path, first + 1, f"is not OBO ({error})") from error
    except BaseException as error:
        # A fault inside fastobo; its exception is no Exception and cannot be imported.
        if type(error).__name__ != "PanicException":
            raise
        raise broken_source(
            path, first + 1, "the stanza that begins here makes the OBO reader fail"
        ) from error
    return document


def _mend(line: str) -> str | None:
    """Leave out what files often break: a list of references, or a reference that is an address."""
    tag, _, rest = line.partition(":")
    if tag in {"def", "synonym"} and " [" in rest:
        return line[: line.rindex(" [")] + " []"
    if tag == "xref":
        return ""
    return None


def _term(path: Path, line: int, frame: _Document) -> tuple[Term, int]:
    """Make a term of a frame, and count its relationships that are no is_a."""
    id_ = _id_text(frame.id)
    found: dict[str, list[Any]] = {}
    for clause in frame:
        tag = clause.raw_tag()
        found.setdefault(tag, []).append(_READERS[tag](clause) if tag in _READERS else None)
    names = found.get("name", [])
    if len(names) != 1:
        raise broken_source(path, line, f"{id_} has {len(names)} names", expected="exactly one")
    source = _vocabulary(id_)
    term = Term(
        id=id_,
        name=names[0],
        synonyms=tuple(found.get("synonym", ())),
        definitions=tuple(Definition(text, source) for text in found.get("def", ())),
        parents=tuple(found.get("is_a", ())),
        xrefs=tuple(found.get("xref", ())),
        alternative_ids=tuple(found.get("alt_id", ())),
        is_obsolete=any(found.get("is_obsolete", ())),
        replaced_by=tuple(found.get("replaced_by", ())),
    )
    return term, len(found.get("relationship", ())) + len(found.get("intersection_of", ()))


def _vocabulary(id_: str) -> str:
    prefix = id_.partition(":")[0]
    return "DO" if prefix == "DOID" else prefix


def _record(path: Path, header: list[Any]) -> SourceRecord:
    values: dict[str, str] = {}
    for clause in header:
        tag, text = clause.raw_tag(), clause.raw_value()
        is_licence = "licen" in text.lower()
        values.setdefault("licence" if is_licence else tag, text)
    return SourceRecord(
        name=values.get("ontology", path.name),
        version=values.get("data-version", ""),
        licence=values.get("licence", ""),
        sha256=content_sha256(path),
        holds_umls=False,
    )


def _notes(mended: list[int], num_others: int, num_empty: int) -> tuple[str, ...]:
    notes = []
    if mended:
        shown = ", ".join(map(str, mended[:10])) + (" ..." if len(mended) > 10 else "")
        notes.append(f"{len(mended)} faulty references left out (lines {shown})")
    if num_others:
        notes.append(f"{num_others} relationships other than is_a not read")
    if num_empty:
        notes.append(f"{num_empty} empty synonyms left out")
    return tuple(notes)
