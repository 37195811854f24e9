"""A 2D residual network made three-dimensional, Merlin's image encoder; torchvision's names.

Letters: B batch, C channels; a, b, c are the axes of the input in the network's own order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from medvlp.models.volume.towers import VolumeTower

if TYPE_CHECKING:
    from medvlp.models.volume.settings import InflatedResNetSettings

__all__ = ["InflatedResNet"]

_BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
_EXPANSION = 4
_COLOURS = 3


class _Bottleneck(nn.Module):
    """Convolutions 1, 3 x 3 x 3 and 1 with what came in added before the last ReLU."""

    def __init__(self, in_channels: int, inner: int, stride: int) -> None:
        super().__init__()
        out = inner * _EXPANSION
        self.conv1 = nn.Conv3d(in_channels, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm3d(inner)
        self.conv2 = nn.Conv3d(inner, inner, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm3d(inner)
        self.conv3 = nn.Conv3d(inner, out, 1, bias=False)
        self.bn3 = nn.BatchNorm3d(out)
        self.downsample: nn.Module | None = None
        if stride != 1 or in_channels != out:
            self.downsample = nn.Sequential(
                nn.Conv3d(in_channels, out, 1, stride=stride, bias=False), nn.BatchNorm3d(out)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        past = x if self.downsample is None else self.downsample(x)
        inner = functional.relu(self.bn1(self.conv1(x)))
        inner = functional.relu(self.bn2(self.conv2(inner)))
        return functional.relu(self.bn3(self.conv3(inner)) + past)


class InflatedResNet(VolumeTower):
    """Convolution 3 x 7 x 7 that halves b and c, max pooling of stride 2, four stages of blocks.

    Stages 2 to 4 halve the grid. The 2D network takes colours, so that the one channel of a scan is
    given three times.

    Args:
        settings: Depth and width.

    Source:
        Carreira and Zisserman 2017, arXiv:1705.07750 (inflation); Blankemeier et al. 2024,
        arXiv:2406.06512 (Merlin).
    """

    def __init__(self, settings: InflatedResNetSettings) -> None:
        super().__init__()
        width = settings.width
        self.conv1 = nn.Conv3d(
            _COLOURS, width, (3, 7, 7), stride=(1, 2, 2), padding=(1, 3, 3), bias=False
        )
        self.bn1 = nn.BatchNorm3d(width)
        channels = width
        stages = []
        for stage, blocks in enumerate(_BLOCKS[settings.depth]):
            inner = width * 2**stage
            layers = []
            for block in range(blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                layers.append(_Bottleneck(channels, inner, stride))
                channels = inner * _EXPANSION
            stages.append(nn.Sequential(*layers))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.dim = channels

    def feature_map(self, voxels: torch.Tensor) -> torch.Tensor:
        """Return the features of each place.

        Args:
            voxels: Windowed values, shape ``(B, 1, a, b, c)``, float.

        Returns:
            Shape ``(B, dim, a / 16, b / 32, c / 32)``, rounded up.
        """
        x = voxels.expand(-1, _COLOURS, -1, -1, -1)
        x = functional.relu(self.bn1(self.conv1(x)))
        x = functional.max_pool3d(x, 3, stride=2, padding=1)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return x
