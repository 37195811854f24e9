"""A network for scans and a text tower that share one embedding space.

Letters: B batch, D embedding, T tokens, a b c voxels along the network's axes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from medvlp.models.dual_encoder import MAX_LOG_SCALE, DualOutput
from medvlp.models.text_side import TextSide
from medvlp.models.text_tower import TextTower, build_projection
from medvlp.models.timm_towers import with_local_seed
from medvlp.models.volume.build import build_volume_tower
from medvlp.models.volume.heads import build_volume_head

if TYPE_CHECKING:
    from medvlp.models.volume.bundle_schema import VolumeModelSettings

__all__ = ["VolumeDualEncoder"]


class VolumeDualEncoder(nn.Module):
    """A network for scans with its head, a BERT text tower where there is one, and a logit scale.

    Args:
        settings: The parts.
        shape: Voxels of a box along its axes, in the order in which the network takes them.
        vocab_size: Number of pieces of the text tower's tokenizer; None without a text tower.
        seed: Fixes the random weights; the program's random state is left as it was.

    Attributes:
        dim: Length D of an embedding.
        logit_scale: Log of the multiplier of cosines, scalar parameter; without meaning where
            embeddings share no space with text.

    Raises:
        ModelError: If the network cannot take boxes of this size (MV1430), or cannot be built.
        ValueError: If there is a text tower without ``vocab_size``, or the other way round.
    """

    def __init__(
        self,
        settings: VolumeModelSettings,
        shape: tuple[int, int, int],
        vocab_size: int | None = None,
        *,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if (settings.text is None) != (vocab_size is None):
            msg = f"vocab_size must go with a text tower, got {vocab_size} and {settings.text}"
            raise ValueError(msg)
        self.settings = settings
        self.vocab_size = vocab_size
        self.volume_tower = build_volume_tower(settings.image, shape, seed=seed)
        width = self.volume_tower.dim
        self.dim = settings.head.dim or width
        self.volume_projection = with_local_seed(
            lambda: build_volume_head(settings.head, width), seed
        )
        self.text_tower, self.text_projection = self._build_text(seed)
        self.logit_scale = nn.Parameter(torch.tensor(-math.log(settings.temperature)))

    def _build_text(self, seed: int) -> tuple[TextTower | None, nn.Module | None]:
        text, vocab_size = self.settings.text, self.vocab_size
        if text is None or vocab_size is None:
            return None, None

        def build() -> tuple[TextTower, nn.Module]:
            projection = build_projection(text.projection, text.width, self.dim, "text")
            return TextTower(text, vocab_size), projection

        return with_local_seed(build, seed)

    def project_volume(self, voxels: torch.Tensor) -> torch.Tensor:
        """Embed boxes, not yet normalised.

        Args:
            voxels: Windowed values, shape ``(B, 1, a, b, c)``, float.

        Returns:
            Shape ``(B, D)``.
        """
        projected: torch.Tensor = self.volume_projection(self.volume_tower(voxels))
        return projected

    def project_text(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Embed texts, not yet normalised.

        Args:
            ids: Token ids, shape ``(B, T)``, int64.
            mask: True where a token is real, shape ``(B, T)``, bool.

        Returns:
            Shape ``(B, D)``.

        Raises:
            ValueError: If the model has no text tower.
        """
        projected: torch.Tensor = self.text_side()(ids, mask)
        return projected

    def encode_volume(self, voxels: torch.Tensor) -> torch.Tensor:
        """Embed boxes as unit vectors: ``project_volume`` in float32, L2-normalised."""
        return functional.normalize(self.project_volume(voxels).float(), dim=-1)

    def encode_text(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Embed texts as unit vectors: ``project_text`` in float32, L2-normalised."""
        return functional.normalize(self.project_text(ids, mask).float(), dim=-1)

    def forward(self, voxels: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> DualOutput:
        """Embed a batch of pairs as unit vectors.

        Args:
            voxels: Windowed values, shape ``(B, 1, a, b, c)``, float.
            ids: Token ids, shape ``(B, T)``, int64.
            mask: True where a token is real, shape ``(B, T)``, bool.

        Raises:
            ValueError: If the model has no text tower.
        """
        return DualOutput(
            image=self.encode_volume(voxels),
            text=self.encode_text(ids, mask),
            logit_scale=self.logit_scale.float().exp(),
        )

    @torch.no_grad()
    def clamp_logit_scale(self) -> None:
        """Keep the log of the scale in [0, ln 100]; to be called after each optimiser step."""
        self.logit_scale.clamp_(0.0, MAX_LOG_SCALE)

    def volume_side(self) -> nn.Module:
        """Return network and head as one module: voxels ``(B, 1, a, b, c)`` to ``(B, D)``."""
        return nn.Sequential(self.volume_tower, self.volume_projection)

    def text_side(self) -> nn.Module:
        """Return the text tower and projection as one module: ids and mask to ``(B, D)``.

        Raises:
            ValueError: If the model has no text tower.
        """
        parts = self.text_parts()
        return TextSide(parts["text_tower"], parts["text_projection"])

    def text_parts(self) -> nn.ModuleDict:
        """Return ``text_tower`` and ``text_projection`` by these names.

        Raises:
            ValueError: If the model has no text tower.
        """
        if self.text_tower is None or self.text_projection is None:
            msg = "this model has no text tower"
            raise ValueError(msg)
        return nn.ModuleDict(
            {"text_tower": self.text_tower, "text_projection": self.text_projection}
        )
