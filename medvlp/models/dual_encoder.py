"""An image tower and a text tower that share one embedding space.

Letters: B batch, D embedding, T tokens, H W image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from medvlp.errors import ModelError
from medvlp.models.decoder_tower import DecoderTower
from medvlp.models.text_side import TextSide
from medvlp.models.text_tower import TextTower, build_projection
from medvlp.models.timm_towers import build_random_tower, with_local_seed

if TYPE_CHECKING:
    from medvlp.models.architecture import DualEncoderSettings

__all__ = ["MAX_LOG_SCALE", "DualEncoder", "DualOutput", "build_text_tower"]

MAX_LOG_SCALE = math.log(100.0)
"""Largest learned log of the logit scale, as in CLIP."""


@dataclass(frozen=True)
class DualOutput:
    """What a dual encoder makes of a batch.

    Attributes:
        image: Image embeddings, L2-normalised, shape ``(B, D)``, float32.
        text: Text embeddings, L2-normalised, shape ``(B, D)``, float32.
        logit_scale: Multiplier of cosines after exp, scalar, float32.
        knowledge: The texts by a frozen knowledge encoder, for objectives that ask for them;
            L2-normalised, shape ``(B, D)``, float32.
    """

    image: torch.Tensor
    text: torch.Tensor
    logit_scale: torch.Tensor
    knowledge: torch.Tensor | None = None


class DualEncoder(nn.Module):
    """A timm image tower and a text tower, each with a projection, and a learned logit scale.

    Args:
        settings: Both towers and the embedding length.
        vocab_size: Number of pieces of the text tower's tokenizer.
        seed: Fixes the random weights; the program's random state is left as it was.

    Attributes:
        logit_scale: Log of the multiplier of cosines, scalar parameter.

    Raises:
        ModelError: If the image architecture is unknown (MV1402) or does not fit (MV1407).
    """

    def __init__(self, settings: DualEncoderSettings, vocab_size: int, *, seed: int = 0) -> None:
        super().__init__()
        self.settings = settings
        self.vocab_size = vocab_size
        image, text = settings.image, settings.text_tower
        tower = build_random_tower(image.architecture, image.options(), seed)
        width = _feature_width(tower, image.architecture)

        def build() -> tuple[nn.Module, nn.Module, nn.Module]:
            return (
                build_projection(image.projection, width, settings.embed_dim, image.architecture),
                build_text_tower(settings, vocab_size),
                build_projection(text.projection, text.width, settings.embed_dim, "text"),
            )

        self.image_tower = tower
        self.image_projection, self.text_tower, self.text_projection = with_local_seed(build, seed)
        self.logit_scale = nn.Parameter(torch.tensor(-math.log(settings.temperature)))

    def project_image(self, pixels: torch.Tensor) -> torch.Tensor:
        """Embed images, not yet normalised.

        Args:
            pixels: Normalised pixels, shape ``(B, 3, H, W)``, float.

        Returns:
            Shape ``(B, D)``.
        """
        projected: torch.Tensor = self.image_projection(self.image_tower(pixels))
        return projected

    def project_text(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Embed texts, not yet normalised.

        Args:
            ids: Token ids, shape ``(B, T)``, int64.
            mask: True where a token is real, shape ``(B, T)``, bool.

        Returns:
            Shape ``(B, D)``.
        """
        projected: torch.Tensor = self.text_projection(self.text_tower(ids, mask))
        return projected

    def forward(self, pixels: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> DualOutput:
        """Embed a batch of pairs as unit vectors.

        Args:
            pixels: Normalised pixels, shape ``(B, 3, H, W)``, float.
            ids: Token ids, shape ``(B, T)``, int64.
            mask: True where a token is real, shape ``(B, T)``, bool.
        """
        return DualOutput(
            image=functional.normalize(self.project_image(pixels).float(), dim=-1),
            text=functional.normalize(self.project_text(ids, mask).float(), dim=-1),
            logit_scale=self.logit_scale.float().exp(),
        )

    @torch.no_grad()
    def clamp_logit_scale(self) -> None:
        """Keep the log of the scale in [0, ln 100]; to be called after each optimiser step."""
        self.logit_scale.clamp_(0.0, MAX_LOG_SCALE)

    def image_side(self) -> nn.Module:
        """Return tower and projection as one module: pixels ``(B, 3, H, W)`` to ``(B, D)``."""
        return nn.Sequential(self.image_tower, self.image_projection)

    def text_side(self) -> nn.Module:
        """Return the text tower and projection as one module: ids and mask to ``(B, D)``."""
        return TextSide(self.text_tower, self.text_projection)


def build_text_tower(settings: DualEncoderSettings, vocab_size: int) -> nn.Module:
    """Return the text tower of a dual encoder, with random weights.

    Args:
        settings: The dual encoder.
        vocab_size: Number of pieces of the tokenizer.
    """
    if settings.decoder is not None:
        return DecoderTower(settings.decoder, vocab_size)
    return TextTower(settings.text, vocab_size)


def _feature_width(tower: nn.Module, architecture: str) -> int:
    for attribute in ("head_hidden_size", "num_features"):
        width = getattr(tower, attribute, None)
        if isinstance(width, int) and width > 0:
            return width
    raise ModelError("MV1407", f"timm does not state the feature length of {architecture!r}")
