"""The query decoder that the networks for radiographs share: findings ask, an image answers.

Letters: B images, Q queries (findings), T memory tokens (patches), D width, H heads, F width of a
head.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from medvlp.losses.precision import in_full_precision, outside_autocast

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from medvlp.models.radiograph.settings import Head, QueryDecoderSettings

__all__ = ["Decoded", "FindingHead", "QueryDecoder", "in_fp32"]


class Decoded(NamedTuple):
    """What the decoder says about each query.

    Attributes:
        outputs: Shape ``(B, Q, D)``.
        attention: Where each query looks in the memory, mean over heads, each row sums to 1, shape
            ``(layers, B, Q, T)``, fp32 or wider; None where it was not asked for.
    """

    outputs: Tensor
    attention: Tensor | None


class _Attention(nn.Module):
    """Attention of several heads under the parameter names of PyTorch's own.

    Keys and values are made once of the memory, whatever the number of queries, and queries that
    are the same for all images are projected once.
    """

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * dim, dim))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * dim))
        self.out_proj = nn.Linear(dim, dim)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def _split(self, x: Tensor) -> Tensor:
        """Turn ``(B, N, D)`` into heads ``(B, H, N, F)``."""
        return x.reshape(*x.shape[:-1], self.heads, -1).transpose(1, 2)

    def forward(
        self, queries: Tensor, memory: Tensor, *, with_attention: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Attend; queries ``(B or 1, Q, D)``, memory ``(B, T, D)``."""
        dim = queries.shape[-1]
        weight, bias = self.in_proj_weight, self.in_proj_bias
        q = self._split(functional.linear(queries, weight[:dim], bias[:dim]))
        keys_values = functional.linear(memory, weight[dim:], bias[dim:])
        k, v = (self._split(part) for part in keys_values.chunk(2, dim=-1))
        q = q.expand(len(k), -1, -1, -1)
        dropout = self.dropout if self.training else 0.0
        attention = None
        if with_attention:
            weights = _attention_weights(q, k)
            attention = weights.mean(1)
            mixed = functional.dropout(weights, dropout).to(v.dtype) @ v
        else:
            mixed = functional.scaled_dot_product_attention(q, k, v, dropout_p=dropout)
        found: Tensor = self.out_proj(mixed.transpose(1, 2).flatten(2))
        return found, attention


@outside_autocast
def _attention_weights(q: Tensor, k: Tensor) -> Tensor:
    """Return softmax over the memory in full precision, shape ``(B, H, Q, T)``."""
    q, k = in_full_precision(q), in_full_precision(k)
    return (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(-1)


class _Layer(nn.Module):
    """One layer: queries among themselves (if they may), queries over the memory, feed-forward."""

    def __init__(self, settings: QueryDecoderSettings) -> None:
        super().__init__()
        dim, heads, dropout = settings.dim, settings.heads, settings.dropout
        self.self_attn = _Attention(dim, heads, dropout) if settings.self_attention else None
        self.norm1 = nn.LayerNorm(dim) if settings.self_attention else None
        self.multihead_attn = _Attention(dim, heads, dropout)
        self.norm2 = nn.LayerNorm(dim)
        self.linear1 = nn.Linear(dim, settings.ffn)
        self.linear2 = nn.Linear(settings.ffn, dim)
        self.norm3 = nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Tensor, memory: Tensor, *, with_attention: bool
    ) -> tuple[Tensor, Tensor | None]:
        if self.self_attn is not None and self.norm1 is not None:
            asked = self.norm1(x)
            x = x + self.dropout(self.self_attn(asked, asked, with_attention=False)[0])
        found, attention = self.multihead_attn(self.norm2(x), memory, with_attention=with_attention)
        x = x + self.dropout(found)
        hidden = self.dropout(functional.relu(self.linear1(self.norm3(x))))
        return x + self.dropout(self.linear2(hidden)), attention


class QueryDecoder(nn.Module):
    """A pre-norm transformer decoder: each finding asks the patches of each image.

    Per layer ``x = x + SelfAtt(LN1 x)`` (unless switched off), ``x = x + CrossAtt(LN2 x, memory)``,
    ``x = x + W2 relu(W1 LN3 x)``; a last normalisation follows, which ``shared_norm`` also applies
    to queries and memory first. No places are encoded. The memory of an attention map is
    ``O(B * H * Q * T)`` for a layer where it is asked for; otherwise none is stored.

    One image's memory serves all queries: without self-attention the outputs of a query do not
    depend on the others, so all pairs of B texts and B images are one call with Q = B.

    Parameters bear PyTorch's own names below ``layers.N`` (``multihead_attn.in_proj_weight``,
    ``linear1.weight``, ``norm2.bias``, ...), as in the released programs.

    Args:
        settings: Sizes and forms.

    Source:
        Wu et al. 2023 (MedKLIP), arXiv:2301.02228; Zhang et al. 2023 (KAD), arXiv:2302.14042;
        Phan et al. 2024 (MAVL), arXiv:2403.07636; Lai et al. 2024 (CARZero), arXiv:2402.17417.
        That DeViDe (arXiv:2404.03618) uses the same one is a reconstruction.
    """

    def __init__(self, settings: QueryDecoderSettings) -> None:
        super().__init__()
        self.settings = settings
        self.layers = nn.ModuleList(_Layer(settings) for _ in range(settings.layers))
        self.norm = nn.LayerNorm(settings.dim)

    def forward(self, queries: Tensor, memory: Tensor, *, with_attention: bool = False) -> Decoded:
        """Answer queries from the memory of each image.

        Args:
            queries: The same for all images, shape ``(Q, D)``, or each image's own, ``(B, Q, D)``.
            memory: Shape ``(B, T, D)``.
            with_attention: Whether to return attention maps; costs their memory.

        Raises:
            ValueError: If the shapes do not go together.
        """
        _check_shapes(queries, memory, self.settings.dim)
        x = queries.unsqueeze(0) if queries.ndim == 2 else queries
        if self.settings.shared_norm:
            x, memory = self.norm(x), self.norm(memory)
        maps = []
        for layer in self.layers:
            x, attention = layer(x, memory, with_attention=with_attention)
            maps.append(attention)
        attention = torch.stack(maps) if with_attention else None
        return Decoded(self.norm(x), attention)


def _check_shapes(queries: Tensor, memory: Tensor, dim: int) -> None:
    fits = (
        memory.ndim == 3
        and queries.ndim in (2, 3)
        and memory.shape[2] == queries.shape[-1] == dim
        and (queries.ndim == 2 or len(queries) == len(memory))
    )
    if not fits:
        msg = (
            f"queries (Q, {dim}) or (B, Q, {dim}) and memory (B, T, {dim}) are needed, "
            f"got {tuple(queries.shape)} and {tuple(memory.shape)}"
        )
        raise ValueError(msg)


_SCORE_WIDTHS = (1024, 512, 256)


class FindingHead(nn.Sequential):
    """Judges a vector of the decoder; full precision under autocast.

    Args:
        kind: ``binary`` (linear to 2: absent, present), ``score`` (linear layers to 1024, 512, 256
            and 1 with ReLU and dropout between) or ``logit`` (linear to 1).
        dim: Width of the vector.
        dropout: Probability of dropping a value of ``score`` in training.
    """

    def __init__(self, kind: Head, dim: int, dropout: float = 0.1) -> None:
        parts: list[nn.Module] = []
        width = dim
        for hidden in _SCORE_WIDTHS if kind == "score" else ():
            parts += [nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout)]
            width = hidden
        parts.append(nn.Linear(width, 2 if kind == "binary" else 1))
        super().__init__(*parts)
        self.kind = kind

    def forward(self, outputs: Tensor) -> Tensor:
        """Return raw logits: ``(..., D)`` to ``(..., 2)`` or ``(..., 1)``, fp32 or wider."""
        return in_fp32(outputs, super().forward)

    def presence(self, raw: Tensor) -> Tensor:
        """Return the logit of presence, ``(..., 2 or 1)`` to ``(...)``.

        Of two logits it is their difference, so that its sigmoid is the softmax's second column.
        """
        return raw[..., 1] - raw[..., 0] if self.kind == "binary" else raw[..., 0]


@outside_autocast
def in_fp32(outputs: Tensor, module: Callable[[Tensor], Tensor]) -> Tensor:
    """Run a module on fp32 (or wider) values whatever autocast there is around.

    Args:
        outputs: Any shape.
        module: Its weights are fp32 or wider.
    """
    return module(in_full_precision(outputs))
