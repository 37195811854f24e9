"""Refuse a batch that no loss is defined for, on every rank together.

What a value must be is known only after a look at the data. The flags of all checks of a loss
travel in one exchange, so that either every rank goes on or every rank raises the same error;
a rank that stopped alone would leave the others waiting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from medvlp.distributed import all_gather_with_grad, world_size
from medvlp.errors import LossError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

__all__ = ["Check", "check_dtype", "check_rows", "check_shape", "finite", "within"]

SHAPE = "MV1850"
EMPTY = "MV1851"
NOT_FINITE = "MV1852"
OUT_OF_RANGE = "MV1853"
WRONG_DTYPE = "MV1854"
NO_POSITIVE = "MV1855"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that must not be true of a batch.

    Attributes:
        code: Code of the error.
        bad: Whether this rank's rows break the rule, scalar bool tensor on the batch's device.
        what: What is wrong, without the ranks.
        expected: What was expected.
        hint: What to do.
    """

    code: str
    bad: Tensor
    what: str
    expected: str = ""
    hint: str = ""


def finite(name: str, x: Tensor) -> Check:
    """Return the check that a tensor holds neither NaN nor Inf.

    Args:
        name: Name of the argument, for the message.
        x: Any shape, floating point.
    """
    return Check(
        code=NOT_FINITE,
        bad=~torch.isfinite(x.detach()).all(),
        what=f"{name} holds NaN or Inf",
        expected="finite values",
        hint="look for a diverged learning rate, or for a division by zero before the loss",
    )


def within(name: str, x: Tensor, lowest: float, highest: float) -> Check:
    """Return the check that all values lie in a closed interval.

    Args:
        name: Name of the argument, for the message.
        x: Any shape, any real dtype.
        lowest: Smallest value allowed.
        highest: Largest value allowed.
    """
    return Check(
        code=OUT_OF_RANGE,
        bad=((x < lowest) | (x > highest)).any(),
        what=f"{name} holds values outside [{lowest:g}, {highest:g}]",
        expected=f"values from {lowest:g} to {highest:g}",
        hint="compare the label column with the order of the classes",
    )


def check_rows(num_rows: int, checks: Sequence[Check]) -> list[int]:
    """Exchange the flags and the numbers of rows of all ranks; raise what the first flag says.

    Args:
        num_rows: Rows of this rank; one rank may have none, all together may not.
        checks: At least one check, so that the device is known.

    Returns:
        Rows per rank, in the order of the ranks.

    Raises:
        LossError: If the joined batch is empty (MV1851) or a check failed on some rank; the error
            is the same on every rank and names the ranks.
    """
    flags = torch.stack([check.bad for check in checks]).to(torch.int64)
    mine = torch.cat([flags, flags.new_tensor([num_rows])]).unsqueeze(0)
    table = all_gather_with_grad(mine, [1] * world_size()).tolist()
    counts = [int(row[-1]) for row in table]
    if sum(counts) == 0:
        raise LossError(
            EMPTY, "the batch holds no rows on any rank", expected="one row at least on some rank"
        )
    for column, check in enumerate(checks):
        ranks = [rank for rank, row in enumerate(table) if row[column]]
        if ranks:
            where = f" on rank {', '.join(map(str, ranks))}" if world_size() > 1 else ""
            raise LossError(
                check.code, f"{check.what}{where}", expected=check.expected, hint=check.hint
            )
    return counts


def check_shape(name: str, x: Tensor, expected: Sequence[int | None]) -> None:
    """Refuse a tensor of another shape.

    Args:
        name: Name of the argument, for the message.
        x: Any tensor.
        expected: Length per axis; ``None`` stands for any length.

    Raises:
        LossError: If the shape differs (MV1850).
    """
    fits = x.ndim == len(expected) and all(
        want is None or want == have for want, have in zip(expected, x.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if want is None else str(want) for want in expected)
        raise LossError(
            SHAPE,
            f"{name} has shape {tuple(x.shape)}",
            expected=f"({wanted})",
            hint="rows of all arguments of a loss belong to the same samples",
        )


def check_dtype(name: str, x: Tensor, *, floating: bool) -> None:
    """Refuse a tensor of the wrong kind of numbers.

    Args:
        name: Name of the argument, for the message.
        x: Any tensor.
        floating: Whether floating point is wanted, else integers or bool.

    Raises:
        LossError: If the dtype is of the other kind (MV1854).
    """
    if x.is_floating_point() != floating:
        wanted = "floating point" if floating else "integers or bool"
        raise LossError(
            WRONG_DTYPE,
            f"{name} has dtype {x.dtype}",
            expected=wanted,
            hint="ids and labels are integers, embeddings and logits are floating point",
        )
