"""The one place that builds networks of MONAI: its ResNet and the encoders of two U-shaped nets.

MONAI takes seconds to import, so it is imported where a network is built. Weights bear MONAI's own
names behind ``network.``.

Letters: B batch, C channels; a, b, c are the axes of the input in the network's own order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from medvlp.errors import ModelError
from medvlp.models.volume.towers import VolumeTower

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from medvlp.models.volume.settings import (
        MonaiResNetSettings,
        SegResNetSettings,
        SwinUnetrSettings,
    )

__all__ = ["MonaiResNet", "SegResNetEncoder", "SwinUnetrEncoder"]

Shape = tuple[int, int, int]

_RESNET_BLOCKS = {
    10: (1, 1, 1, 1),
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
}
_RESNET_WIDTHS = (64, 128, 256, 512)
_FIRST_BOTTLENECK = 50
_SWIN_MULTIPLE = 32


class MonaiResNet(VolumeTower):
    """MONAI's 3D ResNet without its classifier.

    Args:
        settings: Depth, shortcut and widths.

    Source:
        ``monai.networks.nets.ResNet`` with the first convolution of stride 2 and shortcuts without
        bias, the layout of MedicalNet (Chen et al. 2019, arXiv:1904.00625).
    """

    def __init__(self, settings: MonaiResNetSettings) -> None:
        super().__init__()
        from monai.networks.nets.resnet import ResNet  # noqa: PLC0415 - takes seconds

        is_bottleneck = settings.depth >= _FIRST_BOTTLENECK
        self.network: Any = ResNet(
            block="bottleneck" if is_bottleneck else "basic",
            layers=list(_RESNET_BLOCKS[settings.depth]),
            block_inplanes=list(_RESNET_WIDTHS),
            n_input_channels=1,
            conv1_t_stride=2,
            shortcut_type=settings.shortcut,
            widen_factor=settings.widen,
            feed_forward=False,
            bias_downsample=False,
        )
        self.dim = int(_RESNET_WIDTHS[-1] * settings.widen) * (4 if is_bottleneck else 1)

    def feature_map(self, voxels: torch.Tensor) -> torch.Tensor:
        """Return the features of each place.

        Args:
            voxels: Windowed values, shape ``(B, 1, a, b, c)``, float.

        Returns:
            Shape ``(B, dim, a / 32, b / 32, c / 32)``, rounded up.
        """
        net = self.network
        x: torch.Tensor = net.maxpool(net.act(net.bn1(net.conv1(voxels))))
        for stage in (net.layer1, net.layer2, net.layer3, net.layer4):
            x = stage(x)
        return x


class SegResNetEncoder(VolumeTower):
    """The encoder of MONAI's SegResNet; what it gives last is the feature map.

    Args:
        settings: Widths and blocks.
        shape: Voxels of a box along its axes.

    Raises:
        ModelError: If the coarsest level would have one voxel, over which instance norm has no
            deviation (MV1430).

    Source:
        ``monai.networks.nets.SegResEncoder`` (Myronenko 2018, arXiv:1810.11654).
    """

    def __init__(self, settings: SegResNetSettings, shape: Shape) -> None:
        super().__init__()
        from monai.networks.nets.segresnet_ds import SegResEncoder  # noqa: PLC0415 - takes seconds

        coarsest = 2 ** (len(settings.blocks) - 1)
        if settings.norm == "instance" and max(shape) <= coarsest:
            raise ModelError(
                "MV1430",
                f"a segresnet of {len(settings.blocks)} levels with instance norm cannot take boxes"
                f" of {shape} voxels",
                expected=f"more than {coarsest} voxels along an axis, or fewer levels",
            )
        self.network = SegResEncoder(
            init_filters=settings.init_filters,
            in_channels=1,
            norm=settings.norm,
            blocks_down=settings.blocks,
        )
        self.dim = settings.init_filters * coarsest

    def feature_map(self, voxels: torch.Tensor) -> torch.Tensor:
        """Return the features of each place.

        Args:
            voxels: Windowed values, shape ``(B, 1, a, b, c)``, float.

        Returns:
            Shape ``(B, dim, a / n, b / n, c / n)``, rounded up; n is 2 to the power of the number
            of levels less one, 16 for CT-FM.
        """
        return cast("torch.Tensor", self.network(voxels)[-1])


class _StepsOnCpu(TorchFunctionMode):
    """Let MONAI read a range of steps while it builds on the meta device, which has no values."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> object:
        """Call a function of torch, ``linspace`` on the CPU."""
        place = {"device": "cpu"} if func is torch.linspace else {}
        return func(*args, **{**(kwargs or {}), **place})


class SwinUnetrEncoder(VolumeTower):
    """The encoder of MONAI's SwinUNETR; its last stage without learned scale is the feature map.

    Args:
        settings: Widths, blocks, heads and window.
        shape: Voxels of a box along its axes.

    Raises:
        ModelError: If a side is no multiple of 32 (MV1430).

    Source:
        ``monai.networks.nets.swin_unetr.SwinTransformer`` (Hatamizadeh et al. 2022,
        arXiv:2201.01266). Its stages are run here, not by MONAI's own loop, which needs one library
        more for the order of axes.
    """

    def __init__(self, settings: SwinUnetrSettings, shape: Shape) -> None:
        super().__init__()
        from monai.networks.nets import swin_unetr  # noqa: PLC0415 - takes seconds

        if any(side % _SWIN_MULTIPLE for side in shape):
            raise ModelError(
                "MV1430",
                f"swin-unetr cannot take boxes of {shape} voxels",
                expected=f"multiples of {_SWIN_MULTIPLE} voxels",
            )
        self._compute_mask: Callable[..., torch.Tensor] = swin_unetr.compute_mask
        with _StepsOnCpu():
            self.network: Any = swin_unetr.SwinTransformer(
                in_chans=1,
                embed_dim=settings.feature_size,
                window_size=(settings.window,) * 3,
                patch_size=(2, 2, 2),
                depths=settings.blocks,
                num_heads=settings.heads,
                use_v2=settings.use_v2,
                use_flash_attention=True,  # less time and memory where no gradient is asked for
            )
        self.dim = 16 * settings.feature_size

    def feature_map(self, voxels: torch.Tensor) -> torch.Tensor:
        """Return the features of each place.

        Args:
            voxels: Windowed values, shape ``(B, 1, a, b, c)``, float.

        Returns:
            Shape ``(B, dim, a / 32, b / 32, c / 32)``.
        """
        net = self.network
        x: torch.Tensor = net.pos_drop(net.patch_embed(voxels))
        for number in range(1, 5):
            if net.use_v2:
                x = getattr(net, f"layers{number}c")[0](x.contiguous())
            x = self._run_stage(number, x)
        return functional.layer_norm(x.movedim(1, -1), [self.dim]).movedim(-1, 1)

    def _run_stage(self, number: int, x: torch.Tensor) -> torch.Tensor:
        """Run windows, shifted windows and the halving of the grid on ``(B, C, a, b, c)``."""
        stage = getattr(self.network, f"layers{number}")[0]
        x = x.movedim(1, -1).contiguous()
        grid = x.shape[1:-1]
        window = tuple(min(w, n) for w, n in zip(stage.window_size, grid, strict=True))
        shift = tuple(
            0 if n <= w else s
            for n, w, s in zip(grid, stage.window_size, stage.shift_size, strict=True)
        )
        padded = [-(-n // w) * w for n, w in zip(grid, window, strict=True)]
        mask = self._compute_mask(padded, window, shift, x.device)
        for block in stage.blocks:
            x = block(x, mask)
        halved: torch.Tensor = stage.downsample(x)
        return halved.movedim(-1, 1)
