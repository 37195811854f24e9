"""Large batches through a network for scans in small memory, exactly.

Letters: B batch, D features.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

__all__ = ["embed_in_chunks"]


def embed_in_chunks(module: nn.Module, inputs: torch.Tensor, chunk_size: int) -> torch.Tensor:
    """Apply a module to some rows at a time; what lies between is computed again for the gradient.

    Memory is that of one chunk and of the results. Batch norms see one chunk at a time, as they see
    the share of one GPU where a batch is spread over several, and count it once.

    Args:
        module: Maps rows to rows.
        inputs: Shape ``(B, ...)``.
        chunk_size: Largest number of rows at a time, at least 1; chunks are of nearly equal size.

    Returns:
        Shape ``(B, D)``, with gradient.
    """
    chunks = inputs.tensor_split(-(-len(inputs) // chunk_size))

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _without_statistics(module)

    return torch.cat(
        [checkpoint(module, chunk, use_reentrant=False, context_fn=contexts) for chunk in chunks]
    )


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
