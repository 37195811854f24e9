"""Collectives over the ranks of one training job; no other module calls ``torch.distributed``.

The gradient convention is autograd's own: the objective is the sum of the values that all ranks
return. A loss returns the same global value on each of the W ranks, so each rank's gradient is W
times its share of the joined batch's gradient, and the average that DDP forms is exactly the
gradient a single process would have computed on the joined batch.

Without a process group every function is the identity, so single-process code needs no branch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import torch
import torch.distributed as dist
from torch.autograd.function import FunctionCtx

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

__all__ = [
    "all_gather_with_grad",
    "all_reduce_max",
    "all_reduce_sum",
    "any_rank",
    "gather_objects",
    "gather_rows",
    "of_first_rank",
    "preceding_rows",
    "rank",
    "reduce_scatter_rows",
    "row_counts",
    "world_size",
]

_ObjectT = TypeVar("_ObjectT")
_BYTES_AT_A_TIME = 2**28  # received by a rank


def world_size() -> int:
    """Return the number of ranks, 1 without a process group."""
    return dist.get_world_size() if _is_joined() else 1


def rank() -> int:
    """Return this process's rank, 0 without a process group."""
    return dist.get_rank() if _is_joined() else 0


def row_counts(num_rows: int, device: torch.device) -> list[int]:
    """Exchange how many rows each rank holds.

    Args:
        num_rows: Rows of this rank, >= 0.
        device: Device that the process group communicates on.

    Returns:
        One count per rank, in the order of the ranks.
    """
    if world_size() == 1:
        return [num_rows]
    mine = torch.tensor([num_rows], dtype=torch.int64, device=device)
    counts = torch.empty(world_size(), dtype=torch.int64, device=device)
    dist.all_gather_into_tensor(counts, mine)
    return [int(count) for count in counts.tolist()]


def all_reduce_sum(x: Tensor) -> Tensor:
    """Sum a tensor over all ranks; differentiable.

    The backward pass multiplies by the world size and needs no communication, which is right when
    every rank uses the sum in the same way, as a loss that returns one global value does.

    Args:
        x: Same shape on every rank, floating point or integer (integers carry no gradient).

    Returns:
        The sum, same shape and dtype, equal on every rank.
    """
    if world_size() == 1:
        return x
    return _AllReduceSum.apply(x)  # type: ignore[no-any-return]  # torch's apply is untyped


def all_reduce_max(x: Tensor) -> Tensor:
    """Take the elementwise maximum over all ranks; carries no gradient.

    Args:
        x: Same shape on every rank.

    Returns:
        The maximum, detached, same shape and dtype, equal on every rank.
    """
    largest = x.detach().clone()
    if world_size() > 1:
        dist.all_reduce(largest, op=dist.ReduceOp.MAX)
    return largest


def any_rank(value: bool) -> bool:
    """Say whether something holds on any rank; every rank gets the same answer.

    The ranks talk over gloo on the processor, whatever backend the tensors of the run use, so that
    no device has to be waited for.

    Args:
        value: Whether it holds here.
    """
    if world_size() == 1:
        return value
    flag = torch.tensor([int(value)])
    dist.all_reduce(flag, op=dist.ReduceOp.MAX, group=_processor_group())
    return bool(flag.item())


def all_gather_with_grad(x: Tensor, counts: list[int] | None = None) -> Tensor:
    """Join the rows of all ranks; differentiable, and the ranks may hold unequal numbers of rows.

    The backward pass adds up what all ranks derived for the rows of this rank (reduce-scatter).

    Args:
        x: Rows of this rank, shape ``(b, ...)``; only the first axis may differ between ranks.
        counts: Rows per rank where the caller has them from :func:`row_counts`.

    Returns:
        Rows of all ranks in the order of the ranks, shape ``(B, ...)``, same dtype.
    """
    if world_size() == 1:
        return x
    counts = row_counts(x.shape[0], x.device) if counts is None else counts
    if x.dtype == torch.bool:
        return all_gather_with_grad(x.to(torch.uint8), counts).to(torch.bool)
    return _AllGather.apply(x, counts)  # type: ignore[no-any-return]  # torch's apply is untyped


def preceding_rows(x: Tensor, counts: list[int]) -> Tensor:
    """Return for each row the one before it in the joined batch, and the last for the first.

    Args:
        x: Rows of this rank, shape ``(b, ...)``; only the first axis may differ between ranks.
        counts: Rows per rank.
    """
    if world_size() == 1:
        return x.roll(1, dims=0)
    lasts = all_gather_with_grad(x.detach()[-1:], [min(1, count) for count in counts])
    place = sum(1 for count in counts[: rank()] if count) - 1
    return torch.cat([lasts[place].unsqueeze(0), x[:-1]]) if len(x) else x


def reduce_scatter_rows(x: Tensor, counts: list[int]) -> Tensor:
    """Sum joined rows over all ranks and keep those of this rank; carries no gradient.

    Args:
        x: This rank's contribution to the rows of all ranks, shape ``(B, ...)``.
        counts: Rows per rank, with the sum ``B``.

    Returns:
        The summed rows of this rank, shape ``(counts[rank], ...)``, same dtype.
    """
    if world_size() == 1:
        return x
    width = max(counts)
    if min(counts) == width:
        shares = x.contiguous()
    else:
        shares = torch.cat([_padded(share, width) for share in torch.split(x, counts)])
    mine = shares.new_empty((width, *x.shape[1:]))
    dist.reduce_scatter_tensor(mine, shares, op=dist.ReduceOp.SUM)
    return mine[: counts[rank()]]


def gather_objects(value: _ObjectT) -> list[_ObjectT]:
    """Return what every rank holds, in the order of the ranks; for a few small things, rarely.

    Args:
        value: Anything that can be pickled.
    """
    if world_size() == 1:
        return [value]
    found: list[_ObjectT] = [value] * world_size()
    dist.all_gather_object(found, value, group=_processor_group())
    return found


def of_first_rank(value: float) -> float:
    """Return the number that rank 0 holds, so that all ranks decide alike.

    Args:
        value: The number of this rank.
    """
    if world_size() == 1:
        return value
    number = torch.tensor([value], dtype=torch.float64)
    dist.broadcast(number, src=0, group=_processor_group())
    return float(number.item())


def gather_rows(columns: Mapping[str, Tensor] | None) -> dict[str, Tensor]:
    """Join the rows of several tensors over all ranks, as what was kept of a whole validation.

    The tensors travel as bytes in one exchange, whatever their types, in pieces where they are
    large. Nothing carries a gradient.

    Args:
        columns: Tensors with rows along the first axis, as many in each; names, types and further
            axes are those of all ranks that have rows. None stands for no rows.

    Returns:
        The rows of all ranks in the order of the ranks, on the processor; nothing where no rank has
        any.
    """
    having = {name: x for name, x in sorted((columns or {}).items()) if len(x)}
    own = {name: x.detach().cpu().contiguous() for name, x in having.items()}
    if world_size() == 1:
        return own
    shapes = gather_objects([(name, x.dtype, tuple(x.shape)) for name, x in own.items()])
    if not any(shapes):
        return {}
    mine = [x.reshape(-1).view(torch.uint8) for x in own.values()]
    parts = _gather_bytes(torch.cat(mine) if mine else torch.empty(0, dtype=torch.uint8), shapes)
    joined: dict[str, list[Tensor]] = {}
    for part, described in zip(parts, shapes, strict=True):
        start = 0
        for name, dtype, shape in described:
            end = start + _num_bytes(dtype, shape)
            # a copy, since an element must begin at a multiple of its size
            joined.setdefault(name, []).append(part[start:end].clone().view(dtype).view(shape))
            start = end
    return {name: torch.cat(blocks) for name, blocks in joined.items()}


_Described = list[tuple[str, torch.dtype, tuple[int, ...]]]


def _num_bytes(dtype: torch.dtype, shape: tuple[int, ...]) -> int:
    return dtype.itemsize * torch.Size(shape).numel()


def _gather_bytes(mine: Tensor, shapes: list[_Described]) -> list[Tensor]:
    """Return the bytes of every rank, of which each has as many as its tensors need."""
    counts = [sum(_num_bytes(dtype, shape) for _, dtype, shape in each) for each in shapes]
    device = _device()
    width = max(1, _BYTES_AT_A_TIME // len(counts))
    pieces: list[list[Tensor]] = [[] for _ in counts]
    for start in range(0, max(counts), width):
        sizes = [min(width, max(0, count - start)) for count in counts]
        piece = _padded(mine[start : start + width], max(sizes)).to(device)
        joined = piece.new_empty(len(counts) * max(sizes))
        dist.all_gather_into_tensor(joined, piece)
        blocks = torch.split(joined.cpu(), max(sizes))
        for own, block, size in zip(pieces, blocks, sizes, strict=True):
            own.append(block[:size])
    return [torch.cat(own) for own in pieces]


def _device() -> torch.device:
    """Return where tensors must lie that the ranks exchange."""
    if dist.get_backend() != "nccl":
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device())


_processor_groups: dict[int, dist.ProcessGroup | None] = {}


def _processor_group() -> dist.ProcessGroup | None:
    """Return a group of all ranks that talks over gloo; None stands for the default group."""
    if dist.get_backend() == "gloo":
        return None
    default = id(dist.group.WORLD)
    if default not in _processor_groups:
        joined = dist.new_group(backend="gloo")
        _processor_groups[default] = joined if isinstance(joined, dist.ProcessGroup) else None
    return _processor_groups[default]


def _is_joined() -> bool:
    return dist.is_available() and dist.is_initialized()


class _AllReduceSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> Tensor:
        total = x.detach().clone()
        dist.all_reduce(total, op=dist.ReduceOp.SUM)
        if not x.is_floating_point():
            ctx.mark_non_differentiable(total)
        return total

    @staticmethod
    def backward(_ctx: FunctionCtx, grad: Tensor) -> Tensor:
        return grad * world_size()


class _GatherContext(FunctionCtx):
    counts: list[int]


class _AllGather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: _GatherContext, x: Tensor, counts: list[int]) -> Tensor:
        ctx.counts = counts
        width = max(counts)
        padded = _padded(x.detach(), width)
        joined = padded.new_empty((len(counts) * width, *x.shape[1:]))
        dist.all_gather_into_tensor(joined, padded)
        if not x.is_floating_point():
            ctx.mark_non_differentiable(joined)
        if min(counts) == width:
            return joined
        blocks = torch.split(joined, width)
        return torch.cat([block[:count] for block, count in zip(blocks, counts, strict=True)])

    @staticmethod
    def backward(ctx: _GatherContext, grad: Tensor) -> tuple[Tensor, None]:
        return reduce_scatter_rows(grad, ctx.counts), None


def _padded(x: Tensor, num_rows: int) -> Tensor:
    if x.shape[0] == num_rows:
        return x.contiguous()
    full = x.new_zeros((num_rows, *x.shape[1:]))
    full[: x.shape[0]] = x
    return full
