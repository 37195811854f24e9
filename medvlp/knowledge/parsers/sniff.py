"""Tell which format an ontology has, and read it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal, get_args

from medvlp.errors import KnowledgeError, nearest_name
from medvlp.knowledge.parsers.jsonl import read_jsonl
from medvlp.knowledge.parsers.keep_json import read_keep_json
from medvlp.knowledge.parsers.obo import read_obo
from medvlp.knowledge.parsers.oncotree import read_oncotree
from medvlp.knowledge.parsers.records import read_source_text
from medvlp.knowledge.parsers.umls import read_umls

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from medvlp.knowledge.parsers.records import ParsedSource

__all__ = ["SourceKind", "read_source", "sniff_source"]

SourceKind = Literal["obo", "jsonl", "oncotree", "keep", "umls"]
_READERS = {
    "obo": read_obo,
    "jsonl": read_jsonl,
    "oncotree": read_oncotree,
    "keep": read_keep_json,
}


def read_source(
    path: Path, kind: SourceKind | None = None, *, wanted: Collection[str] | None = None
) -> ParsedSource:
    """Read an ontology of any known format.

    Args:
        path: A file, or the folder of a UMLS release.
        kind: Its format; found out by default.
        wanted: Of the UMLS, only these concepts.

    Raises:
        KnowledgeError: MV2006 if the file is unreadable or of no known format, MV2002 if it does
            not keep to its format.
    """
    kind = kind or sniff_source(path)
    if kind not in get_args(SourceKind):
        raise KnowledgeError(
            "MV2006",
            f"kind {kind!r} of ontology is unknown{nearest_name(kind, get_args(SourceKind))}",
            expected=f"one of {list(get_args(SourceKind))}",
        )
    return read_umls(path, wanted) if kind == "umls" else _READERS[kind](path)


def sniff_source(path: Path) -> SourceKind:
    """Tell the format of an ontology from its content.

    Args:
        path: A file, or the folder of a UMLS release.

    Raises:
        KnowledgeError: MV2006 if the file is unreadable or of no known format.
    """
    if path.is_dir():
        if (path / "MRCONSO.RRF").is_file():
            return "umls"
        raise _unknown(path, "is a folder without MRCONSO.RRF")
    text = read_source_text(path).lstrip()
    first_line = text.partition("\n")[0].strip()
    if first_line.startswith(("format-version:", "[Term]", "!")) or "\n[Term]" in text:
        return "obo"
    if not text.startswith("{"):
        raise _unknown(path, f"begins with {first_line[:40]!r}")
    return _sniff_json(first_line, text)


def _sniff_json(first_line: str, text: str) -> SourceKind:
    """Tell JSON lines by their first line, and the two JSON objects by their keys."""
    try:
        value = json.loads(first_line)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict) and "id" in value:
        return "jsonl"
    if '"externalReferences"' in text or '"mainType"' in text:
        return "oncotree"
    if first_line.startswith('{"id"'):
        return "jsonl"
    return "keep"


def _unknown(path: Path, why: str) -> KnowledgeError:
    return KnowledgeError(
        "MV2006",
        f"{path} {why}, which is no ontology of a known format",
        expected="OBO, JSON lines with 'id' and 'name', OncoTree's JSON, KEEP's JSON, or a folder "
        "of the UMLS",
    )
