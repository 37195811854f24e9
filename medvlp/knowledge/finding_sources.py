"""Read sources of descriptions of findings, and write a book of findings as YAML.

A source is a book (``.yaml``), or a table (``.csv``) with the columns ``finding`` and ``text`` and,
where it holds several sources, ``source``. A text of a table is any number of sentences.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from medvlp.errors import KnowledgeError, nearest_name
from medvlp.io.publish import publish_file
from medvlp.io.tables import read_csv
from medvlp.knowledge.facets import free_finding, load_finding_book
from medvlp.knowledge.homogenise import DescriptionSource

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from medvlp.knowledge.facets import FindingBook, FindingFacets

__all__ = ["check_target", "finding_book_yaml", "read_description_sources", "write_finding_book"]

_COLUMNS = ("finding", "text")
_SOURCE = "source"


def read_description_sources(paths: Iterable[Path]) -> tuple[DescriptionSource, ...]:
    """Read sources in their order.

    Args:
        paths: Books (``.yaml``, ``.yml``) and tables (``.csv``).

    Raises:
        KnowledgeError: MV2060 without any source or for a file of another kind, MV2061 for a table
            without a needed column, MV2052 to MV2054 for a finding in it that has no usable name.
        ConfigError: If a book is not valid.
        MedvlpError: MV1101 or MV1107 if a table cannot be read.
    """
    sources = [source for path in paths for source in _read_source(path)]
    if not sources:
        raise KnowledgeError(
            "MV2060", "no source of descriptions is given", expected="at least one .yaml or .csv"
        )
    return tuple(sources)


def finding_book_yaml(book: FindingBook, *, comment: str = "") -> str:
    """Return a book as YAML that :func:`medvlp.knowledge.facets.load_finding_book` reads.

    Args:
        book: The book.
        comment: Lines that stand above it.
    """
    values = {"name": book.name, "findings": {f.name: _entry(f) for f in book}}
    above = "".join(f"# {line}".rstrip() + "\n" for line in comment.splitlines())
    return above + yaml.dump(
        values, Dumper=_BookDumper, sort_keys=False, allow_unicode=True, width=96
    )


def check_target(path: Path, sources: Iterable[Path]) -> None:
    """Refuse to write a book over one of its sources.

    Args:
        path: Where the book is to be written.
        sources: What it is made of.

    Raises:
        KnowledgeError: MV2063.
    """
    if path.resolve() in {source.resolve() for source in sources}:
        raise KnowledgeError("MV2063", f"{path} is one of the sources", expected="another file")


def write_finding_book(path: Path, book: FindingBook, *, comment: str = "") -> None:
    """Publish a book as a YAML file.

    Args:
        path: The file; an existing one is replaced.
        book: The book.
        comment: Lines that stand above it.

    Raises:
        OutputError: MV1104 to MV1106 where the file cannot be written.
    """
    with publish_file(path) as temporary:
        temporary.write_text(finding_book_yaml(book, comment=comment), encoding="utf-8")


class _BookDumper(yaml.SafeDumper):
    """Quotes every text that another dialect of YAML would not read as text."""

    def ignore_aliases(self, data: object) -> bool:
        """Write what is used twice twice: a book has no anchors."""
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    is_plain = text[:1].isalpha() and not {":", "#"} & set(text) and text.casefold() not in _WORDS
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, None if is_plain else '"')


_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_BookDumper.add_representer(str, _represent_text)


def _read_source(path: Path) -> list[DescriptionSource]:
    suffix = path.suffix.lower()
    if suffix in {".yaml", ".yml"}:
        book = load_finding_book(path)
        return [DescriptionSource(book.name, book)]
    if suffix != ".csv":
        raise KnowledgeError(
            "MV2060",
            f"{path} is no source of descriptions",
            expected="a book of findings (.yaml) or a table (.csv)",
        )
    return _read_table(path)


def _read_table(path: Path) -> list[DescriptionSource]:
    rows = read_csv(path)
    texts: dict[str, list[tuple[str, str]]] = {}
    for place, row in enumerate(rows):
        for column in _COLUMNS:
            if column not in row:
                raise KnowledgeError(
                    "MV2061",
                    f"{path} has no column {column!r}{nearest_name(column, row)}",
                    expected=f"the columns {', '.join(_COLUMNS)} and, if need be, {_SOURCE}",
                )
        name = (row.get(_SOURCE) or "").strip() or path.stem
        if row["text"].strip():
            finding = _named(row["finding"], path, place)
            texts.setdefault(name, []).append((finding, row["text"]))
    return [DescriptionSource(name, texts=tuple(items)) for name, items in texts.items()]


def _named(text: str, path: Path, place: int) -> str:
    try:
        return free_finding(text).name
    except KnowledgeError as error:
        raise KnowledgeError(
            error.code, f"{path}: row {place + 1}: {error.what}", expected=error.expected
        ) from error


def _entry(finding: FindingFacets) -> dict[str, Any]:
    said = dict(finding.provenance)

    def sourced(text: str) -> str | dict[str, Any]:
        return {"text": text, "from": list(said[text])} if text in said else text

    values: dict[str, Any] = {
        "synonyms": list(finding.synonyms),
        "definition": sourced(finding.definition) if finding.definition else None,
        "appearances": [sourced(text) for text in finding.appearances],
        "concept": finding.concept,
        "sided": finding.sided,
        "region": finding.region,
    }
    return {key: value for key, value in values.items() if value or key == "region"}
