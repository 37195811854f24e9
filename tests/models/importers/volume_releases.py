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


def merlin_tensors(*, width: int = 2, dim: int = 10) -> dict[str, torch.Tensor]:
    """Return a checkpoint in Merlin's layout; its published depth is 152, its width 64."""
    draw, prefix = Draw(2), "encode_image.i3_resnet."
    draw.normal(f"{prefix}conv1.weight", width, 3, 3, 7, 7)
    draw.batch_norm(f"{prefix}bn1", width)
    before = width
    for stage, blocks in enumerate((3, 4, 6, 3)):
        inner = width * 2**stage
        for block in range(blocks):
            name = f"{prefix}layer{stage + 1}.{block}"
            draw.normal(f"{name}.conv1.weight", inner, before, 1, 1, 1)
            draw.normal(f"{name}.conv2.weight", inner, inner, 3, 3, 3)
            draw.normal(f"{name}.conv3.weight", 4 * inner, inner, 1, 1, 1, scale=0.3)
            for part, channels in ((1, inner), (2, inner), (3, 4 * inner)):
                draw.batch_norm(f"{name}.bn{part}", channels)
            if block == 0:
                draw.normal(f"{name}.downsample.0.weight", 4 * inner, before, 1, 1, 1)
                draw.batch_norm(f"{name}.downsample.1", 4 * inner)
            before = 4 * inner
    for head, out in (("contrastive_head", dim), ("classifier", 1692)):
        draw.normal(f"{prefix}{head}.weight", out, before, 1, 1, 1)
        draw.normal(f"{prefix}{head}.bias", out, scale=0.1)
    draw.normal("encode_text.linear_layer.weight", dim, 8)
    draw.normal("encode_text.text_encoder.embeddings.word_embeddings.weight", 30, 8)
    draw.tensors["logit_scale"] = torch.tensor(1.5)
    return draw.tensors


def merlin_embedding(t: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Embed windowed boxes, shape (B, 1, z, x, y), as unit vectors."""
    p = "encode_image.i3_resnet."
    x = torch.cat((x, x, x), dim=1)
    x = functional.conv3d(x, t[f"{p}conv1.weight"], stride=(1, 2, 2), padding=(1, 3, 3))
    x = functional.max_pool3d(functional.relu(_norm(t, f"{p}bn1", x)), 3, stride=2, padding=1)
    for stage, blocks in enumerate((3, 4, 6, 3)):
        for block in range(blocks):
            name, past = f"{p}layer{stage + 1}.{block}", x
            stride = 2 if stage > 0 and block == 0 else 1
            inner = functional.conv3d(x, t[f"{name}.conv1.weight"])
            inner = functional.relu(_norm(t, f"{name}.bn1", inner))
            inner = functional.conv3d(inner, t[f"{name}.conv2.weight"], stride=stride, padding=1)
            inner = functional.relu(_norm(t, f"{name}.bn2", inner))
            inner = _norm(t, f"{name}.bn3", functional.conv3d(inner, t[f"{name}.conv3.weight"]))
            if block == 0:
                past = functional.conv3d(x, t[f"{name}.downsample.0.weight"], stride=stride)
                past = _norm(t, f"{name}.downsample.1", past)
            x = functional.relu(inner + past)
    pooled = functional.adaptive_avg_pool3d(x, 1)
    embedded = functional.conv3d(
        pooled, t[f"{p}contrastive_head.weight"], t[f"{p}contrastive_head.bias"]
    )
    return functional.normalize(embedded.flatten(1), dim=-1)


def _transformer(draw: Draw, name: str, width: int, inner: int, head_width: int) -> None:
    """Draw a transformer of CT-CLIP with one block."""
    layer, hidden = f"{name}.layers.0", int(4 * (2 / 3) * width)
    draw.normal(f"{layer}.0.dsconv.weight", width, 1, 3, 3, 3)
    draw.normal(f"{layer}.0.dsconv.bias", width, scale=0.1)
    for norm in (f"{layer}.1.norm", f"{layer}.1.context_norm", f"{name}.norm_out"):
        draw.tensors[f"{norm}.gamma"] = torch.linspace(0.5, 1.5, width)
        draw.tensors[f"{norm}.beta"] = torch.zeros(width)
    draw.tensors[f"{layer}.1.null_kv"] = torch.zeros(inner // head_width, 0, head_width)
    draw.normal(f"{layer}.1.to_q.weight", inner, width)
    draw.normal(f"{layer}.1.to_kv.weight", 2 * inner, width)
    draw.normal(f"{layer}.1.to_out.weight", width, inner)
    for part in "qk":
        draw.tensors[f"{layer}.1.{part}_scale"] = torch.linspace(0.8, 1.2, head_width)
    _layer_norm(draw, f"{layer}.3.0", width)
    draw.normal(f"{layer}.3.1.weight", 2 * hidden, width)
    draw.normal(f"{layer}.3.4.weight", width, hidden)


def _layer_norm(draw: Draw, name: str, width: int) -> None:
    draw.tensors[f"{name}.weight"] = torch.linspace(0.7, 1.3, width)
    draw.normal(f"{name}.bias", width, scale=0.1)


def ct_clip_tensors(text: torch.nn.Module, *, width: int = 4, patch=(40, 80, 80), dim: int = 6):
    """Return a checkpoint in CT-CLIP's layout; published are width 512, patches of 10, 20, 20.

    Args:
        text: The BERT of the release.
        width: Width of an image token.
        patch: Sides of a patch; they divide boxes of 240 x 480 x 480.
        dim: Length of an embedding.
    """
    draw, image = Draw(3), "visual_transformer."
    voxels, flat = int(np.prod(patch)), patch[1] * patch[2]
    for name, count in (("to_patch_emb", voxels), ("to_patch_emb_first_frame", flat)):
        _layer_norm(draw, f"{image}{name}.1", count)
        draw.normal(f"{image}{name}.2.weight", width, count)
        draw.normal(f"{image}{name}.2.bias", width, scale=0.1)
        _layer_norm(draw, f"{image}{name}.3", width)
    for name, *shape in (("0.0", width, 2), ("1.0", width, width), ("2", 2, width)):
        draw.normal(f"{image}spatial_rel_pos_bias.net.{name}.weight", *shape)
        draw.normal(f"{image}spatial_rel_pos_bias.net.{name}.bias", shape[0], scale=0.1)
    for kind in ("spatial", "temporal"):
        _transformer(draw, f"{image}enc_{kind}_transformer", width, 6, 3)
    draw.normal(f"{image}vq._codebook.embed", 1, 20, width, scale=1.0)
    draw.tensors[f"{image}vq._codebook.initted"] = torch.ones(1)
    draw.tensors[f"{image}vq._codebook.cluster_size"] = torch.zeros(1, 20)
    draw.normal(f"{image}to_pixels.0.weight", voxels, width)
    taken = (480 // patch[1]) ** 2 * width
    for end in ("", "_extra"):
        draw.normal(f"to_visual_latent{end}.weight", dim, taken)
        draw.normal(f"to_text_latent{end}.weight", dim, 64)
    draw.tensors["temperature"] = torch.tensor(1.7)
    return draw.tensors | {f"text_transformer.{n}": v for n, v in text.state_dict().items()}


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
