"""Ways through the hierarchy: depth, common ancestors, paths and hypernym chains."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from medvlp.knowledge.graph import KnowledgeGraph

__all__ = [
    "EXCLUDED_UPPER",
    "depth",
    "hypernym_chain",
    "leaves_below",
    "lowest_common_ancestors",
    "path_to_root",
]

EXCLUDED_UPPER = frozenset(
    {
        "DOID:4",  # disease
        "DOID:7",  # disease of anatomical entity
        "DOID:150",  # disease of mental health
        "DOID:225",  # syndrome
        "DOID:630",  # genetic disease
        "DOID:14566",  # disease of cellular proliferation
        "DOID:0014667",  # disease of metabolism
        "DOID:0050117",  # disease by infectious agent
        "DOID:0080015",  # physical disorder
    }
)
"""The root and the eight upper terms below which a hypernym chain stops, being too general."""


def depth(graph: KnowledgeGraph, id_: str) -> int:
    """Return the length of the longest way from a term up to a root; 0 for a root.

    Raises:
        KnowledgeError: MV2001 if there is no such term.
    """
    return int(graph.levels[graph.index(id_)])


def leaves_below(graph: KnowledgeGraph, id_: str) -> tuple[str, ...]:
    """Return the descendants of a term that have no children, sorted by id.

    Raises:
        KnowledgeError: MV2001 if there is no such term.
    """
    return tuple(sorted(below for below in graph.descendants(id_) if not graph.children(below)))


def lowest_common_ancestors(graph: KnowledgeGraph, first: str, *others: str) -> tuple[str, ...]:
    """Return the terms above all of some terms that have no other such term below them.

    A term counts as above itself, so that of a term and its descendant the term is the answer.

    Args:
        graph: The graph.
        first: A term.
        others: Further terms.

    Returns:
        Ids, sorted; several where the hierarchy joins more than once, none under separate roots.

    Raises:
        KnowledgeError: MV2001 if there is no such term.
    """
    common = frozenset.intersection(
        *(graph.ancestors(id_) | {graph[id_].id} for id_ in (first, *others))
    )
    higher = frozenset[str]().union(*(graph.ancestors(id_) for id_ in common))
    return tuple(sorted(common - higher))


def path_to_root(graph: KnowledgeGraph, id_: str) -> tuple[str, ...]:
    """Return a shortest way from a root to a term.

    Args:
        graph: The graph.
        id_: The term.

    Returns:
        Ids from the root to the term itself; of several shortest ways the one whose terms, from the
        term upwards, come first by id.

    Raises:
        KnowledgeError: MV2001 if there is no such term.
    """
    start = graph[id_].id
    ways: dict[str, tuple[str, ...]] = {start: (start,)}
    frontier = [start]
    while frontier:
        for here in frontier:
            if not graph.parents(here):
                return ways[here]
        reached: dict[str, None] = {}
        for here in frontier:
            for parent in sorted(graph.parents(here)):
                if parent not in ways:
                    ways[parent] = (parent, *ways[here])
                    reached[parent] = None
        frontier = list(reached)
    raise AssertionError("an acyclic graph has a root above every term")


def hypernym_chain(
    graph: KnowledgeGraph,
    id_: str,
    rng: np.random.Generator,
    *,
    excluded: frozenset[str] = EXCLUDED_UPPER,
) -> tuple[str, ...]:
    """Walk up from a term, taking a random parent at each step, and stop below excluded terms.

    Args:
        graph: The graph.
        id_: The term the chain ends with; it is kept even where it is excluded itself.
        rng: Source of randomness.
        excluded: Terms that never appear above another.

    Returns:
        Ids from the highest to the term itself.

    Raises:
        KnowledgeError: MV2001 if there is no such term.
    """
    chain = [graph[id_].id]
    while parents := graph.parents(chain[0]):
        parent = parents[int(rng.integers(len(parents)))] if len(parents) > 1 else parents[0]
        if parent in excluded:
            break
        chain.insert(0, parent)
    return tuple(chain)
