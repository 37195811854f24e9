"""The knowledge graph: diseases with names, synonyms, definitions and is_a, immutable."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from medvlp.errors import KnowledgeError, nearest_name
from medvlp.knowledge.checks import (
    check_acyclic,
    check_ids,
    levels_below_roots,
    parent_indices,
)
from medvlp.knowledge.columns import TermColumns, columns_of, columns_sha256
from medvlp.knowledge.normalize import normalize_term
from medvlp.knowledge.terms import SCOPES, Definition, Scope, SourceRecord, Synonym, Term

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

__all__ = [
    "SCOPES",
    "Definition",
    "KnowledgeGraph",
    "Scope",
    "SourceRecord",
    "Synonym",
    "Term",
]


class KnowledgeGraph:
    """Terms related by is_a, ordered by id; does not change once made.

    Args:
        terms: The terms; their parents must be among them.
        sources: Where they come from.

    Raises:
        KnowledgeError: MV2004 for an id that two terms have, MV2005 for a parent that does not
            exist, MV2003 for a term that is its own ancestor.
    """

    def __init__(self, terms: Iterable[Term], sources: Iterable[SourceRecord] = ()) -> None:
        ordered = sorted(terms, key=lambda term: term.id)
        self._fill(columns_of(ordered), tuple(sources), ordered, None)

    @classmethod
    def from_columns(
        cls, columns: TermColumns, sources: Iterable[SourceRecord], *, content_sha256: str
    ) -> KnowledgeGraph:
        """Make a graph of stored columns; its terms are made when they are asked for.

        Args:
            columns: The columns, ordered by id.
            sources: Where the terms come from.
            content_sha256: Their hash, as ``columns_sha256`` gives it.

        Raises:
            KnowledgeError: As for the class.
        """
        graph = cls.__new__(cls)
        graph._fill(columns, tuple(sources), [None] * len(columns), content_sha256)
        return graph

    def _fill(
        self,
        columns: TermColumns,
        sources: tuple[SourceRecord, ...],
        terms: Sequence[Term | None],
        content_sha256: str | None,
    ) -> None:
        self._columns = columns
        self._sources = sources
        self._terms = list(terms)
        self._content_sha256 = content_sha256
        self._ids = tuple(columns.texts["id"])
        check_ids(self._ids)
        self._place = {name: index for index, name in enumerate(self._ids)}
        self._alternatives = self._alternative_places()
        parents = [columns.list_of("parents", index) for index in range(len(columns))]
        self._indptr, self._indices = parent_indices(self._ids, parents, self._alternatives)
        levels, self._child_starts, self._children = levels_below_roots(self._indptr, self._indices)
        check_acyclic(self._ids, self._indptr, self._indices, levels)
        self._levels = levels
        self._ancestors: dict[int, frozenset[str]] = {}

    def _alternative_places(self) -> dict[str, int]:
        starts = self._columns.starts["alternative_ids"]
        owners = np.repeat(np.arange(len(self._ids)), np.diff(starts)).tolist()
        pairs = zip(self._columns.lists["alternative_ids"], owners, strict=True)
        found: dict[str, int] = {}
        for name, owner in pairs:
            if name not in self._place:
                found.setdefault(name, owner)
        return found

    def __len__(self) -> int:
        """Return the number of terms."""
        return len(self._ids)

    def __iter__(self) -> Iterator[Term]:
        """Yield the terms in the order of their ids."""
        return (self._term(index) for index in range(len(self._ids)))

    def __contains__(self, id_: object) -> bool:
        """Tell whether an id, or an alternative id, is that of a term."""
        return id_ in self._place or id_ in self._alternatives

    def __getitem__(self, id_: str) -> Term:
        """Return the term of an id or of an alternative id.

        Raises:
            KnowledgeError: MV2001 if there is none.
        """
        return self._term(self.index(id_))

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of all terms, sorted."""
        return self._ids

    @property
    def sources(self) -> tuple[SourceRecord, ...]:
        """Where the terms come from."""
        return self._sources

    @property
    def holds_umls(self) -> bool:
        """Whether any source holds text of the UMLS, which must not be passed on."""
        return any(source.holds_umls for source in self._sources)

    @property
    def content_sha256(self) -> str:
        """Hash of all terms."""
        if self._content_sha256 is None:
            self._content_sha256 = columns_sha256(self._columns)
        return self._content_sha256

    @property
    def columns(self) -> TermColumns:
        """The terms as columns, for storing."""
        return self._columns

    @property
    def levels(self) -> Ints:
        """Length of the longest way up from each term to a root, shape ``(T,)``, int64."""
        return self._levels

    @property
    def roots(self) -> tuple[str, ...]:
        """Terms without a parent."""
        return tuple(self._ids[index] for index in np.flatnonzero(self._levels == 0))

    def index(self, id_: str) -> int:
        """Return the place of a term in ``ids``.

        Args:
            id_: Its id or an alternative id.

        Raises:
            KnowledgeError: MV2001 if there is none.
        """
        place = self._place.get(id_)
        if place is None:
            place = self._alternatives.get(id_)
        if place is None:
            raise KnowledgeError(
                "MV2001",
                f"there is no term {id_!r}{nearest_name(id_, self._ids)}",
                expected="an id of the graph, such as " + (self._ids[0] if self._ids else "none"),
                hint="look for it with medvlp knowledge search",
            )
        return place

    def parents(self, id_: str) -> tuple[str, ...]:
        """Return the direct parents of a term, as ids of the graph.

        Raises:
            KnowledgeError: MV2001 if there is no such term.
        """
        place = self.index(id_)
        rows = self._indices[self._indptr[place] : self._indptr[place + 1]]
        return tuple(self._ids[row] for row in rows)

    def children(self, id_: str) -> tuple[str, ...]:
        """Return the direct children of a term, sorted by id.

        Raises:
            KnowledgeError: MV2001 if there is no such term.
        """
        return tuple(self._ids[row] for row in self._children_of(self.index(id_)))

    def ancestors(self, id_: str) -> frozenset[str]:
        """Return all terms above a term, without itself.

        Raises:
            KnowledgeError: MV2001 if there is no such term.
        """
        place = self.index(id_)
        if place not in self._ancestors:
            seen: set[int] = set()
            left = [place]
            while left:
                here = left.pop()
                rows = self._indices[self._indptr[here] : self._indptr[here + 1]].tolist()
                left += [row for row in rows if row not in seen]
                seen.update(rows)
            self._ancestors[place] = frozenset(self._ids[row] for row in seen)
        return self._ancestors[place]

    def descendants(self, id_: str) -> frozenset[str]:
        """Return all terms below a term, without itself.

        Raises:
            KnowledgeError: MV2001 if there is no such term.
        """
        seen: set[int] = set()
        left = [self.index(id_)]
        while left:
            rows = self._children_of(left.pop()).tolist()
            left += [row for row in rows if row not in seen]
            seen.update(rows)
        return frozenset(self._ids[row] for row in seen)

    def find(self, text: str) -> tuple[str, ...]:
        """Return the terms that are called so, whatever the case, hyphens or spelling.

        Args:
            text: A name.

        Returns:
            Ids of terms of this name, then of terms with this exact synonym; may be empty.
        """
        return self._by_name.get(normalize_term(text), ())

    def parent_lists(self, ids: Sequence[str] | None = None) -> tuple[Ints, Ints]:
        """Return what lies above each concept, as sorted lists of places.

        Args:
            ids: The concepts, in order; all terms in the order of ``ids`` by default.

        Returns:
            Where each list begins, shape ``(K + 1,)``, and the places, both int64. For the whole
            graph these are the direct parents; for a choice of terms all chosen ancestors, so that
            a term left out does not break the way up.

        Raises:
            KnowledgeError: MV2001 if there is no such term.
        """
        if ids is None:
            return self._indptr.copy(), self._indices.copy()
        place = {self._ids[self.index(id_)]: row for row, id_ in enumerate(ids)}
        rows = [sorted(place[a] for a in self.ancestors(id_) if a in place) for id_ in ids]
        starts = np.cumsum([0, *map(len, rows)], dtype=np.int64)
        return starts, np.array([above for row in rows for above in row], dtype=np.int64)

    def _term(self, index: int) -> Term:
        term = self._terms[index]
        if term is None:
            term = self._terms[index] = self._columns.term(index)
        return term

    def _children_of(self, place: int) -> Ints:
        return self._children[self._child_starts[place] : self._child_starts[place + 1]]

    @cached_property
    def _by_name(self) -> dict[str, tuple[str, ...]]:
        names: dict[str, list[str]] = {}
        synonyms: dict[str, list[str]] = {}
        for term in self:
            names.setdefault(normalize_term(term.name), []).append(term.id)
            for text in term.exact_names[1:]:
                synonyms.setdefault(normalize_term(text), []).append(term.id)
        for key, found in synonyms.items():
            names.setdefault(key, []).extend(found)
        return {key: tuple(dict.fromkeys(found)) for key, found in names.items() if key}
