"""Attention that pools a feature map into one vector.

Letters: B images, W width of the map, h w its rows and columns, S side it was made for, D width of
the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from timm.layers.pos_embed import resample_abs_pos_embed
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["AttentionPool"]


class AttentionPool(nn.Module):
    """The mean place of a feature map asks all places and itself.

    Weights bear CLIP's names. A map of another side than the table of positions has the table
    interpolated.

    Args:
        side: The S.
        width: The W; a multiple of ``heads``.
        dim: The D.
        heads: Number of attention heads.

    Source:
        Radford et al. 2021 (CLIP), arXiv:2103.00020, section 2.4.
    """

    def __init__(self, side: int, width: int, dim: int, heads: int = 8) -> None:
        super().__init__()
        self.side = side
        self.heads = heads
        self.positional_embedding = nn.Parameter(torch.randn(side**2 + 1, width) / width**0.5)
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.c_proj = nn.Linear(width, dim)

    def forward(self, features: Tensor) -> Tensor:
        """Pool a map ``(B, W, h, w)`` to ``(B, D)``."""
        places = features.flatten(2).transpose(1, 2)
        tokens = torch.cat([places.mean(1, keepdim=True), places], dim=1)
        tokens = tokens + self._positions(features.shape[2], features.shape[3])
        q, k, v = (
            projection(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for projection, x in (
                (self.q_proj, tokens[:, :1]),
                (self.k_proj, tokens),
                (self.v_proj, tokens),
            )
        )
        mixed = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(1)
        pooled: Tensor = self.c_proj(mixed)
        return pooled

    def _positions(self, rows: int, columns: int) -> Tensor:
        table = self.positional_embedding.unsqueeze(0)
        if (rows, columns) == (self.side, self.side):
            return table
        resampled: Tensor = resample_abs_pos_embed(
            table,
            new_size=[rows, columns],
            old_size=[self.side, self.side],
            num_prefix_tokens=1,
        )
        return resampled
