"""Which concepts of a batch are related, as a small bit table built in the loader.

A pair of samples whose diseases are ancestor and descendant must not be pushed apart. The relation
over all K concepts of a graph is closed once, vectorised over its levels, and kept as sorted lists;
a step then only looks up the U concepts of its batch. Nothing walks the graph in Python per step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvlp.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

__all__ = ["ConceptRelation", "IgnoreTable"]


@dataclass(frozen=True)
class IgnoreTable:
    """The related concepts of one global batch of B samples with U distinct labels.

    Attributes:
        labels: Distinct labels of the batch, ascending, shape ``(U,)``, int64.
        index: Row of each sample in the table, shape ``(B,)``, int64; -1: the sample has no label
            and is never ignored.
        related: One bit per pair of labels, shape ``(U, ceil(U / 8))``, uint8; column c is bit
            ``c % 8`` (the lowest is 0) of byte ``c // 8``. Symmetric. The diagonal is set, so that
            samples of one concept but of different groups are ignored too, unless asked otherwise.
    """

    labels: Ints
    index: Ints
    related: NDArray[np.uint8]


@dataclass(frozen=True)
class ConceptRelation:
    """A symmetric relation over K concepts, as sorted lists.

    Attributes:
        indptr: Where each concept's list begins in ``indices``, shape ``(K + 1,)``, int64.
        indices: Related concepts of each concept, ascending, without the concept itself, int64.
    """

    indptr: Ints
    indices: Ints

    @property
    def num_concepts(self) -> int:
        """Number of concepts K."""
        return len(self.indptr) - 1

    @classmethod
    def from_parents(cls, indptr: Ints, indices: Ints) -> ConceptRelation:
        """Relate every concept with all its ancestors and descendants.

        Args:
            indptr: Where each concept's parents begin in ``indices``, shape ``(K + 1,)``.
            indices: Direct parents (is_a) of each concept, in ``[0, K)``.

        Raises:
            DataError: If the lists are malformed (MV1760) or a concept is its own ancestor
                (MV1761).
        """
        indptr, indices = _checked_lists(indptr, indices)
        num = len(indptr) - 1
        child = np.repeat(np.arange(num), np.diff(indptr))
        known = frontier = np.unique(child * num + indices)
        while frontier.size:
            descendant, ancestor = np.divmod(frontier, num)
            position, entry = _expand(indptr, ancestor)
            reached = np.unique(descendant[position] * num + indices[entry])
            frontier = np.setdiff1d(reached, known, assume_unique=True)
            known = np.union1d(known, frontier)
        descendant, ancestor = np.divmod(known, num)
        if np.any(descendant == ancestor):
            culprits = descendant[descendant == ancestor][:5].tolist()
            raise DataError(
                "MV1761",
                f"concepts {culprits} are their own ancestors",
                expected="is_a without circles",
                hint="remove the circle from the graph that the parents come from",
            )
        return cls.from_pairs(num, descendant, ancestor)

    @classmethod
    def from_pairs(cls, num_concepts: int, first: Ints, second: Ints) -> ConceptRelation:
        """Relate given pairs, both ways round; pairs of a concept with itself are left out.

        Args:
            num_concepts: Number of concepts K.
            first: One concept of each pair, in ``[0, K)``, shape ``(n,)``.
            second: The other, shape ``(n,)``.
        """
        keys = np.concatenate([first * num_concepts + second, second * num_concepts + first])
        concept, related = np.divmod(np.unique(keys), max(num_concepts, 1))
        apart = concept != related
        concept, related = concept[apart], related[apart]
        return cls(np.searchsorted(concept, np.arange(num_concepts + 1)), related)

    def table(self, concepts: Ints, *, with_self: bool = True) -> IgnoreTable:
        """Build the table of a batch whose samples have one concept each.

        Args:
            concepts: Concept of each sample of the global batch, shape ``(B,)``, in ``[0, K)``, or
                -1 for none.
            with_self: Whether a concept is related to itself.

        Raises:
            DataError: If a concept is not in the graph (MV1762).
        """
        labels, index = _distinct(concepts, self.num_concepts)
        return IgnoreTable(labels, index, _packed(self._related_rows(labels, with_self=with_self)))

    def table_of_sets(
        self, sets: Ints, indptr: Ints, indices: Ints, *, with_self: bool = True
    ) -> IgnoreTable:
        """Build the table of a batch whose samples have several concepts each.

        Two sets are related where any concept of one is related to any concept of the other.

        Args:
            sets: Set of each sample of the global batch, shape ``(B,)``, in ``[0, S)``, or -1.
            indptr: Where each of the S sets begins in ``indices``, shape ``(S + 1,)``.
            indices: Concepts of each set, in ``[0, K)``.
            with_self: Whether a concept is related to itself, and so sets that share one.

        Raises:
            DataError: If a set or a concept does not exist (MV1762).
        """
        labels, index = _distinct(sets, len(indptr) - 1)
        owner, entry = _expand(indptr, labels)
        concepts, member = _distinct(indices[entry], self.num_concepts)
        related = self._related_rows(concepts, with_self=with_self)
        touches = _union_rows(_packed(related), owner, member, len(labels))
        touched = np.unpackbits(touches, axis=1, count=len(concepts), bitorder="little")
        packed = _packed(np.ascontiguousarray(touched.T))
        return IgnoreTable(labels, index, _union_rows(packed, owner, member, len(labels)))

    def _related_rows(self, concepts: Ints, *, with_self: bool) -> NDArray[np.uint8]:
        """Return relatedness among distinct ascending concepts, shape ``(U, U)``, 0 or 1."""
        row, entry = _expand(self.indptr, concepts)
        related = self.indices[entry]
        column = np.searchsorted(concepts, related)
        column[column == len(concepts)] = 0
        is_here = concepts[column] == related if len(concepts) else np.zeros(0, dtype=bool)
        table = np.zeros((len(concepts), len(concepts)), dtype=np.uint8)
        table[row[is_here], column[is_here]] = 1
        if with_self:
            np.fill_diagonal(table, 1)
        return table


def _distinct(labels: Ints, num_labels: int) -> tuple[Ints, Ints]:
    """Return the distinct labels and each sample's place among them, -1 where it has none."""
    if labels.size and not -1 <= labels.min() <= labels.max() < num_labels:
        raise DataError(
            "MV1762",
            f"concepts of the batch reach from {labels.min()} to {labels.max()}",
            expected=f"-1 for none, or 0 to {num_labels - 1}",
            hint="build the relation and the manifest from the same graph",
        )
    has_label = labels >= 0
    distinct, place = np.unique(labels[has_label], return_inverse=True)
    index = np.full(len(labels), -1, dtype=np.int64)
    index[has_label] = place
    return distinct, index


def _expand(indptr: Ints, rows: Ints) -> tuple[Ints, Ints]:
    """Return, for all entries of some rows' lists, the row's place in ``rows`` and the entry."""
    start = indptr[rows]
    length = indptr[rows + 1] - start
    place = np.repeat(np.arange(len(rows)), length)
    first = np.cumsum(length) - length
    return place, np.arange(len(place)) - first[place] + start[place]


def _packed(table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.packbits(table, axis=1, bitorder="little")


def _union_rows(
    packed: NDArray[np.uint8], owner: Ints, member: Ints, num_owners: int
) -> NDArray[np.uint8]:
    """Unite the packed rows of the members of each owner; owners ascend, none means no bit."""
    united = np.zeros((num_owners, packed.shape[1]), dtype=np.uint8)
    present, first = np.unique(owner, return_index=True)
    if present.size:
        united[present] = np.bitwise_or.reduceat(packed[member], first, axis=0)
    return united


def _checked_lists(indptr: Ints, indices: Ints) -> tuple[Ints, Ints]:
    indptr, indices = np.asarray(indptr, np.int64), np.asarray(indices, np.int64)
    num = len(indptr) - 1
    is_sound = (
        num >= 0
        and indptr[0] == 0
        and indptr[-1] == len(indices)
        and bool(np.all(np.diff(indptr) >= 0))
        and (len(indices) == 0 or (indices.min() >= 0 and indices.max() < num))
    )
    if not is_sound:
        raise DataError(
            "MV1760",
            f"parent lists of {num} concepts with {len(indices)} entries are malformed",
            expected="indptr from 0 to the number of entries, ascending; entries are concepts",
        )
    return indptr, indices
