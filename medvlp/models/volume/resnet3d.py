"""A 3D residual network, RenalCLIP's image encoder; weights bear the names of MedicalNet.

Letters: B batch, C channels; a, b, c are the axes of the input in the network's own order.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from medvlp.models.volume.towers import VolumeTower

if TYPE_CHECKING:
    from collections.abc import Callable

    from medvlp.models.volume.settings import ResNet3dSettings

__all__ = ["ResNet3d", "shortcut_a"]

_BLOCKS = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}


def shortcut_a(x: torch.Tensor, channels: int, stride: int, *, cut: bool = False) -> torch.Tensor:
    """Take every n-th voxel along each axis and put channels of zeros behind the others.

    Args:
        x: Shape ``(B, C, a, b, c)``, float.
        channels: Channels afterwards, at least C.
        stride: The n.
        cut: Whether no gradient flows through.

    Returns:
        Shape ``(B, channels, ceil(a / n), ceil(b / n), ceil(c / n))``, on the device of ``x``.

    Source:
        He et al. 2016, arXiv:1512.03385, section 3.3, option A, with a third spatial axis.
    """
    thinned = (x.detach() if cut else x)[:, :, ::stride, ::stride, ::stride]
    return functional.pad(thinned, (0, 0, 0, 0, 0, 0, 0, channels - x.shape[1]))


class _Block(nn.Module):
    """Two 3 x 3 x 3 convolutions with what came in added before the last ReLU."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(in_channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm3d(channels)
        self.conv2 = nn.Conv3d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm3d(channels)
        self.downsample: Callable[[torch.Tensor], torch.Tensor] | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        past = x if self.downsample is None else self.downsample(x)
        inner = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(inner)) + past)


class ResNet3d(VolumeTower):
    """Convolution 7 x 7 x 7 of stride 2, max pooling of stride 2, four stages of blocks.

    Stages 2 to 4 halve the grid and double the channels; all in all a voxel of the feature map
    stands for 32 x 32 x 32 voxels of the input. Convolutions start as He's normal distribution over
    what goes out, batch norms at 1 and 0.

    Args:
        settings: Depth, width and shortcut.

    Source:
        Chen et al. 2019, arXiv:1904.00625 (MedicalNet); Tao et al., arXiv:2508.16569 (RenalCLIP),
        whose shortcuts of type A hold back the gradient: here only where asked for.
    """

    def __init__(self, settings: ResNet3dSettings) -> None:
        super().__init__()
        self.settings = settings
        width = settings.width
        self.dim = 8 * width
        self.conv1 = nn.Conv3d(1, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.maxpool = nn.MaxPool3d(3, stride=2, padding=1)
        one, two, three, four = _BLOCKS[settings.depth]
        self.layer1 = self._stage(width, width, one, 1)
        self.layer2 = self._stage(width, 2 * width, two, 2)
        self.layer3 = self._stage(2 * width, 4 * width, three, 2)
        self.layer4 = self._stage(4 * width, 8 * width, four, 2)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def _stage(self, in_channels: int, channels: int, num_blocks: int, stride: int) -> nn.Module:
        blocks = [_Block(in_channels, channels, stride)]
        blocks += [_Block(channels, channels, 1) for _ in range(num_blocks - 1)]
        if stride > 1:
            blocks[0].downsample = self._shortcut(in_channels, channels, stride)
        return nn.Sequential(*blocks)

    def _shortcut(
        self, in_channels: int, channels: int, stride: int
    ) -> Callable[[torch.Tensor], torch.Tensor]:
        if self.settings.shortcut == "B":
            return nn.Sequential(
                nn.Conv3d(in_channels, channels, 1, stride=stride, bias=False),
                nn.BatchNorm3d(channels),
            )
        cut = self.settings.cut_shortcut_gradient
        return partial(shortcut_a, channels=channels, stride=stride, cut=cut)

    def stem(self, voxels: torch.Tensor) -> torch.Tensor:
        """Return what the first stage gets: shape ``(B, width, a / 4, b / 4, c / 4)``, rounded up.

        Args:
            voxels: Windowed values, shape ``(B, 1, a, b, c)``, float.
        """
        pooled: torch.Tensor = self.maxpool(functional.relu(self.bn1(self.conv1(voxels))))
        return pooled

    def feature_map(self, voxels: torch.Tensor) -> torch.Tensor:
        """Return the features of each place.

        Args:
            voxels: Windowed values, shape ``(B, 1, a, b, c)``, float.

        Returns:
            Shape ``(B, 8 width, a / 32, b / 32, c / 32)``, rounded up.
        """
        x = self.stem(voxels)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return x
