"""Image networks for radiographs: patches and one vector of an image.

Letters: B batch, C channels, S side in pixels, T patches, W width of the network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn

from medvlp.errors import ModelError
from medvlp.models.radiograph.plain_tower import build_plain_network
from medvlp.models.radiograph.settings import (
    PlainTowerSettings,
    ResNetTowerSettings,
    TimmTowerSettings,
)
from medvlp.models.timm_towers import build_random_tower, load_trained_tower

if TYPE_CHECKING:
    from torch import Tensor

    from medvlp.models.radiograph.settings import RadiographTowerSettings

__all__ = ["RadiographTower", "TowerFeatures", "build_radiograph_tower"]


class TowerFeatures(NamedTuple):
    """What an image network makes of a batch.

    Attributes:
        patches: Rows of the grid one after another, shape ``(B, T, W)``.
        pooled: Shape ``(B, W)``.
        grid: Rows and columns of patches; their product is T.
    """

    patches: Tensor
    pooled: Tensor
    grid: tuple[int, int]


class RadiographTower(nn.Module):
    """A network of timm that gives patches and a pooled vector; weights keep timm's names.

    Args:
        network: A vision transformer, or a network that gives a feature map ``(B, W, h, w)``.
        width: The W.
        pooling: ``token`` or ``mean``; None for the class token where there is one.

    Raises:
        ModelError: If a class token is asked for and there is none (MV1460).
    """

    def __init__(self, network: nn.Module, width: int, pooling: str | None = None) -> None:
        super().__init__()
        self.network = network
        self.dim = width
        self.num_prefix: int = getattr(network, "num_prefix_tokens", 0)
        has_token = getattr(network, "cls_token", None) is not None
        if pooling == "token" and not has_token:
            raise ModelError(
                "MV1460",
                f"{type(network).__name__} has no class token to pool an image with",
                expected="pooling: mean",
            )
        self.pooling = pooling or ("token" if has_token else "mean")

    def forward(self, pixels: Tensor) -> TowerFeatures:
        """Return patches, pooled vector and grid.

        Args:
            pixels: Normalised, shape ``(B, C, H, W)``, float.

        Raises:
            ModelError: If a network with a table of positions gets images of another size (MV1461).
        """
        embed: Any = getattr(self.network, "patch_embed", None)
        size = (pixels.shape[2], pixels.shape[3])
        if getattr(embed, "img_size", None) not in (None, size):
            raise ModelError(
                "MV1461",
                f"an image of {size[0]} x {size[1]} pixels",
                expected=f"{embed.img_size[0]} x {embed.img_size[1]}",
            )
        features = _features(self.network, pixels)
        if features.ndim == 4:
            rows, columns = features.shape[2:]
            patches = features.flatten(2).transpose(1, 2)
            return TowerFeatures(patches, patches.mean(1), (rows, columns))
        patches = features[:, self.num_prefix :]
        rows, columns = embed.dynamic_feat_size(size)
        pooled = features[:, 0] if self.pooling == "token" else patches.mean(1)
        return TowerFeatures(patches, pooled, (rows, columns))


def _features(network: nn.Module, pixels: Tensor) -> Tensor:
    timm_network: Any = network  # timm has no type of what its networks have in common
    features: Tensor = timm_network.forward_features(pixels)
    channels_last = str(getattr(network, "output_fmt", "")) == "NHWC"
    return features.permute(0, 3, 1, 2) if features.ndim == 4 and channels_last else features


def build_radiograph_tower(
    settings: RadiographTowerSettings,
    input_px: int,
    channels: int,
    *,
    tag: str = "",
    seed: int = 0,
) -> RadiographTower:
    """Build an image network for square images of a size.

    Positions of a vision transformer are interpolated from the architecture's own size; the first
    kernel of trained weights becomes the sum of its colours for one channel, so that a grey image
    gives what it gave with its values in all colours.

    Args:
        settings: Which network.
        input_px: Side of an image in pixels.
        channels: Channels of an image, 1 or 3.
        tag: Trained weights of timm; empty for random ones.
        seed: Fixes random weights.

    Raises:
        ModelError: For an unknown architecture or tag (MV1402), options that do not fit (MV1407),
            weights that cannot be fetched (MV1412), a network without patches (MV1460), or a size
            that patches do not divide (MV1463).
    """
    if isinstance(settings, PlainTowerSettings):
        blocks = settings.widths, settings.strides, settings.kernels
        plain = build_plain_network(*blocks, input_px=input_px, channels=channels, seed=seed)
        return RadiographTower(plain, plain.num_features, "mean")
    name, options, pooling = _timm_arguments(settings)
    options["in_chans"] = channels
    network: Any = (
        load_trained_tower(name, tag, options) if tag else build_random_tower(name, options, seed)
    )
    if isinstance(settings, ResNetTowerSettings) and settings.stage == 3:
        network.layer4 = nn.Identity()
    elif hasattr(network, "set_input_size"):
        _resize(network, name, input_px)
    return RadiographTower(network, _width(network, name, input_px, channels), pooling)


def _timm_arguments(
    settings: TimmTowerSettings | ResNetTowerSettings,
) -> tuple[str, dict[str, object], str | None]:
    if isinstance(settings, TimmTowerSettings):
        return settings.name, settings.options(), settings.pooling
    width = settings.width
    options = {} if width == 64 else {"channels": tuple(width * 2**i for i in range(4))}
    return settings.architecture, dict(options), "mean"


def _resize(network: nn.Module, name: str, input_px: int) -> None:
    """Make a network with positions one for another size; they are interpolated."""
    timm_network: Any = network
    patch = max(timm_network.patch_embed.patch_size)
    if input_px % patch:
        raise ModelError(
            "MV1463",
            f"{name!r} cuts images into patches of {patch} pixels, which do not divide {input_px}",
            expected=f"a multiple of {patch}",
        )
    timm_network.set_input_size(img_size=(input_px, input_px))


def _width(network: nn.Module, name: str, input_px: int, channels: int) -> int:
    """Measure the width of the features on an empty image, and refuse other shapes."""
    was_training = network.training
    network.eval()
    with torch.no_grad():
        features = _features(network, torch.zeros(1, channels, input_px, input_px))
    network.train(was_training)
    has_patches = features.ndim == 3 and hasattr(network, "patch_embed")
    if not has_patches and features.ndim != 4:
        raise ModelError(
            "MV1460",
            f"{name!r} gives features of shape {tuple(features.shape)}, which are no patches",
            expected="a vision transformer, or a network that gives a feature map",
        )
    return features.shape[-1] if has_patches else features.shape[1]
