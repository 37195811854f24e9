"""OncoTree's tumour types: one JSON tree whose nodes nest in ``children``.

The upper nodes of OncoTree are organs, not diseases; they are kept, as they group the tumours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medvlp.io import content_sha256
from medvlp.knowledge.parsers.records import (
    ParsedSource,
    broken_source,
    parse_json,
    read_source_text,
)
from medvlp.knowledge.terms import SourceRecord, Term

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_oncotree"]

_VOCABULARIES = {"NCI": "NCI", "UMLS": "UMLS_CUI"}
_MAX_DEPTH = 100


def read_oncotree(path: Path) -> ParsedSource:
    """Read OncoTree's JSON tree; ids are ``ONCOTREE:`` and the code.

    Args:
        path: The file.

    Raises:
        KnowledgeError: MV2006 if the file is unreadable, MV2002 if it is no OncoTree JSON.
    """
    document = parse_json(path, read_source_text(path))
    if not isinstance(document, dict) or not document:
        raise broken_source(path, None, "holds no tree", expected="nodes by code")
    terms: list[Term] = []
    left: list[tuple[str, Any, tuple[str, ...], int]] = [
        (code, node, (), 0) for code, node in document.items()
    ]
    while left:
        code, node, parents, depth = left.pop()
        children = _children(path, code, node)
        if depth > _MAX_DEPTH:
            raise broken_source(path, None, f"node {code!r} is nested over {_MAX_DEPTH} deep")
        term = _term(path, code, node, parents)
        terms.append(term)
        left += [(name, child, (term.id,), depth + 1) for name, child in children.items()]
    record = SourceRecord(
        name="OncoTree", version="", licence="", sha256=content_sha256(path), holds_umls=False
    )
    return ParsedSource(record, tuple(terms))


def _children(path: Path, code: str, node: object) -> dict[str, Any]:
    children = node.get("children") if isinstance(node, dict) else None
    if not isinstance(children, dict):
        raise broken_source(
            path, None, f"node {code!r} has no 'children'", expected="a node of OncoTree"
        )
    return children


def _term(path: Path, code: str, node: dict[str, Any], parents: tuple[str, ...]) -> Term:
    name, references = node.get("name"), node.get("externalReferences") or {}
    if not code or any(letter.isspace() for letter in code):
        raise broken_source(path, None, f"{code!r} is no code", expected="a code without spaces")
    if not isinstance(name, str) or not name.strip() or not isinstance(references, dict):
        raise broken_source(path, None, f"node {code!r} has no name", expected="a text")
    where = f"{code}.externalReferences"
    return Term(
        id=f"ONCOTREE:{code}",
        name=name.strip(),
        parents=parents,
        xrefs=tuple(
            f"{prefix}:{value}"
            for vocabulary, prefix in _VOCABULARIES.items()
            for value in _texts(path, f"{where}.{vocabulary}", references.get(vocabulary))
        ),
        alternative_ids=tuple(
            f"ONCOTREE:{old}" for old in _texts(path, f"{code}.history", node.get("history"))
        ),
    )


def _texts(path: Path, where: str, values: object) -> list[str]:
    if values is None:
        return []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise broken_source(path, None, f"{where}={values!r:.80}", expected="a list of texts")
    return values
