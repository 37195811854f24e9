"""What must hold in a graph: one term per id, parents that exist, no circles."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from medvlp.errors import KnowledgeError, nearest_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

__all__ = ["check_acyclic", "check_ids", "dangling_error", "levels_below_roots", "parent_indices"]

_SHOWN = 5


def check_ids(ids: Sequence[str], places: Callable[[int], str] | None = None) -> None:
    """Refuse ids that several terms have.

    Args:
        ids: The ids of all terms.
        places: Tells where a term stands in its file, from its place in ``ids``.

    Raises:
        KnowledgeError: MV2004 with the ids.
    """
    if len(set(ids)) == len(ids):
        return
    twice = [name for name, count in Counter(ids).items() if count > 1]
    where = "the graph"
    if places is not None:
        rows = (row for row, name in enumerate(ids) if name == twice[0])
        where = " and ".join(dict.fromkeys(map(places, rows)))
    raise KnowledgeError(
        "MV2004",
        f"{where}: {_listed(twice)} more than once",
        expected="each id once",
        hint="remove or rename the repeated terms",
    )


def parent_indices(
    ids: Sequence[str],
    parents: Sequence[Sequence[str]],
    alternatives: Mapping[str, int],
) -> tuple[Ints, Ints]:
    """Turn the parents of each term into places in the list of ids.

    Args:
        ids: The ids of all T terms.
        parents: The parents of each term.
        alternatives: Other ids and the places of the terms that they mean.

    Returns:
        Where each term's parents begin, shape ``(T + 1,)``, and the parents, both int64.

    Raises:
        KnowledgeError: MV2005 if a parent does not exist.
    """
    place = {**alternatives, **{name: index for index, name in enumerate(ids)}}
    starts = np.cumsum([0, *map(len, parents)], dtype=np.int64)
    try:
        found = [place[parent] for row in parents for parent in row]
    except KeyError:
        missing = [
            (child, parent)
            for child, row in zip(ids, parents, strict=True)
            for parent in row
            if parent not in place
        ]
        raise dangling_error(*missing[0], len(missing), ids) from None
    return starts, np.array(found, dtype=np.int64)


def dangling_error(
    child: str, parent: str, count: int, ids: Iterable[str], *, where: str = ""
) -> KnowledgeError:
    """Return the error of a parent that does not exist.

    Args:
        child: Id of the term.
        parent: Id of its parent.
        count: How many such parents there are.
        ids: All ids that exist.
        where: Where the term stands.
    """
    before = f"{where}: " if where else ""
    others = f"; {count} such parents in all" if count > 1 else ""
    return KnowledgeError(
        "MV2005",
        f"{before}{child} has the parent {parent!r}, which does not exist"
        f"{nearest_name(parent, ids)}{others}",
        expected="parents that are terms of the same build",
        hint="add the source that holds them, or build with --drop-dangling",
    )


def check_acyclic(
    ids: Sequence[str],
    indptr: Ints,
    indices: Ints,
    levels: Ints,
    places: Callable[[int], str] | None = None,
) -> None:
    """Refuse a graph in which a term is its own ancestor, and name one circle.

    Args:
        ids: The ids of all T terms.
        indptr: Where each term's parents begin in ``indices``, shape ``(T + 1,)``.
        indices: The parents.
        levels: What :func:`levels_below_roots` gave for the same lists.
        places: Tells where a term stands in its file, from its place in ``ids``.

    Raises:
        KnowledgeError: MV2003 with the circle.
    """
    if np.all(levels >= 0):
        return
    here = int(np.flatnonzero(levels < 0)[0])
    trail: dict[int, None] = {}
    while here not in trail:
        trail[here] = None
        parents = indices[indptr[here] : indptr[here + 1]]
        here = int(parents[levels[parents] < 0][0])
    steps = list(trail)
    circle = [*steps[steps.index(here) :], here]
    shown = " is_a ".join(ids[step] for step in circle[: _SHOWN * 2])
    where = f"{places(circle[0])}: " if places is not None else ""
    raise KnowledgeError(
        "MV2003",
        f"{where}a term is its own ancestor: {shown}"
        + (" ..." if len(circle) > _SHOWN * 2 else ""),
        expected="is_a without circles",
        hint="remove one of these is_a from the source",
    )


def levels_below_roots(indptr: Ints, indices: Ints) -> tuple[Ints, Ints, Ints]:
    """Give every term the length of its longest way up, and list the children of each.

    Args:
        indptr: Where each term's parents begin in ``indices``, shape ``(T + 1,)``.
        indices: The parents.

    Returns:
        Levels, shape ``(T,)``: 0 for roots, -1 in and below circles; where each term's children
        begin, shape ``(T + 1,)``; the children. All int64.
    """
    num = len(indptr) - 1
    child = np.repeat(np.arange(num), np.diff(indptr))
    order = np.argsort(indices, kind="stable")
    children = child[order]
    starts = np.searchsorted(indices[order], np.arange(num + 1))
    levels = np.full(num, -1, dtype=np.int64)
    pending = np.diff(indptr)
    frontier = np.flatnonzero(pending == 0)
    level = 0
    while frontier.size:
        levels[frontier] = level
        reached = np.concatenate([children[starts[i] : starts[i + 1]] for i in frontier])
        np.subtract.at(pending, reached, 1)
        frontier = np.unique(reached[pending[reached] == 0])
        level += 1
    return levels, starts, children


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
