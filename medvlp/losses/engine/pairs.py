"""What every rank knows about the joined batch: sizes, group ids, concepts and weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from medvlp.distributed import all_gather_with_grad, rank
from medvlp.losses.relations import transpose_related

if TYPE_CHECKING:
    from torch import Tensor

    from medvlp.losses.relations import PairRelation

__all__ = ["JoinedPairs", "join_relation"]


@dataclass(frozen=True, kw_only=True)
class JoinedPairs:
    """Ids and weights of all ranks, in the order of the ranks.

    Attributes:
        device: Device of the embeddings.
        counts_x: Rows of x per rank.
        counts_y: Rows of y per rank.
        group_x: Group per joined row of x, shape ``(Bx,)``, int64; ``None``: row i of x and row i
            of y are each other's only positive.
        group_y: Group per joined row of y, shape ``(By,)``, int64, or ``None`` as above.
        concept_x: Concept per joined row of x, -1 for none, else a row of ``related`` or a dense
            number; ``None`` where nothing is ignored.
        concept_y: Concept per joined row of y, -1 for none; ``None`` where nothing is ignored.
        related: Packed table of related concepts, or ``None``.
        ignore_same_concept: Whether samples of one concept are ignored whatever the table says.
        weight_x: Weight per joined row of x, shape ``(Bx,)``, float64.
        weight_y: Weight per joined row of y, shape ``(By,)``, float64.
    """

    device: torch.device
    counts_x: list[int]
    counts_y: list[int]
    group_x: Tensor | None
    group_y: Tensor | None
    concept_x: Tensor | None
    concept_y: Tensor | None
    related: Tensor | None
    ignore_same_concept: bool
    weight_x: Tensor
    weight_y: Tensor

    @property
    def num_x(self) -> int:
        """Number of joined rows of x."""
        return sum(self.counts_x)

    @property
    def num_y(self) -> int:
        """Number of joined rows of y."""
        return sum(self.counts_y)

    @property
    def num_local_x(self) -> int:
        """Number of rows of x on this rank."""
        return self.counts_x[rank()]

    @property
    def offset_x(self) -> int:
        """Joined position of this rank's first row of x."""
        return sum(self.counts_x[: rank()])

    @property
    def num_concepts(self) -> int:
        """Number above every concept."""
        if self.related is not None:
            return self.related.shape[0]
        if self.concept_x is None or self.concept_y is None:
            return 0
        return 1 + int(torch.cat([self.concept_x, self.concept_y]).amax())

    def swapped(self) -> JoinedPairs:
        """Return the same with the roles of x and y exchanged."""
        return replace(
            self,
            counts_x=self.counts_y,
            counts_y=self.counts_x,
            group_x=self.group_y,
            group_y=self.group_x,
            concept_x=self.concept_y,
            concept_y=self.concept_x,
            related=None if self.related is None else transpose_related(self.related),
            weight_x=self.weight_y,
            weight_y=self.weight_x,
        )

    def dense_groups(self) -> tuple[Tensor, Tensor, int]:
        """Return group numbers 0, 1, ... per joined row of x and of y, and how many there are."""
        if self.group_x is None or self.group_y is None:
            dense = torch.arange(self.num_x, device=self.device)
            return dense, dense, self.num_x
        both = torch.cat([self.group_x, self.group_y])
        distinct, dense = torch.unique(both, return_inverse=True)
        return dense[: self.num_x], dense[self.num_x :], distinct.numel()

    def num_positives(self) -> tuple[Tensor, Tensor]:
        """Return how many positives each joined row of x and of y has, float64."""
        dense_x, dense_y, num_groups = self.dense_groups()
        in_x = torch.bincount(dense_x, minlength=num_groups).double()
        in_y = torch.bincount(dense_y, minlength=num_groups).double()
        return in_y[dense_x], in_x[dense_y]


def join_relation(
    relation: PairRelation, counts_x: list[int], counts_y: list[int], device: torch.device
) -> JoinedPairs:
    """Gather the ids and weights of all ranks.

    Args:
        relation: Ids and weights of this rank; already checked.
        counts_x: Rows of x per rank.
        counts_y: Rows of y per rank.
        device: Device of the embeddings.

    Returns:
        The same on every rank.
    """
    given_x = [relation.group, relation.concept, relation.weight]
    given_y = [relation.group_y, relation.concept_y, relation.weight_y]
    of_x = of_y = _gathered(given_x, counts_x, device)
    if any(each is not None for each in given_y):
        both = zip(given_x, given_y, strict=True)
        of_y = _gathered([x if y is None else y for x, y in both], counts_y, device)
    (group_x, concept_x, weight_x), (group_y, concept_y, weight_y) = of_x, of_y
    if relation.related is None and concept_x is not None and concept_y is not None:
        concept_x, concept_y = _dense(concept_x, concept_y)
    ones_x = torch.ones(sum(counts_x), dtype=torch.float64, device=device)
    ones_y = torch.ones(sum(counts_y), dtype=torch.float64, device=device)
    return JoinedPairs(
        device=device,
        counts_x=counts_x,
        counts_y=counts_y,
        group_x=group_x,
        group_y=group_y,
        concept_x=concept_x,
        concept_y=concept_y,
        related=None if relation.related is None else relation.related.to(device),
        ignore_same_concept=relation.ignore_same_concept,
        weight_x=ones_x if weight_x is None else weight_x.view(torch.float64),
        weight_y=ones_y if weight_y is None else weight_y.view(torch.float64),
    )


def _gathered(
    given: list[Tensor | None], counts: list[int], device: torch.device
) -> list[Tensor | None]:
    """Gather ids and weights of all ranks at once, weights as the bits of float64."""
    columns = [
        each.detach().double().view(torch.int64) if each.is_floating_point() else each
        for each in given
        if each is not None
    ]
    if not columns:
        return given
    own = torch.stack([each.to(device) for each in columns], dim=1)
    joined = iter(all_gather_with_grad(own, counts).unbind(dim=1))
    return [None if each is None else next(joined).contiguous() for each in given]


def _dense(concept_x: Tensor, concept_y: Tensor) -> tuple[Tensor, Tensor]:
    """Number arbitrary concept ids 0, 1, ...; -1 stays -1."""
    both = torch.cat([concept_x, concept_y])
    _, dense = torch.unique(both, return_inverse=True)
    dense = torch.where(both == -1, -1, dense)
    return dense[: concept_x.numel()], dense[concept_x.numel() :]
