"""The UMLS Metathesaurus from a user's own licensed files: MRCONSO, MRDEF and MRREL.

Only English, non-suppressed rows are read. What comes from here must not be passed on: the source
is marked, and :func:`refuse_umls_export` guards whatever is made of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from medvlp.errors import KnowledgeError
from medvlp.io import json_sha256
from medvlp.io.hashing import content_sha256
from medvlp.knowledge.parsers.records import ParsedSource, broken_source
from medvlp.knowledge.terms import Definition, SourceRecord, Synonym, Term

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from medvlp.knowledge.graph import KnowledgeGraph

__all__ = ["UMLS_FILES", "read_umls", "refuse_umls_export"]

UMLS_FILES = ("MRCONSO.RRF", "MRDEF.RRF", "MRREL.RRF")
_PREFIX = "UMLS_CUI:"
_LICENCE = "UMLS Metathesaurus License: must not be redistributed"
# Number of columns of each file, without the empty one behind the last bar.
_NUM_COLUMNS = {"MRCONSO.RRF": 18, "MRDEF.RRF": 8, "MRREL.RRF": 16}
_CODED = {"NCI": "NCI", "SNOMEDCT_US": "SNOMEDCT_US", "MSH": "MESH", "ICD10CM": "ICD10CM"}


def read_umls(folder: Path, wanted: Collection[str] | None = None) -> ParsedSource:
    """Read concepts of the UMLS; ids are ``UMLS_CUI:`` and the CUI.

    The preferred English name is that of the row with TS=P, STT=PF and ISPREF=Y, all others are
    exact synonyms. A parent (REL=PAR) counts where both concepts are read.

    Args:
        folder: Holds MRCONSO.RRF and, where definitions and parents are wanted, MRDEF.RRF and
            MRREL.RRF.
        wanted: Only these concepts, as ``UMLS_CUI:C0000001``; all by default.

    Raises:
        KnowledgeError: MV2006 if MRCONSO.RRF is missing or unreadable, MV2002 with the line if a
            row has not as many columns as its file should.
    """
    chosen = None if wanted is None else {name.removeprefix(_PREFIX) for name in wanted}
    names: dict[str, dict[str, None]] = {}
    preferred: dict[str, str] = {}
    codes: dict[str, dict[str, None]] = {}
    for row in _rows(folder / "MRCONSO.RRF", chosen):
        cui, language, status, kind, is_preferred = row[0], row[1], row[2], row[4], row[6]
        if language != "ENG" or row[16] != "N":
            continue
        names.setdefault(cui, {})[row[14]] = None
        if (status, kind, is_preferred) == ("P", "PF", "Y"):
            preferred.setdefault(cui, row[14])
        if row[11] in _CODED and row[13]:
            codes.setdefault(cui, {})[f"{_CODED[row[11]]}:{row[13]}"] = None
    definitions = _definitions(folder, names)
    parents = _parents(folder, names)
    terms = tuple(
        Term(
            id=_PREFIX + cui,
            name=(name := preferred.get(cui, next(iter(texts)))),
            synonyms=tuple(Synonym(text, "EXACT", "UMLS") for text in texts if text != name),
            definitions=tuple(Definition(text, "UMLS") for text in definitions.get(cui, ())),
            parents=tuple(_PREFIX + above for above in parents.get(cui, ())),
            xrefs=tuple(codes.get(cui, ())),
        )
        for cui, texts in names.items()
    )
    return ParsedSource(
        _record(folder), terms, notes=("holds text of the UMLS: do not pass it on",)
    )


def refuse_umls_export(graph: KnowledgeGraph, *, allow: bool, what: str = "the graph") -> None:
    """Refuse to pass on what holds text of the UMLS.

    Args:
        graph: What it was made of.
        allow: Whether the user has stated to be allowed to.
        what: Name of what is exported, for the message.

    Raises:
        KnowledgeError: MV2009 if the graph holds text of the UMLS and ``allow`` is False.
    """
    if graph.holds_umls and not allow:
        names = [source.name for source in graph.sources if source.holds_umls]
        raise KnowledgeError(
            "MV2009",
            f"{what} holds text of the UMLS (from {', '.join(names)}), whose licence forbids "
            "passing it on",
            hint="build it without these sources, or pass --allow-umls if every receiver holds "
            "the licence",
        )


def _definitions(folder: Path, names: Collection[str]) -> dict[str, dict[str, None]]:
    found: dict[str, dict[str, None]] = {}
    for row in _optional_rows(folder / "MRDEF.RRF", names):
        if row[6] == "N":
            found.setdefault(row[0], {})[row[5]] = None
    return found


def _parents(folder: Path, names: Collection[str]) -> dict[str, dict[str, None]]:
    """Return, for each concept, those that stand to it in the relation PAR."""
    found: dict[str, dict[str, None]] = {}
    for row in _optional_rows(folder / "MRREL.RRF", names):
        child, relation, parent = row[0], row[3], row[4]
        if relation == "PAR" and row[14] == "N" and parent in names and parent != child:
            found.setdefault(child, {})[parent] = None
    return found


def _optional_rows(path: Path, wanted: Collection[str]) -> Iterator[list[str]]:
    if path.is_file():
        yield from _rows(path, wanted)


def _rows(path: Path, wanted: Collection[str] | None) -> Iterator[list[str]]:
    """Yield the rows of the wanted concepts; the files are too large to be held."""
    num = _NUM_COLUMNS[path.name]
    number = 0
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                if wanted is not None and line.partition("|")[0] not in wanted:
                    continue
                row = line.rstrip("\r\n").split("|")
                if len(row) not in (num, num + 1):
                    raise broken_source(
                        path, number, f"has {len(row) - 1} columns", expected=f"{num} columns"
                    )
                yield row
    except UnicodeDecodeError as error:
        raise KnowledgeError(
            "MV2006", f"{path} is not UTF-8 behind line {number}", expected="a file of the UMLS"
        ) from error
    except OSError as error:
        raise KnowledgeError(
            "MV2006",
            f"{path} cannot be read ({error.strerror})",
            expected="the folder META of a UMLS release",
        ) from error


def _record(folder: Path) -> SourceRecord:
    files = [folder / name for name in UMLS_FILES if (folder / name).is_file()]
    digest = json_sha256({path.name: content_sha256(path) for path in files})
    return SourceRecord("UMLS", "", _LICENCE, digest, holds_umls=True)
