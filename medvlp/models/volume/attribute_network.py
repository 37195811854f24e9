"""A network for scans with a linear classifier for each of several attributes.

Letters: B batch, C classes, a b c voxels along the network's axes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from medvlp.models.timm_towers import with_local_seed
from medvlp.models.volume.build import build_volume_tower

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medvlp.models.volume.settings import VolumeTowerSettings

__all__ = ["AttributeNetwork"]


class AttributeNetwork(nn.Module):
    """Answers several questions about a box of a scan, each by one linear layer on its features.

    The linear layers are rows of one matrix, in the order of the attributes. They start as a normal
    distribution of deviation 0.02, cut at 2, with biases of 0.

    Args:
        settings: The network for boxes.
        shape: Voxels of a box along its axes, in the order in which the network takes them.
        attributes: Attribute -> names of its classes.
        dropout: Share of features that are dropped in training before the linear layers.
        seed: Fixes the random weights; the program's random state is left as it was.

    Raises:
        ModelError: If the network cannot take boxes of this size (MV1430), or cannot be built.
        ValueError: If there is no attribute, or one of fewer than two classes.

    Source:
        Tao et al., arXiv:2508.16569, the image encoder's first stage.
    """

    def __init__(
        self,
        settings: VolumeTowerSettings,
        shape: tuple[int, int, int],
        attributes: Mapping[str, tuple[str, ...]],
        *,
        dropout: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not attributes or min(map(len, attributes.values())) < 2:
            msg = f"attributes must have two classes or more each, got {dict(attributes)}"
            raise ValueError(msg)
        self.settings = settings
        self.attributes = dict(attributes)
        self.volume_tower = build_volume_tower(settings, shape, seed=seed)
        self.dropout = nn.Dropout(dropout)
        self.heads = with_local_seed(self._build_heads, seed)

    def _build_heads(self) -> nn.Linear:
        heads = nn.Linear(self.volume_tower.dim, sum(map(len, self.attributes.values())))
        nn.init.trunc_normal_(heads.weight, std=0.02)
        nn.init.zeros_(heads.bias)
        return heads

    def forward(self, voxels: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the logits of each attribute.

        Args:
            voxels: Windowed values, shape ``(B, 1, a, b, c)``, float.

        Returns:
            Attribute -> shape ``(B, C)``, C its number of classes.
        """
        logits = self.heads(self.dropout(self.volume_tower(voxels)))
        widths = [len(classes) for classes in self.attributes.values()]
        return dict(zip(self.attributes, logits.split(widths, dim=1), strict=True))
