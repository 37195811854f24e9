"""Terms as flat columns of texts: what is hashed and what is stored."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from medvlp.knowledge.terms import Definition, Synonym, Term

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from medvlp.knowledge.terms import Scope

__all__ = ["LIST_COLUMNS", "TEXT_COLUMNS", "TermColumns", "columns_of", "columns_sha256"]

TEXT_COLUMNS = ("id", "name", "obsolete")
LIST_COLUMNS = (
    "parents",
    "synonyms",
    "synonym_scopes",
    "synonym_sources",
    "definitions",
    "definition_sources",
    "xrefs",
    "alternative_ids",
    "replaced_by",
)


@dataclass(frozen=True)
class TermColumns:
    """T terms in columns; a term is made when it is asked for.

    Attributes:
        texts: One text per term for each of ``TEXT_COLUMNS``; ``obsolete`` is ``"1"`` or empty.
        lists: All texts of all terms for each of ``LIST_COLUMNS``, in order.
        starts: Where each term's texts begin in a list column, shape ``(T + 1,)``, int64.
    """

    texts: Mapping[str, Sequence[str]]
    lists: Mapping[str, Sequence[str]]
    starts: Mapping[str, NDArray[np.int64]]

    def __len__(self) -> int:
        """Return the number of terms."""
        return len(self.texts["id"])

    def term(self, index: int) -> Term:
        """Make one term.

        Args:
            index: Place of the term, from 0.
        """
        take = {name: self.list_of(name, index) for name in LIST_COLUMNS}
        return Term(
            id=self.texts["id"][index],
            name=self.texts["name"][index],
            synonyms=tuple(
                Synonym(text, cast("Scope", scope), source)
                for text, scope, source in zip(
                    take["synonyms"], take["synonym_scopes"], take["synonym_sources"], strict=True
                )
            ),
            definitions=tuple(map(Definition, take["definitions"], take["definition_sources"])),
            parents=take["parents"],
            xrefs=take["xrefs"],
            alternative_ids=take["alternative_ids"],
            is_obsolete=bool(self.texts["obsolete"][index]),
            replaced_by=take["replaced_by"],
        )

    def list_of(self, name: str, index: int) -> tuple[str, ...]:
        """Return the texts of one term in a list column.

        Args:
            name: One of ``LIST_COLUMNS``.
            index: Place of the term, from 0.
        """
        starts = self.starts[name]
        return tuple(self.lists[name][starts[index] : starts[index + 1]])


def columns_of(terms: Sequence[Term]) -> TermColumns:
    """Lay terms out in columns.

    Args:
        terms: The terms, in order.
    """
    nested: dict[str, list[tuple[str, ...]]] = {
        "parents": [term.parents for term in terms],
        "synonyms": [tuple(s.text for s in term.synonyms) for term in terms],
        "synonym_scopes": [tuple(s.scope for s in term.synonyms) for term in terms],
        "synonym_sources": [tuple(s.source for s in term.synonyms) for term in terms],
        "definitions": [tuple(d.text for d in term.definitions) for term in terms],
        "definition_sources": [tuple(d.source for d in term.definitions) for term in terms],
        "xrefs": [term.xrefs for term in terms],
        "alternative_ids": [term.alternative_ids for term in terms],
        "replaced_by": [term.replaced_by for term in terms],
    }
    return TermColumns(
        texts={
            "id": [term.id for term in terms],
            "name": [term.name for term in terms],
            "obsolete": ["1" if term.is_obsolete else "" for term in terms],
        },
        lists={name: [text for row in rows for text in row] for name, rows in nested.items()},
        starts={
            name: np.cumsum([0, *map(len, rows)], dtype=np.int64) for name, rows in nested.items()
        },
    )


def columns_sha256(columns: TermColumns) -> str:
    """Hash columns: for each the starts of the lists, the lengths of the texts and the texts.

    Args:
        columns: The columns; texts must be encodable as UTF-8.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for name, texts in (*columns.texts.items(), *columns.lists.items()):
        encoded = [text.encode() for text in texts]
        digest.update(f"{name} {len(encoded)}\n".encode())
        if name in columns.starts:
            digest.update(columns.starts[name].astype("<i8").tobytes())
        digest.update(np.array([len(text) for text in encoded], dtype="<i8").tobytes())
        digest.update(b"".join(encoded))
    return digest.hexdigest()
