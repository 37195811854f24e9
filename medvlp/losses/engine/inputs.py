"""Check two embedding sets and their relation, on all ranks together, and join the ids.

All that ranks must know of each other travels in one exchange of a few integers: sizes, what must
be equal everywhere, and what is wrong. So either every rank goes on, or every rank raises.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch

from medvlp.distributed import all_gather_with_grad, world_size
from medvlp.errors import LossError
from medvlp.losses.engine.pairs import join_relation
from medvlp.losses.engine.shapes import DTYPES, SHAPE, WRONG_IDS, static_problem
from medvlp.losses.relations import PairRelation

if TYPE_CHECKING:
    from torch import Tensor

    from medvlp.losses.engine.pairs import JoinedPairs
    from medvlp.losses.engine.settings import EngineSettings

__all__ = ["NoPositive", "check_positives", "join_pairs"]

NoPositive = Literal["refuse", "skip"]

NOT_UNIT, RANKS_DIFFER = "MV1801", "MV1802"
EMPTY, NOT_FINITE, NO_POSITIVE = "MV1851", "MV1852", "MV1855"

# Enough for unit vectors that were rounded to bf16; rows that were never normalised are far off.
UNIT_TOLERANCE = 2e-2

FLAGS = {
    "x holds NaN or Inf": NOT_FINITE,
    "y holds NaN or Inf": NOT_FINITE,
    "rows of x are not of unit length": NOT_UNIT,
    "rows of y are not of unit length": NOT_UNIT,
    "a concept id is outside the table of related concepts": WRONG_IDS,
    "a weight is negative or not finite": WRONG_IDS,
}
HINTS = {
    NOT_FINITE: "look for a diverged learning rate or a damaged sample",
    NOT_UNIT: "normalise the embeddings before the loss, in fp32",
    WRONG_IDS: "concept ids are -1 or rows of the table; weights are at least 0",
}


def join_pairs(
    x: Tensor,
    y: Tensor,
    scale: Tensor,
    relation: PairRelation | None,
    settings: EngineSettings,
    *,
    unit: bool = True,
) -> JoinedPairs:
    """Check the inputs of a loss over pairs and gather the ids of all ranks.

    Args:
        x: Embeddings of this rank, shape ``(b, D)``, floating point.
        y: Embeddings of this rank, shape ``(b_y, D)``, same dtype.
        scale: Factor of the similarities, one number, finite.
        relation: Ids of this rank; ``None``: row i of x and row i of y are each other's positive.
        settings: Whether values are checked.
        unit: Whether rows must be of unit length.

    Raises:
        LossError: On wrong shapes (MV1850), an empty joined batch (MV1851), NaN or Inf (MV1852),
            wrong dtypes (MV1854), rows that are not of unit length (MV1801), ranks that differ in
            what must be equal (MV1802), wrong ids (MV1803); the same on every rank.
    """
    relation = PairRelation() if relation is None else relation
    problem = static_problem(x, y, scale, relation)
    mine = [int(problem.code[2:]) if problem else 0]
    if problem is None:
        mine += [x.shape[0], y.shape[0], x.shape[1], _kind(x, relation), _checksum(relation)]
        flags = _flags(x, y, scale, relation, settings, unit=unit)
        numbers = torch.cat([torch.tensor(mine, device=x.device), flags])
    else:
        device = x.device if isinstance(x, torch.Tensor) else torch.device("cpu")
        numbers = torch.tensor(mine + [0] * (5 + len(FLAGS)), device=device)
    table = all_gather_with_grad(numbers.unsqueeze(0), [1] * world_size()).tolist()
    if problem is not None:
        raise problem
    _raise_together(table)
    counts_x, counts_y = [row[1] for row in table], [row[2] for row in table]
    if relation.group is None and counts_x != counts_y:
        raise LossError(
            SHAPE,
            f"x has {counts_x} rows and y has {counts_y} rows per rank",
            expected="one row of y for each row of x where no groups are given",
            hint="give group ids of x and of y",
        )
    return join_relation(relation, counts_x, counts_y, x.device)


def check_positives(pairs: JoinedPairs, no_positive: NoPositive) -> tuple[Tensor, Tensor]:
    """Return which joined rows of x and of y have a positive, bool.

    Args:
        pairs: Ids of the joined batch.
        no_positive: ``refuse`` rows without one, or ``skip`` them (their weight is zero).

    Raises:
        LossError: If a row has none and such rows are refused (MV1855); the same on every rank.
    """
    count_x, count_y = pairs.num_positives()
    has_x, has_y = count_x > 0, count_y > 0
    if no_positive == "refuse":
        missing = [int((~has).sum()) for has in (has_x, has_y)]
        if any(missing):
            raise LossError(
                NO_POSITIVE,
                f"{missing[0]} of {has_x.numel()} rows of x and {missing[1]} of {has_y.numel()} "
                "rows of y have no positive",
                expected="a member of the same group on the other side for every row",
                hint="sample whole groups, or pass no_positive='skip'",
            )
    return has_x, has_y


def _flags(
    x: Tensor,
    y: Tensor,
    scale: Tensor,
    relation: PairRelation,
    settings: EngineSettings,
    *,
    unit: bool,
) -> Tensor:
    """Return one integer per entry of FLAGS: 1 where this rank breaks the rule."""
    flags = torch.zeros(len(FLAGS), dtype=torch.int64, device=x.device)
    if settings.check_inputs:
        wide = torch.float64 if x.dtype == torch.float64 else torch.float32
        for column, side in enumerate((x, y)):
            length = torch.linalg.vector_norm(side.detach(), dim=1, dtype=wide)
            flags[column] = ~(torch.isfinite(length).all() & torch.isfinite(scale.detach()).all())
            if unit:
                flags[2 + column] = ((length - 1).abs() > UNIT_TOLERANCE).any()
    if relation.related is not None:
        for concept in (relation.concept, relation.concept_y):
            if concept is not None:
                outside = (concept < -1) | (concept >= relation.related.shape[0])
                flags[4] |= outside.any().to(x.device)
    for weight in (relation.weight, relation.weight_y):
        if weight is not None:
            flags[5] |= (~(torch.isfinite(weight) & (weight >= 0))).any().to(x.device)
    return flags


def _raise_together(table: list[list[int]]) -> None:
    """Raise what the exchange shows, in the same words on every rank."""
    for rank, row in enumerate(table):
        if row[0]:
            raise LossError(f"MV{row[0]}", f"rank {rank} refused its batch", hint="see its message")
    for name, column in (("widths", 3), ("dtypes or kinds of ids", 4), ("related concepts", 5)):
        values = [row[column] for row in table]
        if len(set(values)) > 1:
            raise LossError(
                RANKS_DIFFER,
                f"ranks differ in {name}: {values}",
                expected="the same on every rank",
                hint="the table of related concepts is built over the joined batch",
            )
    if sum(row[1] for row in table) == 0 or sum(row[2] for row in table) == 0:
        raise LossError(EMPTY, "the batch holds no rows on any rank", expected="at least one row")
    for number, (what, code) in enumerate(FLAGS.items(), start=6):
        ranks = [rank for rank, row in enumerate(table) if row[number]]
        if ranks:
            where = f" on rank {', '.join(map(str, ranks))}" if world_size() > 1 else ""
            raise LossError(code, f"{what}{where}", hint=HINTS[code])


def _kind(x: Tensor, relation: PairRelation) -> int:
    """Return a number that is equal where dtype and the kinds of ids given are equal."""
    given = [value is not None and value is not False for value in vars(relation).values()]
    return DTYPES.index(x.dtype) + sum(
        4 << place for place, is_given in enumerate(given) if is_given
    )


def _checksum(relation: PairRelation) -> int:
    """Return a number that tells tables of related concepts apart."""
    if relation.related is None or world_size() == 1:
        return 0
    table = relation.related.to(torch.int64).flatten()
    place = torch.arange(1, table.numel() + 1, device=table.device) % 1_000_003
    return int((table * place).sum())
