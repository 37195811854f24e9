"""A text tower made ready to use: texts in, unit vectors out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch.nn import functional

from medvlp.models.vision import check_device

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

__all__ = ["EmbedsTexts", "TextEncoder"]

_TEXTS_PER_BATCH = 256


class EmbedsTexts(Protocol):
    """What turns texts into unit vectors: a text tower, or a table of texts embedded beforehand.

    Attributes:
        name: The model's name.
    """

    name: str

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts.

        Args:
            texts: n texts, n >= 1.

        Returns:
            Unit vectors, shape ``(n, D)``, float32.
        """
        ...


class TextEncoder:
    """Embeds texts as unit vectors, always in float32: prompts are few and decide much.

    Args:
        name: The model's name.
        tower: Maps the tensors of ``tokenize`` to features ``(B, D)``; put into evaluation mode.
        tokenize: Turns texts into the tower's inputs.
        device: Where the tower runs.
    """

    def __init__(
        self,
        *,
        name: str,
        tower: torch.nn.Module,
        tokenize: Callable[[Sequence[str]], tuple[torch.Tensor, ...]],
        device: str = "cpu",
    ) -> None:
        self.name = name
        self.device = check_device(device)
        self._tower = tower.eval().to(self.device)
        self._tokenize = tokenize

    @torch.inference_mode()
    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts.

        Args:
            texts: n texts, n >= 1.

        Returns:
            Unit vectors, shape ``(n, D)``, float32.

        Raises:
            ValueError: If there is no text.
        """
        if not texts:
            msg = "texts is empty: there is nothing to embed"
            raise ValueError(msg)
        chunks = [
            self._embed_batch(texts[start : start + _TEXTS_PER_BATCH])
            for start in range(0, len(texts), _TEXTS_PER_BATCH)
        ]
        return np.concatenate(chunks)

    def _embed_batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
        inputs = [tensor.to(self.device) for tensor in self._tokenize(texts)]
        features = functional.normalize(self._tower(*inputs).float(), dim=-1)
        return np.asarray(features.cpu().numpy(), dtype=np.float32)
