"""The text side of a dual encoder: tower and projection as one, and made ready to use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch
from torch import nn

from medvlp.models.text_encoder import TextEncoder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medvlp.models.architecture import DecoderTowerSettings, TextTowerSettings
    from medvlp.text.tokenizer_files import TextTokenizer

__all__ = ["HasText", "TextSide", "caption_text_encoder"]


class TextSide(nn.Module):
    """A text tower and its projection as one module: ids and mask to ``(B, D)``.

    Args:
        tower: Maps ids and mask, both of shape ``(B, T)``, to features of each text.
        projection: Maps these to embeddings, not yet normalised.
    """

    def __init__(self, tower: nn.Module, projection: nn.Module) -> None:
        super().__init__()
        self.tower = tower
        self.projection = projection

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Embed texts.

        Args:
            ids: Token ids, shape ``(B, T)``, int64.
            mask: True where a token is real, shape ``(B, T)``, bool.

        Returns:
            Shape ``(B, D)``, not yet normalised.
        """
        projected: torch.Tensor = self.projection(self.tower(ids, mask))
        return projected


class HasText(Protocol):
    """A model with a text tower."""

    def text_side(self) -> nn.Module:
        """Return the text tower and projection as one module: ids and mask to ``(B, D)``."""
        ...


def caption_text_encoder(
    name: str,
    model: HasText,
    settings: TextTowerSettings | DecoderTowerSettings,
    tokenizer: TextTokenizer,
    device: str,
) -> TextEncoder:
    """Return the text encoder of a model whose texts are cut into pieces and a mask of them.

    Args:
        name: The model's name.
        model: The model with its weights.
        settings: Its text tower.
        tokenizer: The tokenizer that its text tower was trained with.
        device: Where the tower runs.
    """

    def tokenize(texts: Sequence[str]) -> tuple[torch.Tensor, ...]:
        tokens = tokenizer.encode(texts, settings.max_tokens)
        return torch.from_numpy(tokens.ids), torch.from_numpy(tokens.mask)

    return TextEncoder(name=name, tower=model.text_side(), tokenize=tokenize, device=device)
