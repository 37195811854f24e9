"""Shapes and dtypes of two embedding sets and their relation, without a look at values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from medvlp.errors import LossError

if TYPE_CHECKING:
    from torch import Tensor

    from medvlp.losses.relations import PairRelation

__all__ = ["DTYPES", "SHAPE", "WRONG_IDS", "static_problem"]

SHAPE, WRONG_DTYPE, WRONG_IDS = "MV1850", "MV1854", "MV1803"
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def static_problem(x: Tensor, y: Tensor, scale: Tensor, relation: PairRelation) -> LossError | None:
    """Return what is wrong with shapes and dtypes, ``None`` where nothing is.

    Args:
        x: Embeddings of this rank; wanted are shape ``(b, D)`` and a floating-point dtype.
        y: Embeddings of this rank; wanted are shape ``(b_y, D)`` and the same dtype.
        scale: Wanted is one floating-point number.
        relation: Ids of this rank; wanted is one per row.
    """
    for name, value in (("x", x), ("y", y), ("the logit scale", scale)):
        if not isinstance(value, torch.Tensor) or value.dtype not in DTYPES:
            found = getattr(value, "dtype", type(value).__name__)
            return LossError(WRONG_DTYPE, f"{name} is {found}", expected="a floating point tensor")
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or x.dtype != y.dtype:
        return LossError(
            SHAPE,
            f"x has shape {tuple(x.shape)} {x.dtype}, y has shape {tuple(y.shape)} {y.dtype}",
            expected="(b, D) and (b_y, D) of one dtype",
            hint="both encoders must project to the same width",
        )
    if scale.numel() != 1:
        return LossError(
            SHAPE, f"the logit scale has shape {tuple(scale.shape)}", expected="one number"
        )
    for name, value, length in _columns(x, y, relation):
        floating = name.startswith("weight")
        is_right = value.is_floating_point() if floating else value.dtype == torch.int64
        if not is_right or value.shape != (length,):
            wanted = "floating point" if floating else "int64"
            return LossError(
                WRONG_IDS,
                f"{name} has shape {tuple(value.shape)} and dtype {value.dtype}",
                expected=f"({length},) {wanted}",
                hint="one number per row of the embeddings of this rank",
            )
    return _table_problem(relation)


def _table_problem(relation: PairRelation) -> LossError | None:
    table = relation.related
    if table is None:
        if relation.concept is None or relation.ignore_same_concept:
            return None
        return LossError(
            WRONG_IDS,
            "concept ids without a table of related concepts have no effect",
            expected="related, or ignore_same_concept=True",
        )
    if relation.concept is None:
        return LossError(WRONG_IDS, "a table of related concepts without concept ids has no effect")
    width = -(-table.shape[0] // 8)
    if table.dtype != torch.uint8 or table.shape != (table.shape[0], width):
        return LossError(
            WRONG_IDS,
            f"related has shape {tuple(table.shape)} and dtype {table.dtype}",
            expected="(U, ceil(U / 8)) uint8",
            hint="pack the table with pack_related",
        )
    return None


def _columns(x: Tensor, y: Tensor, relation: PairRelation) -> list[tuple[str, Tensor, int]]:
    """Return name, values and wanted length of everything that is given per row."""
    found = []
    for name in ("group", "concept", "weight"):
        of_x, of_y = getattr(relation, name), getattr(relation, f"{name}_y")
        if of_x is not None:
            found.append((name, of_x, x.shape[0]))
            found.append((f"{name}_y", of_x if of_y is None else of_y, y.shape[0]))
        elif of_y is not None:  # without a partner it would be dropped silently
            found.append((name, of_y.new_empty(0), -1))
    return found
