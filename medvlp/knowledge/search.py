"""Find terms by their names in spite of spelling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from rapidfuzz import fuzz, process

from medvlp.errors import KnowledgeError
from medvlp.knowledge.normalize import normalize_term

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from medvlp.knowledge.graph import KnowledgeGraph

__all__ = ["SearchHit", "id_of", "resolve_term", "search_terms"]

_LEAST_SCORE = 60.0
# A name that only shares words with the query, or holds it as a part, ranks behind one that is it.
_SHARED_WORDS, _PART = 0.9, 0.85
_MAX_QUERY = 500


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A term that a search found.

    Attributes:
        id: Id of the term.
        name: Its name.
        matched: The name or synonym that was nearest to the query.
        score: How near, 0 to 100; 100 for the same words up to spelling variants.
    """

    id: str
    name: str
    matched: str
    score: float


def search_terms(graph: KnowledgeGraph, query: str, *, limit: int = 10) -> tuple[SearchHit, ...]:
    """Return the terms whose names or synonyms, of any scope, are nearest to a query.

    Args:
        graph: The graph.
        query: An id, or words in any order and with faults of spelling.
        limit: How many terms at most.

    Returns:
        The terms, the nearest first; of equally near ones those with the shorter name first.
    """
    if (id_ := id_of(graph, query)) is not None:
        term = graph[id_]
        return (SearchHit(term.id, term.name, query, 100.0),)
    wanted = normalize_term(query[:_MAX_QUERY])
    if not wanted:
        return ()
    keys: list[str] = []
    owners: list[tuple[str, str, str]] = []
    for term in graph:
        for text in dict.fromkeys((term.name, *(synonym.text for synonym in term.synonyms))):
            keys.append(normalize_term(text))
            owners.append((term.id, term.name, text))
    scores = _scores(wanted, keys)
    lengths = np.array([len(key) for key in keys])
    best: dict[str, SearchHit] = {}
    for place in np.lexsort((lengths, -scores)).tolist():
        id_, name, text = owners[place]
        if len(best) == limit or scores[place] < _LEAST_SCORE:
            break
        best.setdefault(id_, SearchHit(id_, name, text, round(float(scores[place]), 1)))
    return tuple(best.values())


def _scores(wanted: str, keys: list[str]) -> NDArray[np.float32]:
    """Score all names: as a whole in any order of words, by shared words, and as a part."""

    def compare(scorer: Callable[..., float]) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = process.cdist([wanted], keys, scorer=scorer, workers=1)
        return scores.reshape(-1)

    covered = np.array([len(key) for key in keys], dtype=np.float32) / len(wanted)
    as_part = _PART * np.where(covered < 1, 0, compare(fuzz.partial_ratio))
    # One word out of many is no answer, although all words of that name are in the query.
    shared = _SHARED_WORDS * np.minimum(covered, 1) ** 0.25 * compare(fuzz.token_set_ratio)
    whole = np.maximum(compare(fuzz.ratio), compare(fuzz.token_sort_ratio))
    best: NDArray[np.float32] = np.stack([whole, shared, as_part]).max(0)
    return best


def resolve_term(graph: KnowledgeGraph, text: str) -> str:
    """Return the id of the one term that a user means by an id or a name.

    Args:
        graph: The graph.
        text: An id or an alternative id, in small letters too, a name or an exact synonym.

    Raises:
        KnowledgeError: MV2001 with the nearest names if there is none, MV2013 if several terms are
            called so and none or several of them by their preferred name.
    """
    if (id_ := id_of(graph, text)) is not None:
        return id_
    found = graph.find(text)
    if len(found) > 1:
        key = normalize_term(text)
        named = tuple(id_ for id_ in found if normalize_term(graph[id_].name) == key)
        found = named if len(named) == 1 else found
    if len(found) == 1:
        return found[0]
    if found:
        shown = ", ".join(f"{id_} ({graph[id_].name})" for id_ in found[:5])
        raise KnowledgeError(
            "MV2013",
            f"{text[:100]!r} may mean {shown}",
            expected="a name that one term has",
            hint="give the id instead",
        )
    near = ", ".join(f"{hit.name!r} ({hit.id})" for hit in search_terms(graph, text, limit=3))
    raise KnowledgeError(
        "MV2001",
        f"there is no term {text[:100]!r}" + (f"; the nearest are {near}" if near else ""),
        expected="an id, a name or an exact synonym",
        hint="look for it with medvlp knowledge search",
    )


def id_of(graph: KnowledgeGraph, text: str) -> str | None:
    """Return the id of a term that a text is, with spaces around it or in small letters too.

    Args:
        graph: The graph.
        text: Any text.

    Returns:
        The id as the graph has it; None where the text is none, though it may be a name.
    """
    bare = text.strip()
    return next((graph[form].id for form in (text, bare, bare.upper()) if form in graph), None)
