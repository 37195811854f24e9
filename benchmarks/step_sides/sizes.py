"""The models and the settings that both sides train with."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BETAS", "EPSILON", "IMAGE_PX", "NUM_TOKENS", "TOWERS", "WEIGHT_DECAY", "Towers"]

IMAGE_PX = 224
NUM_TOKENS = 77
VOCABULARY = 49408
BETAS, EPSILON, WEIGHT_DECAY = (0.9, 0.98), 1e-6, 0.2


@dataclass(frozen=True)
class Towers:
    """One pair of towers under both sides' names.

    Attributes:
        peer: Name of open_clip's model.
        image: Name of timm's architecture of the same size.
        embed_dim: Length of an embedding.
        text_width: Width of a token of the text tower; it has 12 blocks.
        text_heads: Attention heads of the text tower.
    """

    peer: str
    image: str
    embed_dim: int
    text_width: int
    text_heads: int


TOWERS = {
    "S/16": Towers("ViT-S-16", "vit_small_patch16_224", 384, 384, 6),
    "B/16": Towers("ViT-B-16", "vit_base_patch16_224", 512, 512, 8),
}
