"""What a reader of an ontology gives, and how it reads the text of a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from medvlp.errors import KnowledgeError
from medvlp.knowledge.terms import SourceRecord, Term

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ParsedSource", "broken_source", "read_source_text"]

_LFS = "version https://git-lfs.github.com/"


@dataclass(frozen=True)
class ParsedSource:
    """One source as it was read, before checks and merging.

    Attributes:
        record: Where the terms come from.
        terms: All terms in the order of the file, obsolete ones too.
        lines: Line of each term in the file, from 1, where the format has lines.
        notes: What was left out or mended, in words.
    """

    record: SourceRecord
    terms: tuple[Term, ...]
    lines: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_source_text(path: Path) -> str:
    """Return the UTF-8 text of an ontology.

    Args:
        path: The file.

    Raises:
        KnowledgeError: MV2006 if the file is missing, unreadable, empty, a Git LFS pointer or not
            UTF-8.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, f"cannot be read ({error.strerror})") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _unreadable(
            path, f"is not UTF-8 (byte {content[error.start]:#04x} in line {line})"
        ) from error
    if not text.strip():
        raise _unreadable(path, "is empty")
    if text.startswith(_LFS):
        raise _unreadable(
            path, "is only a pointer of Git LFS", hint="fetch the content with: git lfs pull"
        )
    return text


def broken_source(
    path: Path, line: int | None, what: str, *, expected: str = "", hint: str = ""
) -> KnowledgeError:
    """Return the error of a file that is not what its format asks for.

    Args:
        path: The file.
        line: Line of the fault, from 1, or None where the format has none.
        what: The fault, with the value.
        expected: What was expected instead.
        hint: What the user can do.
    """
    where = f"{path} line {line}" if line is not None else str(path)
    return KnowledgeError("MV2002", f"{where}: {what}", expected=expected, hint=hint)


def _unreadable(path: Path, why: str, *, hint: str = "") -> KnowledgeError:
    return KnowledgeError(
        "MV2006", f"{path} {why}", expected="an ontology as UTF-8 text", hint=hint
    )
