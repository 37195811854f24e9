"""A BERT text tower that learns to name hidden tokens.

Letters: B batch, T tokens, M hidden tokens, V pieces, W width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
from torch import nn
from torch.nn import functional

from medvlp.models.text_tower import KnowledgeText, TextTower
from medvlp.models.timm_towers import with_local_seed

if TYPE_CHECKING:
    from transformers import BertModel

__all__ = ["MaskedBert", "NamesTokens", "TokenHead"]

_HIDDEN_STD = 0.02


class NamesTokens(Protocol):
    """A text tower that can be trained to name hidden tokens."""

    def hidden_logits(
        self, ids: torch.Tensor, mask: torch.Tensor, targets: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits of the pieces at hidden places, and the true pieces.

        Args:
            ids: Token ids with some hidden, shape ``(B, T)``, int64.
            mask: True where a token is real, shape ``(B, T)``, bool.
            targets: The true ids at hidden places, -100 elsewhere, shape ``(B, T)``, int64.

        Returns:
            Shapes ``(M, V)`` and ``(M,)``.
        """
        ...


class TokenHead(nn.Module):
    """Turns a token's features into logits of pieces; the last matrix is that of the embeddings.

    Args:
        width: Width W of a token.
        vocab_size: Number V of pieces.

    Source:
        Devlin et al. 2019, arXiv:1810.04805, and the authors' code: linear, GELU, layer norm, the
        transposed embeddings, a bias for each piece.
    """

    def __init__(self, width: int, vocab_size: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.bias = nn.Parameter(torch.zeros(vocab_size))
        nn.init.normal_(self.dense.weight, std=_HIDDEN_STD)
        nn.init.zeros_(self.dense.bias)

    def forward(self, features: torch.Tensor, embeddings: torch.Tensor) -> torch.Tensor:
        """Return logits, shape ``(M, V)``.

        Args:
            features: Shape ``(M, W)``.
            embeddings: The tower's word embeddings, shape ``(V, W)``.
        """
        turned = self.norm(functional.gelu(self.dense(features)))
        return functional.linear(turned, embeddings, self.bias)


class MaskedBert(nn.Module):
    """A text tower and, beside it, the head that names hidden tokens.

    The projection takes no part in naming tokens and rests.

    Args:
        text: The text tower.
        seed: Fixes the head's random weights.
    """

    def __init__(self, text: KnowledgeText, *, seed: int = 0) -> None:
        super().__init__()
        self.text = text
        self.text.text_projection.requires_grad_(False)
        width, pieces = text.settings.width, text.vocab_size
        self.head = with_local_seed(lambda: TokenHead(width, pieces), seed)
        pooler = self._bert().pooler
        if pooler is not None:
            pooler.requires_grad_(False)

    def hidden_logits(
        self, ids: torch.Tensor, mask: torch.Tensor, targets: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits at hidden places, and the true pieces; as :class:`NamesTokens`."""
        bert = self._bert()
        features = bert(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        is_hidden = targets >= 0
        embeddings = bert.embeddings.word_embeddings.weight
        return self.head(features[is_hidden], embeddings), targets[is_hidden]

    def _bert(self) -> BertModel:
        tower = self.text.text_tower
        if not isinstance(tower, TextTower):
            msg = f"the tower is a {type(tower).__name__}, not a BERT"
            raise TypeError(msg)
        return tower.bert
