"""Say what a book of findings holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medvlp.config.documents import read_yaml
from medvlp.knowledge.facets import load_finding_book

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["finding_book_facts", "is_finding_book"]


def is_finding_book(path: Path) -> bool:
    """Tell a book of findings from a task: it has findings and no classes.

    Args:
        path: A YAML file.

    Raises:
        ConfigError: MV1004 or MV1005 if the file is unreadable or no YAML.
    """
    document = read_yaml(path)
    return isinstance(document, dict) and "findings" in document and "classes" not in document


def finding_book_facts(path: Path) -> dict[str, Any]:
    """Return what a book of findings holds, and what a user should know of it.

    Args:
        path: The YAML file.

    Raises:
        ConfigError: If the book is not valid.
    """
    book = load_finding_book(path)
    kinds = [kind for finding in book for kind, _ in finding.texts()]
    return {
        "name": book.name,
        "findings": len(book),
        "with synonyms": sum(bool(finding.synonyms) for finding in book),
        "definitions": kinds.count("definition"),
        "appearances": kinds.count("appearance"),
        "concepts": sum(finding.concept is not None for finding in book),
        "sided": sum(finding.sided for finding in book),
        "sources": list(book.sources),
        "sha256": book.content_sha256,
        **{f"finding {finding.name}": _line(finding.texts(), finding.concept) for finding in book},
        **({"note": " ".join(book.notes)} if book.notes else {}),
    }


def _line(texts: tuple[tuple[str, str], ...], concept: str | None) -> str:
    counts = [(kind, sum(kind == other for other, _ in texts)) for kind in dict(texts)]
    told = ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in counts)
    return f"{told}{f', {concept}' if concept else ''}"
