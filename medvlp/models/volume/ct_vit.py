"""CT-CLIP's image encoder: attention within slices, then across slices, then a codebook.

Letters: B batch, D width, H heads; t, h, w are the tokens along the axes of the input in the
network's own order, n tokens of a sequence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from medvlp.errors import ModelError
from medvlp.models.volume.towers import VolumeTower

if TYPE_CHECKING:
    from medvlp.models.volume.settings import CtVitSettings

__all__ = ["CtVit"]

Shape = tuple[int, int, int]
_SCALE = 8.0
_LEAK = 0.1


class _GammaNorm(nn.Module):
    """Layer norm whose shift is stored but never learned."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))
        self.register_buffer("beta", torch.zeros(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.layer_norm(x, x.shape[-1:], self.gamma, self.get_buffer("beta"))


class _PlaceConvolution(nn.Module):
    """Gives each token its place: a convolution of each channel that looks at earlier slices."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dsconv = nn.Conv3d(width, width, 3, groups=width)

    def forward(self, x: torch.Tensor, grid: tuple[int, int, int, int]) -> torch.Tensor:
        """Convolve ``(.., n, D)`` whose numbers are laid out anew as ``(B, t, h, w, D)``.

        Across slices the tokens arrive in another order than that; the release reads them as if
        they did not, and so is it done here.
        """
        laid_out = x.reshape(*grid, -1).movedim(-1, 1)
        padded = functional.pad(laid_out, (1, 1, 1, 1, 2, 0))
        placed: torch.Tensor = self.dsconv(padded).movedim(1, -1).reshape(x.shape)
        return placed


class _Attention(nn.Module):
    """Attention with queries and keys of length 1; keys and values come from unnormed tokens."""

    def __init__(self, settings: CtVitSettings) -> None:
        super().__init__()
        inner = settings.heads * settings.head_width
        self.heads = settings.heads
        self.norm = _GammaNorm(settings.width)
        self.to_q = nn.Linear(settings.width, inner, bias=False)
        self.to_kv = nn.Linear(settings.width, 2 * inner, bias=False)
        self.q_scale = nn.Parameter(torch.ones(settings.head_width))
        self.k_scale = nn.Parameter(torch.ones(settings.head_width))
        self.to_out = nn.Linear(inner, settings.width, bias=False)

    def forward(self, x: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        parts = (self.to_q(self.norm(x)), *self.to_kv(x).chunk(2, dim=-1))
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(-2, -3) for part in parts)
        q = functional.normalize(q, dim=-1) * self.q_scale
        k = functional.normalize(k, dim=-1) * self.k_scale
        mask = None if bias is None else bias.to(q.dtype)
        mixed = functional.scaled_dot_product_attention(
            q, k.to(q.dtype), v.to(q.dtype), attn_mask=mask, scale=_SCALE
        )
        out: torch.Tensor = self.to_out(mixed.transpose(-2, -3).flatten(-2))
        return out


class _GatedGelu(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        value, gate = x.chunk(2, dim=-1)
        return functional.gelu(gate) * value


class _Transformer(nn.Module):
    def __init__(self, settings: CtVitSettings, depth: int) -> None:
        super().__init__()
        width, inner = settings.width, int(4 * (2 / 3) * settings.width)
        self.layers = nn.ModuleList(
            nn.ModuleDict(
                {
                    "0": _PlaceConvolution(width),
                    "1": _Attention(settings),
                    "3": nn.Sequential(
                        nn.LayerNorm(width),
                        nn.Linear(width, 2 * inner, bias=False),
                        _GatedGelu(),
                        nn.Identity(),
                        nn.Linear(inner, width, bias=False),
                    ),
                }
            )
            for _ in range(depth)
        )
        self.norm_out = _GammaNorm(width)

    def forward(
        self, x: torch.Tensor, grid: tuple[int, int, int, int], bias: torch.Tensor | None
    ) -> torch.Tensor:
        for layer in self.layers:
            place, attend, feed = (layer.get_submodule(part) for part in ("0", "1", "3"))
            x = place(x, grid) + x
            x = attend(x, bias) + x
            x = feed(x) + x
        out: torch.Tensor = self.norm_out(x)
        return out


class _PlaceBias(nn.Module):
    """What a head adds to the attention of two tokens of a slice, by how they lie to each other."""

    def __init__(self, settings: CtVitSettings) -> None:
        super().__init__()
        width = settings.width
        self.net = nn.ModuleList(
            [
                nn.Sequential(nn.Linear(2, width), nn.LeakyReLU(_LEAK)),
                nn.Sequential(nn.Linear(width, width), nn.LeakyReLU(_LEAK)),
                nn.Linear(width, settings.heads),
            ]
        )

    def forward(self, height: int, width: int, device: torch.device) -> torch.Tensor:
        """Return the bias, shape ``(H, h * w, h * w)``, each distance computed once."""
        down = torch.arange(1 - height, height, device=device)
        along = torch.arange(1 - width, width, device=device)
        offsets = torch.cartesian_prod(down, along).float()
        value: torch.Tensor = offsets.sign() * (offsets.abs() + 1).log()
        for part in self.net:
            value = part(value)
        table = value.reshape(len(down), len(along), -1)
        rows, columns = (
            torch.arange(height * width, device=device) // width,
            torch.arange(height * width, device=device) % width,
        )
        by_row = rows[:, None] - rows[None, :] + height - 1
        by_column = columns[:, None] - columns[None, :] + width - 1
        return table[by_row, by_column].movedim(-1, 0)


class _Codebook(nn.Module):
    def __init__(self, codes: int, width: int) -> None:
        super().__init__()
        self.register_buffer("embed", functional.normalize(torch.randn(1, codes, width), dim=-1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the vector of the codebook with the nearest direction to each token."""
        codes = self.get_buffer("embed")[0]
        directions = functional.normalize(x.float(), dim=-1)
        nearest = (directions @ functional.normalize(codes, dim=-1).T).argmax(dim=-1)
        found: torch.Tensor = codes[nearest]
        return found


class CtVit(VolumeTower):
    """Patches, transformer within slices, transformer across slices, codebook.

    The pooled features are the mean over slices of what each place of a slice has, one after the
    other: their length is ``h * w * D``.

    Args:
        settings: Widths and depths.
        shape: Voxels of a box along its axes.

    Raises:
        ModelError: If patches do not divide the box (MV1430).

    Source:
        Hamamci et al. 2024, arXiv:2403.17834 (CT-CLIP), with the encoder of arXiv:2305.16037.
    """

    def __init__(self, settings: CtVitSettings, shape: Shape) -> None:
        super().__init__()
        if any(side % patch for side, patch in zip(shape, settings.patch_zyx, strict=True)):
            raise ModelError(
                "MV1430",
                f"ct-vit cannot take boxes of {shape} voxels",
                expected=f"multiples of its patches of {settings.patch_zyx}",
            )
        self.patch = settings.patch_zyx
        _, h, w = (side // patch for side, patch in zip(shape, self.patch, strict=True))
        self.dim = h * w * settings.width
        voxels = self.patch[0] * self.patch[1] * self.patch[2]
        self.to_patch_emb = nn.ModuleDict(
            {
                "1": nn.LayerNorm(voxels),
                "2": nn.Linear(voxels, settings.width),
                "3": nn.LayerNorm(settings.width),
            }
        )
        self.spatial_rel_pos_bias = _PlaceBias(settings)
        self.enc_spatial_transformer = _Transformer(settings, settings.plane_depth)
        self.enc_temporal_transformer = _Transformer(settings, settings.axial_depth)
        self.vq = nn.ModuleDict({"_codebook": _Codebook(settings.codes, settings.width)})

    def tokens(self, voxels: torch.Tensor) -> torch.Tensor:
        """Return what the codebook makes of each patch.

        Args:
            voxels: Windowed values, shape ``(B, 1, a, b, c)``, float.

        Returns:
            Shape ``(B, t, h, w, D)``. In training the gradient passes the codebook unchanged.
        """
        (batch, _, *sides), (a, b, c) = voxels.shape, self.patch
        t, h, w = (side // patch for side, patch in zip(sides, self.patch, strict=True))
        x = voxels.reshape(batch, t, a, h, b, w, c).permute(0, 1, 3, 5, 2, 4, 6).flatten(4)
        for part in self.to_patch_emb.values():
            x = part(x)
        grid = (batch, t, h, w)
        bias = self.spatial_rel_pos_bias(h, w, voxels.device)
        x = self.enc_spatial_transformer(x.flatten(0, 1).flatten(1, 2), grid, bias)
        x = x.reshape(batch, t, h * w, -1).transpose(1, 2).flatten(0, 1)
        x = self.enc_temporal_transformer(x, grid, None)
        x = x.reshape(batch, h * w, t, -1).transpose(1, 2).unflatten(2, (h, w))
        codes: torch.Tensor = self.vq["_codebook"](x)
        return x + (codes - x).detach() if self.training else codes

    def feature_map(self, voxels: torch.Tensor) -> torch.Tensor:
        """Return the tokens as a map: shape ``(B, D, t, h, w)``."""
        return self.tokens(voxels).movedim(-1, 1)

    def forward(self, voxels: torch.Tensor) -> torch.Tensor:
        """Return the pooled features of each box: shape ``(B, h * w * D)``."""
        return self.tokens(voxels).mean(dim=1).flatten(1)
