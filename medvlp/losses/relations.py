"""Which pairs are positives and which are left out, without a matrix over pairs.

Two integer ids per sample say everything. Equal *group* ids make a pair a positive. A pair whose
*concepts* are related (ancestor, descendant, synonym) and that is not a positive is ignored: it is
neither pulled together nor pushed apart. Relatedness is a table over the U distinct concepts of the
batch, one bit per ordered pair of concepts, built where the batch is built.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["PairRelation", "pack_related", "transpose_related", "unpack_related"]


@dataclass(frozen=True, kw_only=True)
class PairRelation:
    """Positives, ignored pairs and weights of two embedding sets x and y of this rank.

    Fields that end in ``_y`` describe the rows of y; where they are ``None`` those of x stand for
    both, as for image-text pairs.

    Attributes:
        group: Group per row of x, shape ``(b,)``, int64; equal ids are positives, on any rank.
            ``None``: row i of x and row i of y are each other's only positive.
        group_y: Group per row of y, shape ``(b_y,)``, int64.
        concept: Concept per row of x, shape ``(b,)``, int64, an index into ``related`` where that
            is given, else any id; -1: none, such a row is never ignored.
        concept_y: Concept per row of y, shape ``(b_y,)``, int64.
        related: Which concepts are related, shape ``(U, ceil(U / 8))``, uint8, from
            :func:`pack_related`; equal on every rank. The diagonal says whether two samples of one
            concept but of different groups are ignored.
        ignore_same_concept: Whether samples of one concept (not -1) but of different groups are
            ignored, whatever ``related`` says.
        weight: Weight of each row of x as an anchor, shape ``(b,)``, floating point, >= 0.
            ``None``: 1.
        weight_y: Weight of each row of y as an anchor, shape ``(b_y,)``.
    """

    group: Tensor | None = None
    group_y: Tensor | None = None
    concept: Tensor | None = None
    concept_y: Tensor | None = None
    related: Tensor | None = None
    ignore_same_concept: bool = False
    weight: Tensor | None = None
    weight_y: Tensor | None = None


def pack_related(related: Tensor) -> Tensor:
    """Pack a table of related concepts, eight to a byte.

    Args:
        related: Whether row concept and column concept are related, shape ``(U, U)``, bool.

    Returns:
        Shape ``(U, ceil(U / 8))``, uint8; column c is bit ``c % 8`` (the lowest bit is 0) of byte
        ``c // 8``, as in ``numpy.packbits(related, axis=1, bitorder="little")``.
    """
    num_rows, num_columns = related.shape
    padded = related.new_zeros((num_rows, -(-num_columns // 8) * 8))
    padded[:, :num_columns] = related
    bit = torch.arange(8, device=related.device)
    bytes_ = padded.view(num_rows, -1, 8).to(torch.int64) << bit
    return bytes_.sum(dim=2).to(torch.uint8)


def unpack_related(bits: Tensor, rows: Tensor) -> Tensor:
    """Unpack some rows of a packed table.

    Args:
        bits: From :func:`pack_related`, shape ``(U, ceil(U / 8))``, uint8.
        rows: Rows wanted, shape ``(k,)``, int64.

    Returns:
        Shape ``(k, 8 * ceil(U / 8))``, bool.
    """
    bit = torch.arange(8, device=bits.device, dtype=torch.uint8)
    chosen = bits.index_select(0, rows)
    return ((chosen.unsqueeze(-1) >> bit) & 1).to(torch.bool).flatten(1)


def transpose_related(bits: Tensor) -> Tensor:
    """Exchange rows and columns of a packed table, shape ``(U, ceil(U / 8))``, uint8."""
    num_rows = bits.shape[0]
    related = unpack_related(bits, torch.arange(num_rows, device=bits.device))
    return pack_related(related[:, :num_rows].t())
