"""A batch of pairs on its way from the loader to the model.

Letters: B pairs, T tokens, H W image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Batch", "TextTokens"]


@dataclass(frozen=True, kw_only=True)
class TextTokens:
    """Tokenised texts.

    Attributes:
        ids: Token ids, shape ``(B, T)``, int64.
        mask: True where a token is real, shape ``(B, T)``, bool.
    """

    ids: torch.Tensor
    mask: torch.Tensor


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Image-text pairs.

    Attributes:
        image: Pixels at the model's input size, shape ``(B, H, W, 3)``, uint8.
        text: Tokenised captions.
        group_id: Semantic group of each pair, shape ``(B,)``, int64; equal ids are positives.
        concept_id: Index of each pair's concept in the data's list, shape ``(B,)``, int64; or -1.
        sample_id: Name of each pair, B of them.
        weight: Weight of each pair in the loss, shape ``(B,)``, float32.
    """

    image: torch.Tensor
    text: TextTokens
    group_id: torch.Tensor
    concept_id: torch.Tensor
    sample_id: tuple[str, ...]
    weight: torch.Tensor

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.sample_id)

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Batch:
        """Return the batch with all tensors on a device.

        Args:
            device: Where to.
            non_blocking: Whether the copy may overlap other work (from pinned memory).
        """
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Batch:
        """Return the batch in page-locked memory, from which copies to a GPU overlap other work."""
        return self._map(torch.Tensor.pin_memory)

    def _map(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
        return replace(
            self,
            image=change(self.image),
            text=TextTokens(ids=change(self.text.ids), mask=change(self.text.mask)),
            group_id=change(self.group_id),
            concept_id=change(self.concept_id),
            weight=change(self.weight),
        )
