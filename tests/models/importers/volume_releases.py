"""Randomly filled files in the layouts of released models of volumes, and what they must give.

The forward passes are written with torch's functions on the names of the release, so that they
share nothing with the networks of the package.
"""

import numpy as np
import torch
from torch.nn import functional

_RESNET_BLOCKS = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2)}


class Draw:
    """Fills a table of tensors with random numbers, as trained weights would have."""

    def __init__(self, seed: int = 0) -> None:
        self.tensors: dict[str, torch.Tensor] = {}
        self._generator = torch.Generator().manual_seed(seed)

    def normal(self, name: str, *shape: int, scale: float | None = None) -> None:
        fan_in = max(1, int(np.prod(shape[1:])))
        values = torch.randn(shape, generator=self._generator)
        self.tensors[name] = values * (scale or (2 / fan_in) ** 0.5)

    def batch_norm(self, name: str, channels: int, *, affine: bool = True) -> None:
        if affine:
            self.tensors[f"{name}.weight"] = 1 + self._some(channels)
            self.tensors[f"{name}.bias"] = self._some(channels)
        self.tensors[f"{name}.running_mean"] = self._some(channels)
        self.tensors[f"{name}.running_var"] = 1 + self._some(channels).abs()
        self.tensors[f"{name}.num_batches_tracked"] = torch.tensor(7)

    def _some(self, count: int) -> torch.Tensor:
        return 0.2 * torch.randn(count, generator=self._generator)


def renalclip_tensors(
    *, width: int = 4, depth: int = 10, dim: int = 12, hidden: int | None = None, scale=3.1
) -> dict[str, torch.Tensor]:
    """Return a checkpoint of RenalCLIP's contrastive training; its published width is 64."""
    draw, prefix = Draw(), "image_encoder_q_student."
    draw.normal(f"{prefix}conv1.weight", width, 1, 7, 7, 7)
    draw.batch_norm(f"{prefix}bn1", width)
    before = width
    for stage, blocks in enumerate(_RESNET_BLOCKS[depth]):
        channels = width * 2**stage
        for block in range(blocks):
            name = f"{prefix}layer{stage + 1}.{block}"
            for part, come_in in ((1, before), (2, channels)):
                draw.normal(f"{name}.conv{part}.weight", channels, come_in, 3, 3, 3)
                draw.batch_norm(f"{name}.bn{part}", channels)
            before = channels
    head = f"{prefix}global_embedding.head"
    if hidden is None:
        draw.normal(f"{head}.weight", dim, before)
        draw.normal(f"{head}.bias", dim, scale=0.1)
    else:
        draw.normal(f"{head}.0.weight", hidden, before)
        draw.normal(f"{head}.0.bias", hidden, scale=0.1)
        draw.batch_norm(f"{head}.1", hidden)
        draw.normal(f"{head}.3.weight", dim, hidden)
        draw.normal(f"{head}.3.bias", dim, scale=0.1)
        draw.batch_norm(f"{head}.4", dim, affine=False)
    draw.tensors["logit_scale"] = torch.tensor(scale)
    return draw.tensors


def _norm(t: dict[str, torch.Tensor], name: str, x: torch.Tensor) -> torch.Tensor:
    return functional.batch_norm(
        x,
        t[f"{name}.running_mean"],
        t[f"{name}.running_var"],
        t.get(f"{name}.weight"),
        t.get(f"{name}.bias"),
    )


def renalclip_embedding(t: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Embed windowed boxes, shape (B, 1, z, x, y), as unit vectors."""
    p = "image_encoder_q_student."
    x = functional.conv3d(x, t[f"{p}conv1.weight"], stride=2, padding=3)
    x = functional.max_pool3d(functional.relu(_norm(t, f"{p}bn1", x)), 3, stride=2, padding=1)
    for stage in range(1, 5):
        block = 0
        while f"{p}layer{stage}.{block}.conv1.weight" in t:
            name = f"{p}layer{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            inner = functional.conv3d(x, t[f"{name}.conv1.weight"], stride=stride, padding=1)
            inner = functional.relu(_norm(t, f"{name}.bn1", inner))
            inner = _norm(
                t, f"{name}.bn2", functional.conv3d(inner, t[f"{name}.conv2.weight"], padding=1)
            )
            past = functional.avg_pool3d(x, 1, stride=stride)
            zeros = torch.zeros(len(x), inner.shape[1] - x.shape[1], *past.shape[2:])
            x = functional.relu(inner + torch.cat([past, zeros], dim=1))
            block += 1
    features, head = x.mean(dim=(2, 3, 4)), f"{p}global_embedding.head"
    if f"{head}.weight" in t:
        embedded = functional.linear(features, t[f"{head}.weight"], t[f"{head}.bias"])
    else:
        inner = functional.linear(features, t[f"{head}.0.weight"], t[f"{head}.0.bias"])
        inner = functional.relu(_norm(t, f"{head}.1", inner))
        inner = functional.linear(inner, t[f"{head}.3.weight"], t[f"{head}.3.bias"])
        embedded = _norm(t, f"{head}.4", inner)
    return functional.normalize(embedded, dim=-1)


def ct_fm_tensors(*, filters: int = 2, blocks=(1, 1, 2)) -> dict[str, torch.Tensor]:
    """Return CT-FM's encoder; its published sizes are 32 and (1, 2, 2, 4, 4)."""
    draw = Draw(1)
    draw.normal("conv_init.weight", filters, 1, 3, 3, 3)
    for level, count in enumerate(blocks):
        channels = filters * 2**level
        for block in range(count):
            name = f"layers.{level}.blocks.{block}"
            for part in (1, 2):
                draw.batch_norm(f"{name}.norm{part}", channels)
                draw.normal(f"{name}.conv{part}.weight", channels, channels, 3, 3, 3)
        if level < len(blocks) - 1:
            draw.normal(f"layers.{level}.downsample.weight", 2 * channels, channels, 3, 3, 3)
    return draw.tensors


def ct_fm_features(t: dict[str, torch.Tensor], x: torch.Tensor, blocks=(1, 1, 2)) -> torch.Tensor:
    """Return the mean of the last feature map for windowed boxes, shape (B, 1, z, y, x)."""
    x = functional.conv3d(x, t["conv_init.weight"], padding=1)
    for level, count in enumerate(blocks):
        for block in range(count):
            name, inner = f"layers.{level}.blocks.{block}", x
            for part in (1, 2):
                inner = functional.relu(_norm(t, f"{name}.norm{part}", inner))
                inner = functional.conv3d(inner, t[f"{name}.conv{part}.weight"], padding=1)
            x = x + inner
        if level < len(blocks) - 1:
            x = functional.conv3d(x, t[f"layers.{level}.downsample.weight"], stride=2, padding=1)
    return x.mean(dim=(2, 3, 4))


def boxes_of(shape: tuple[int, int, int], count: int = 1) -> torch.Tensor:
    """Return boxes of Hounsfield units, shape (count, *shape), int16."""
    generator = torch.Generator().manual_seed(9)
    coarse = torch.randint(-1100, 1500, (count, 1, 4, 4, 4), generator=generator).float()
    smooth = functional.interpolate(coarse, shape, mode="trilinear")[:, 0]
    noise = 80 * torch.randn(smooth.shape, generator=generator)
    return (smooth + noise).round().to(torch.int16)


def windowed(hu: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """Return values clipped to a window and mapped to [0, 1], shape (B, 1, z, y, x)."""
    values = (np.clip(hu.numpy().astype(np.float64), low, high) - low) / (high - low)
    return torch.from_numpy(values)[:, None].float()
