"""The head that maps pooled features of a volume tower into the space shared with text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from medvlp.models.volume.settings import VolumeHeadSettings

__all__ = ["build_volume_head"]


def build_volume_head(settings: VolumeHeadSettings, width: int) -> nn.Module:
    """Return the head: features of shape ``(B, width)`` to embeddings of shape ``(B, D)``.

    Weights of linear layers are drawn from a normal distribution of deviation 0.02, cut at 2;
    biases start at 0.

    Args:
        settings: The head; without a projection the features are left as they are.
        width: Length of the tower's features.
    """
    if settings.dim is None:
        return nn.Identity()
    if settings.hidden is None:
        head: nn.Module = nn.Linear(width, settings.dim, bias=settings.bias)
    else:
        head = nn.Sequential(
            nn.Linear(width, settings.hidden),
            nn.BatchNorm1d(settings.hidden),
            nn.ReLU(),
            nn.Linear(settings.hidden, settings.dim),
            nn.BatchNorm1d(settings.dim, affine=False),
        )
    for layer in head.modules():
        if isinstance(layer, nn.Linear):
            nn.init.trunc_normal_(layer.weight, std=0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return head
