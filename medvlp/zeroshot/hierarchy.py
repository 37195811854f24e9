"""Class probabilities rolled up an ontology, and the most exact node that is certain enough.

Letters: C classes, M nodes. The nodes are the concepts of the classes and what lies between them
and their lowest common ancestors. The probability of a node is the sum over the classes at it or
below it, each class once, by however many ways it is reached.

What is stated here rather than left to chance:

* A class without a concept, such as normal tissue, is a node of its own below the root.
* A class that is an ancestor of another class keeps its own share: its node holds both its share
  and theirs, which reads as "this disease, not told more exactly".
* The root stands for all classes; its probability is 1 and a case that no node fits falls back to
  it. Where every class has a concept and all have one ancestor in common, that is the root.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from medvlp.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["ClassHierarchy", "NamedTerm", "NodeChoice", "Ontology", "build_hierarchy"]

_SLACK = 1e-9


class NamedTerm(Protocol):
    """What is needed of a term of an ontology."""

    @property
    def id(self) -> str:
        """Id of the term."""

    @property
    def name(self) -> str:
        """Preferred name of the term."""

    @property
    def is_obsolete(self) -> bool:
        """Whether the ontology has given the term up."""


class Ontology(Protocol):
    """What is needed of an ontology without cycles; the knowledge graph is one."""

    def __contains__(self, concept: str, /) -> bool:
        """Tell whether a concept is known, also by an alternative id."""

    def __getitem__(self, concept: str, /) -> NamedTerm:
        """Return the term of a concept."""

    def parents(self, concept: str, /) -> Sequence[str]:
        """Return the ids of the direct parents of a term."""

    def ancestors(self, concept: str, /) -> frozenset[str]:
        """Return the ids of all terms above a term."""


@dataclass(frozen=True)
class NodeChoice:
    """Where a case is reported.

    Attributes:
        node: Id of the node; None for a class without a concept, and for a root without one.
        path: Names from below the root, or from the root where it has a name, to the node; empty
            for a root without a name.
        confidence: Probability of the node.
    """

    node: str | None
    path: tuple[str, ...]
    confidence: float


@dataclass(frozen=True)
class ClassHierarchy:
    """The nodes above the classes of a task. Row 0 is the root.

    Attributes:
        class_names: Classes in order.
        ids: Id of each node in the ontology; None for the root of several parts and for classes
            without a concept.
        names: Name of each node; empty for a root without one.
        parents: Rows of the direct parents of each node, which come before it.
        members: Which classes are at or below each node, shape ``(M, C)``.
    """

    class_names: tuple[str, ...]
    ids: tuple[str | None, ...]
    names: tuple[str, ...]
    parents: tuple[tuple[int, ...], ...]
    members: NDArray[np.bool_]

    def roll_up(self, probabilities: ArrayLike) -> NDArray[np.float64]:
        """Return the probability of each node.

        Args:
            probabilities: Probability of each class, shape ``(..., C)``; they sum to 1.

        Returns:
            Shape ``(..., M)``; no node has less than a node below it, and the root has 1.

        Raises:
            ValueError: If the classes do not fit or the probabilities do not sum to 1.
        """
        shares = np.asarray(probabilities, dtype=np.float64)
        if shares.shape[-1] != len(self.class_names):
            raise ValueError(f"expected {len(self.class_names)} classes, got {shares.shape}")
        if (shares < 0).any() or (np.abs(shares.sum(axis=-1) - 1) > 1e-6).any():
            raise ValueError("probabilities must be at least 0 and sum to 1")
        found = np.asarray(shares @ self.members.T.astype(np.float64))
        found[..., self.members.all(axis=1)] = 1.0
        return found

    def choose(self, probabilities: ArrayLike, confidence: float) -> NodeChoice:
        """Report a case at the deepest node that is certain enough; see :meth:`choose_row`.

        Args:
            probabilities: Probability of each class, shape ``(C,)``.
            confidence: Least probability of the node, 0 to 1.
        """
        row = self.choose_row(probabilities, confidence)
        found = float(min(self.roll_up(probabilities)[row], 1.0))
        return NodeChoice(self.ids[row], self.path(row), found)

    def choose_row(self, probabilities: ArrayLike, confidence: float) -> int:
        """Return the row of the deepest node that is certain enough.

        Deepest is a node of probability at least ``confidence`` without such a node below it.
        Where there are several, which takes a node with several parents or a confidence of at most
        one half, the one that holds the most probable class goes before the others, then the one
        with fewest classes, then the most probable, then the first in the order of nodes.

        Args:
            probabilities: Probability of each class, shape ``(C,)``.
            confidence: Least probability of the node, 0 to 1.
        """
        shares = np.asarray(probabilities, dtype=np.float64)
        found = self.roll_up(shares)
        passes = found >= confidence - _SLACK
        passes[0] = True
        is_deepest = passes.copy()
        for row, above in enumerate(self.parents):
            if passes[row]:
                is_deepest[list(above)] = False
        # a node passes where one below it does, so only direct parents need to be crossed out
        best = int(shares.argmax())
        return min(
            np.flatnonzero(is_deepest).tolist(),
            key=lambda m: (not self.members[m, best], self.members[m].sum(), -found[m], m),
        )

    def path(self, row: int) -> tuple[str, ...]:
        """Return the names from the root to a node by the shortest way, without an unnamed root."""
        ways: dict[int, tuple[int, ...]] = {0: (0,)}
        for node in range(1, row + 1):
            ways[node] = (*min((ways[up] for up in self.parents[node]), key=len), node)
        return tuple(self.names[node] for node in ways[row] if self.names[node])


def build_hierarchy(
    concepts: Mapping[str, str | None], ontology: Ontology | None
) -> ClassHierarchy:
    """Find the nodes above the classes of a task.

    Args:
        concepts: Class name to its concept, classes in order.
        ontology: The ontology; without one every class is a node of its own below the root.

    Raises:
        ConfigError: MV1525 if the ontology lacks a concept or has given it up, MV1526 if an
            ontology is given and no class has a concept.
    """
    names = tuple(concepts)
    terms = {} if ontology is None else _terms_of(concepts, ontology)
    if ontology is not None and not terms:
        raise ConfigError(
            "MV1526",
            f"none of the classes {list(names)} has a concept",
            expected="concept: ID under the classes of the task",
            hint="add the ids of the graph to the task, or leave --graph out",
        )
    nodes = _Nodes()
    if ontology is not None:
        nodes.add_terms(terms, ontology, num_classes=len(names))
    for name in names:
        if name not in terms:
            nodes.add(concepts[name], name, (0,), {name})
    members = np.asarray([[name in held for name in names] for held in nodes.held])
    members[0] = True
    return ClassHierarchy(
        names, tuple(nodes.ids), tuple(nodes.names), tuple(nodes.parents), members
    )


def _terms_of(concepts: Mapping[str, str | None], ontology: Ontology) -> dict[str, NamedTerm]:
    """Return the term of each class that has a concept."""
    terms = {}
    for name, concept in concepts.items():
        if concept is None:
            continue
        if concept not in ontology:
            raise ConfigError(
                "MV1525",
                f"class {name!r} has the concept {concept}, which the graph does not hold",
                expected="a concept of the graph that is given with --graph",
                hint="look it up with 'medvlp knowledge search'",
            )
        term = ontology[concept]
        if term.is_obsolete:
            raise ConfigError(
                "MV1525",
                f"class {name!r} has the concept {concept} ({term.name}), which is obsolete",
                expected="a concept with a place in the graph",
                hint="look for its successor with 'medvlp knowledge search'",
            )
        terms[name] = term
    return terms


class _Nodes:
    """Nodes as they are gathered; the root comes first and parents before children."""

    def __init__(self) -> None:
        self.ids: list[str | None] = [None]
        self.names: list[str] = [""]
        self.parents: list[tuple[int, ...]] = [()]
        self.held: list[set[str]] = [set()]

    def add(self, node: str | None, name: str, parents: Iterable[int], classes: set[str]) -> None:
        self.ids.append(node)
        self.names.append(name)
        self.parents.append(tuple(parents))
        self.held.append(classes)

    def add_terms(
        self, terms: Mapping[str, NamedTerm], ontology: Ontology, *, num_classes: int
    ) -> None:
        """Add the concepts of the classes and all between them and their common ancestors."""
        held: dict[str, set[str]] = {}
        for name, term in terms.items():
            for node in (term.id, *ontology.ancestors(term.id)):
                held.setdefault(node, set()).add(name)
        above = {node: ontology.ancestors(node) for node in held}
        common = {node for node, classes in held.items() if len(classes) == len(terms)}
        lowest = common - {upper for node in common for upper in above[node]}
        kept = {node for node in held if not common or ({node} | above[node]) & lowest}
        tops = [node for node in kept if not above[node] & kept]
        row_of: dict[str, int] = {}
        if len(tops) == 1 and len(terms) == num_classes:
            self.ids[0], self.names[0] = tops[0], ontology[tops[0]].name
            row_of[tops[0]] = 0
        for node in sorted(kept - row_of.keys(), key=lambda n: (len(above[n] & kept), n)):
            parents = [row_of[up] for up in ontology.parents(node) if up in row_of]
            row_of[node] = len(self.ids)
            self.add(node, ontology[node].name, parents or (0,), held[node])
