"""What every network for scans offers: pooled features, and the map that they are pooled from."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import nn

__all__ = ["VolumeTower"]


class VolumeTower(nn.Module, ABC):
    """A network that takes boxes of a scan.

    Attributes:
        dim: Length of the pooled features.
    """

    dim: int

    @abstractmethod
    def feature_map(self, voxels: torch.Tensor) -> torch.Tensor:
        """Return the features of each place.

        Args:
            voxels: Windowed values, shape ``(B, 1, a, b, c)``, float; the order of the axes is the
                network's own.

        Returns:
            Shape ``(B, dim, a', b', c')``.
        """

    def forward(self, voxels: torch.Tensor) -> torch.Tensor:
        """Return the features of each box: the mean of the feature map.

        Args:
            voxels: As for ``feature_map``.

        Returns:
            Shape ``(B, dim)``.
        """
        return self.feature_map(voxels).mean(dim=(2, 3, 4))
