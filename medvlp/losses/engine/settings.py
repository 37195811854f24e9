"""How the engine computes, never what: path, tile size, compiled bodies, input checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

__all__ = ["EngineSettings"]


@dataclass(frozen=True, kw_only=True)
class EngineSettings:
    """Settings of the engine; every choice gives the same numbers up to rounding."""

    path: Literal["auto", "dense", "tiled"] = "auto"
    """``dense`` keeps all logits of this rank for the backward pass, ``tiled`` recomputes them tile
    by tile, ``auto`` is dense while the kept logits fit ``dense_budget_bytes``."""
    dense_budget_bytes: int = 256 * 2**20
    """Most bytes of kept logits (rows of this rank x columns of all ranks x 4, or x 8 in float64)
    for which ``auto`` is dense."""
    row_block: int | None = None
    """Rows of a tile, > 0; ``None``: 2048 on a CPU, else 4096."""
    column_block: int | None = None
    """Columns of a tile, > 0; ``None``: 2048 on a CPU, else 4096."""
    compiled: bool | None = None
    """Whether the elementwise work on a tile goes through ``torch.compile``; ``None``: on a GPU."""
    check_inputs: bool = True
    """Whether embeddings are checked for NaN, Inf and unit length (one exchange between ranks)."""

    def __post_init__(self) -> None:
        """Refuse block sizes and budgets that mean nothing."""
        for name in ("row_block", "column_block"):
            size = getattr(self, name)
            if size is not None and size < 1:
                msg = f"{name} must be at least 1, got {size}"
                raise ValueError(msg)
        if self.dense_budget_bytes < 0:
            msg = f"dense_budget_bytes must not be negative, got {self.dense_budget_bytes}"
            raise ValueError(msg)

    def block_sizes(self, device: torch.device) -> tuple[int, int]:
        """Return rows and columns of a tile on a device."""
        rows, columns = (2048, 2048) if device.type == "cpu" else (4096, 4096)
        return self.row_block or rows, self.column_block or columns

    def keeps(self, num_bytes: int) -> bool:
        """Return whether logits of this many bytes are kept for the backward pass."""
        if self.path == "auto":
            return num_bytes <= self.dense_budget_bytes
        return self.path == "dense"

    def is_compiled(self, device: torch.device) -> bool:
        """Return whether tile bodies are compiled on a device."""
        return device.type == "cuda" if self.compiled is None else self.compiled
