"""A plain stack of convolutions for radiographs: little data, small images, no GPU.

Letters: B batch, C channels, S side in pixels, W width of the last block, h w grid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from medvlp.models.timm_towers import with_local_seed

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["PlainNetwork", "build_plain_network"]

_PLACE_SPREAD = 0.02


class PlainNetwork(nn.Module):
    """Blocks of convolution, batch norm and ReLU; before the last one each place says where it is.

    A map that keeps its places is what queries ask, so their number matters more than depth. Last
    blocks of kernel 1 keep small what a place sees: places beside a finding do not see it, so that
    attention must look at it. A learned vector of each place lets the last block tell zones of the
    lung apart that look alike.

    What a place sees lies around the middle of its patch, half a pixel beside it where there is a
    stride: padding alike on all sides, as is usual, would put it ``(patch - 1) / 2`` pixels further
    up and left, and all that attention points at as well. The last block with a stride therefore
    leans the other way than those before it.

    Args:
        widths: Channels of each block.
        strides: Stride of each block, 1 or 2.
        kernels: Side of each block's kernel, odd.
        input_px: Side of an image in pixels.
        channels: Channels of an image.

    Raises:
        ValueError: If widths, strides and kernels differ in number, or are fewer than two.
    """

    def __init__(
        self,
        widths: tuple[int, ...],
        strides: tuple[int, ...],
        kernels: tuple[int, ...],
        input_px: int,
        channels: int,
    ) -> None:
        super().__init__()
        if not len(widths) == len(strides) == len(kernels) >= 2:
            msg = (
                "two blocks or more, each of a width, a stride and a kernel, got "
                f"{widths}, {strides} and {kernels}"
            )
            raise ValueError(msg)
        self.num_features = widths[-1]
        entering = (channels, *widths[:-1])
        leaning = max((n for n, stride in enumerate(strides) if stride > 1), default=-1)
        numbers = zip(entering, widths, strides, kernels, strict=True)
        blocks = [_block(*each, leans=n == leaning) for n, each in enumerate(numbers)]
        side = input_px
        for stride in strides[:-1]:
            side = -(-side // stride)
        self.blocks = nn.Sequential(*blocks[:-1])
        self.places = nn.Parameter(_PLACE_SPREAD * torch.randn(widths[-2], side, side))
        self.last = blocks[-1]

    def forward_features(self, pixels: Tensor) -> Tensor:
        """Return the last map, shape ``(B, W, h, w)``.

        Args:
            pixels: Normalised, shape ``(B, C, S, S)``, float.
        """
        features: Tensor = self.last(self.blocks(pixels) + self.places)
        return features


def build_plain_network(
    widths: tuple[int, ...],
    strides: tuple[int, ...],
    kernels: tuple[int, ...],
    *,
    input_px: int,
    channels: int,
    seed: int = 0,
) -> PlainNetwork:
    """Build a plain network; the program's random state is left as it was.

    Args:
        widths: Channels of each block.
        strides: Stride of each block.
        kernels: Side of each block's kernel.
        input_px: Side of an image in pixels.
        channels: Channels of an image.
        seed: Fixes the random weights.
    """
    return with_local_seed(lambda: PlainNetwork(widths, strides, kernels, input_px, channels), seed)


def _block(before: int, width: int, stride: int, kernel: int, *, leans: bool) -> nn.Sequential:
    if leans:
        convolution: nn.Conv2d = _LeaningConvolution(before, width, kernel, stride, bias=False)
    else:
        convolution = nn.Conv2d(before, width, kernel, stride, kernel // 2, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(convolution, nn.BatchNorm2d(width), nn.ReLU())


class _LeaningConvolution(nn.Conv2d):
    """A convolution of stride 2 that looks one place further down and right than is usual."""

    def forward(self, input: Tensor) -> Tensor:
        """Convolve ``(B, C, H, W)``; as many places come out as without leaning."""
        least = self.kernel_size[0] // 2 - 1
        most = least + 2
        return super().forward(functional.pad(input, (least, most, least, most)))
