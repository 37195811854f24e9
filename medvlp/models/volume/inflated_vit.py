"""Vision transformers of timm made three-dimensional.

Letters: B batch, C channels, D width of a token, T tokens; a, b, c are the axes of the input in the
network's own order, p q r the sides of a patch along them, and P places before the patches (class
and register tokens).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from timm.layers.patch_embed import PatchEmbed, resample_patch_embed
from timm.layers.pos_embed import resample_abs_pos_embed
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from medvlp.errors import ModelError
from medvlp.models.timm_towers import build_random_tower, load_trained_tower
from medvlp.models.volume.towers import VolumeTower

if TYPE_CHECKING:
    from medvlp.models.volume.settings import InflatedVitSettings

__all__ = ["InflatedVit", "build_flat_vit", "inflate_kernel", "inflate_positions"]

Shape = tuple[int, int, int]


def inflate_kernel(kernel: torch.Tensor, patch: Shape, inflation: str) -> torch.Tensor:
    """Turn the patch kernel of an image network into one for boxes of one channel.

    The kernels of the colours are added up, so that a grey image gives what it gave with its values
    in all colours; a patch of another size is resampled as FlexiViT does.

    Args:
        kernel: Shape ``(D, C, h, w)``, float.
        patch: Sides ``(p, q, r)`` of the new patch.
        inflation: ``centre``: slice p // 2 of the kernel is the flat one, the others are 0;
            ``mean``: every slice is the flat one divided by p. Either way a box whose slices are
            equal gives what its slice gave.

    Returns:
        Shape ``(D, 1, p, q, r)``.

    Source:
        Arnab et al. 2021, arXiv:2103.15691, section 3.4 (both ways); Beyer et al. 2022,
        arXiv:2212.08013, section 3.4 (resampling).
    """
    depth, *sides = patch
    flat = kernel.sum(dim=1, keepdim=True)
    if tuple(flat.shape[2:]) != tuple(sides):
        flat = resample_patch_embed(flat, list(sides))
    if inflation == "mean":
        return (flat / depth).unsqueeze(2).repeat(1, 1, depth, 1, 1)
    inflated = flat.new_zeros(*flat.shape[:2], *patch)
    inflated[:, :, depth // 2] = flat
    return inflated


def inflate_positions(
    positions: torch.Tensor, old_grid: tuple[int, int], grid: Shape, num_prefix: int
) -> torch.Tensor:
    """Turn a table of positions in an image into one of places in a box.

    Each slice gets the image's table, interpolated to the new grid (bicubic); slices differ once
    they were trained.

    Args:
        positions: Shape ``(1, P + h w, D)``, float.
        old_grid: The h and w.
        grid: Patches along the axes of a box.
        num_prefix: The P.

    Returns:
        Shape ``(1, P + patches, D)``; patches run along the last axis first.

    Source:
        Arnab et al. 2021, arXiv:2103.15691, section 3.4.
    """
    depth, *sides = grid
    resampled = resample_abs_pos_embed(
        positions, new_size=list(sides), old_size=list(old_grid), num_prefix_tokens=num_prefix
    )
    prefix, places = resampled[:, :num_prefix], resampled[:, num_prefix:]
    return torch.cat([prefix, places.repeat(1, depth, 1)], dim=1)


class _PatchEmbed3d(nn.Module):
    """Cut a box into patches: ``(B, 1, a, b, c)`` to ``(B, T, D)``."""

    def __init__(self, flat: PatchEmbed, patch: Shape, inflation: str) -> None:
        super().__init__()
        kernel = flat.proj.weight
        self.proj = nn.Conv3d(
            1, kernel.shape[0], patch, stride=patch, bias=flat.proj.bias is not None
        )
        with torch.no_grad():
            self.proj.weight.copy_(inflate_kernel(kernel, patch, inflation))
            if self.proj.bias is not None and flat.proj.bias is not None:
                self.proj.bias.copy_(flat.proj.bias)
        self.norm = flat.norm

    def forward(self, voxels: torch.Tensor) -> torch.Tensor:
        tokens: torch.Tensor = self.norm(self.proj(voxels).flatten(2).transpose(1, 2))
        return tokens


def build_flat_vit(
    settings: InflatedVitSettings, tag: str = "", *, seed: int = 0
) -> VisionTransformer:
    """Return the image network that is to be inflated.

    Args:
        settings: Its name and pooling.
        tag: Trained weights of timm; empty for random ones.
        seed: Fixes the random weights.

    Raises:
        ModelError: If timm has no such architecture or weights (MV1402) or cannot fetch them
            (MV1412), the options do not fit (MV1407), or the network is no plain vision transformer
            with patches and a table of positions (MV1431).
    """
    pool = settings.global_pool
    options = {} if pool is None else {"global_pool": pool}
    if tag:
        flat = load_trained_tower(settings.model, tag, options)
    else:
        flat = build_random_tower(settings.model, options, seed)
    return _as_plain_vit(flat, settings.model)


def _as_plain_vit(tower: nn.Module, model: str) -> VisionTransformer:
    """Refuse what has no patches or positions that could be inflated."""
    # Subclasses of both put further parts around the patches.
    is_plain = type(tower) is VisionTransformer and type(tower.patch_embed) is PatchEmbed
    if is_plain and tower.pos_embed is not None:
        return cast("VisionTransformer", tower)
    raise ModelError(
        "MV1431",
        f"{model!r} is a {type(tower).__name__} of timm that cannot be made three-dimensional",
        expected="a VisionTransformer with a patch embedding and a table of positions, such as "
        "vit_small_patch16_224",
    )


class InflatedVit(VolumeTower):
    """A vision transformer that takes boxes; weights bear timm's own names behind ``network.``.

    Args:
        flat: The image network, random or trained; it is changed and taken over.
        settings: Patch and inflation.
        shape: Voxels of a box along its axes.

    Raises:
        ModelError: If the patch does not divide the box (MV1430).
    """

    def __init__(
        self, flat: VisionTransformer, settings: InflatedVitSettings, shape: Shape
    ) -> None:
        super().__init__()
        patch = settings.patch_zyx
        if any(side % part for side, part in zip(shape, patch, strict=True)):
            raise ModelError(
                "MV1430",
                f"a vision transformer with patches of {patch} voxels cannot take boxes of {shape}",
                expected=f"multiples of {patch}",
            )
        a, b, c = (side // part for side, part in zip(shape, patch, strict=True))
        self.grid: Shape = (a, b, c)
        num_prefix = 0 if flat.no_embed_class else flat.num_prefix_tokens
        flat_positions = cast("nn.Parameter", flat.pos_embed).detach()
        positions = inflate_positions(
            flat_positions, flat.patch_embed.grid_size, self.grid, num_prefix
        )
        flat.patch_embed = _PatchEmbed3d(flat.patch_embed, patch, settings.inflation)
        flat.pos_embed = nn.Parameter(positions)
        # Timm declares it final, for compilation; from here on positions are those of one grid.
        vars(flat)["dynamic_img_size"] = False
        self.network = flat
        self.dim: int = flat.head_hidden_size

    def feature_map(self, voxels: torch.Tensor) -> torch.Tensor:
        """Return the features of each place, after the last normalisation.

        Args:
            voxels: Windowed values, shape ``(B, 1, a, b, c)``, float.

        Returns:
            Shape ``(B, dim, a / p, b / q, c / r)``.
        """
        tokens = self.network.forward_features(voxels)[:, self.network.num_prefix_tokens :]
        return tokens.transpose(1, 2).reshape(len(tokens), -1, *self.grid)

    def forward(self, voxels: torch.Tensor) -> torch.Tensor:
        """Return the features of each box, pooled as the image network does.

        Args:
            voxels: Windowed values, shape ``(B, 1, a, b, c)``, float.

        Returns:
            Shape ``(B, dim)``.
        """
        pooled: torch.Tensor = self.network.forward_head(self.network.forward_features(voxels))
        return pooled
