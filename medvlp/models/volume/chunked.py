"""Large batches through a network for scans in small memory, exactly.

Letters: B rows of this rank, D features.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from medvlp.distributed import rank, world_size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

__all__ = ["embed_in_chunks"]


def embed_in_chunks(module: nn.Module, inputs: torch.Tensor, chunk_size: int) -> torch.Tensor:
    """Apply a module to some rows at a time; what lies between is computed again for the gradient.

    Memory is that of one chunk and of the results. Batch norms see one chunk at a time, and count
    it once. A chunk is every n-th row of the joined batch of all ranks, so that it holds the same
    rows on any number of ranks, where each sees its share of it at that time.

    Args:
        module: Maps rows to rows.
        inputs: Shape ``(B, ...)``, on every rank as many.
        chunk_size: Largest number of rows at a time over all ranks, at least their number; chunks
            are of nearly equal size.

    Returns:
        Shape ``(B, D)``, with gradient.
    """
    num_chunks = -(-len(inputs) * world_size() // chunk_size)
    place = (torch.arange(len(inputs)) + rank() * len(inputs)) % num_chunks
    rows = [torch.nonzero(place == number).flatten() for number in range(num_chunks)]

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _without_statistics(module)

    embedded = torch.cat(
        [
            checkpoint(module, inputs[chosen], use_reentrant=False, context_fn=contexts)
            for chosen in (each.to(inputs.device) for each in rows)
        ]
    )
    return embedded[torch.argsort(torch.cat(rows)).to(inputs.device)]


@contextmanager
def _without_statistics(module: nn.Module) -> Iterator[None]:
    """Leave the running statistics of batch norms as they were, whatever runs within."""
    norms = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    buffers = [buffer for norm in norms for buffer in norm.buffers()]
    kept = [buffer.clone() for buffer in buffers]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, before in zip(buffers, kept, strict=True):
                buffer.copy_(before)
