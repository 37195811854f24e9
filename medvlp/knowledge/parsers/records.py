"""What a reader of an ontology gives, and how it reads the text of a file."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medvlp.errors import KnowledgeError
from medvlp.knowledge.terms import SourceRecord, Term

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ParsedSource", "broken_source", "parse_json", "read_source_text"]

_LFS = "version https://git-lfs.github.com/"
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True)
class ParsedSource:
    """One source as it was read, before checks and merging.

    Attributes:
        record: Where the terms come from.
        terms: All terms in the order of the file, obsolete ones too.
        lines: Line of each term in the file, from 1; empty where the format has no lines.
        notes: What was left out or mended, in words.
        num_relation_definitions: Definitions that belong to kinds of relationship, not to terms.
    """

    record: SourceRecord
    terms: tuple[Term, ...]
    lines: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    num_relation_definitions: int = 0

    def place(self, index: int) -> str:
        """Return where a term stands: the name of the source and the line.

        Args:
            index: Place of the term in ``terms``.
        """
        return f"{self.record.name} line {self.lines[index]}" if self.lines else self.record.name


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


def parse_json(path: Path, text: str) -> Any:  # noqa: ANN401 - whatever the file holds
    """Return the value of strict JSON.

    Args:
        path: The file, for messages.
        text: Its text.

    Raises:
        KnowledgeError: MV2002 with the line if it is not JSON, repeats a key, nests too deep, or
            has a text that is not Unicode.
    """
    try:
        value = json.loads(text, object_pairs_hook=_unique_keys)
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except json.JSONDecodeError as error:
        before = text[: error.pos].rstrip()
        comma = before.endswith(",") or text[error.pos : error.pos + 1] == ","
        line = text.count("\n", 0, len(before)) + 1 if comma else error.lineno
        raise broken_source(
            path,
            line,
            "there is a comma before a closing bracket" if comma else f"is not JSON ({error.msg})",
            expected="strict JSON",
            hint="remove the comma" if comma else "",
        ) from error
    except UnicodeEncodeError as error:
        what = f"holds {error.object[error.start]!a}, half a character"
        raise broken_source(path, None, what, expected="texts of Unicode") from error
    except (ValueError, RecursionError) as error:
        raise broken_source(path, None, f"is not JSON ({error})", expected="strict JSON") from error


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key {twice!r} is given twice")
    return found


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
