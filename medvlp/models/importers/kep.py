"""KEP-32 and KEP-16: CLIP's or BiomedCLIP's image tower, and a BERT with a head.

Names in the release: ``visual.*``, ``visual_head.{0,2}.*``, ``text.bert_model.*``,
``text.mlp_embed.{0,2}.*``, ``logit_scale``; training checkpoints hold a frozen copy of the text
tower under ``knowledge.*``, which inference does not use. The image tower ends with a linear map
without bias, which the head's first layer follows at once: the two are multiplied into one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import torch

from medvlp.config.strict import parse_model
from medvlp.errors import ConfigError, ModelError
from medvlp.models.architecture import DualEncoderSettings
from medvlp.models.bundle_writing import write_bundle
from medvlp.models.importers.bert import (
    POSITION_BUFFERS,
    bert_settings,
    read_bert_tokenizer,
    text_tower_settings,
)
from medvlp.models.importers.checkpoints import read_checkpoint
from medvlp.models.importers.keep import meta_state
from medvlp.models.importers.keys import check_keys, drop_known_buffers
from medvlp.models.importers.records import ImportReport, Origin, make_card
from medvlp.models.importers.source import open_source, read_json_object
from medvlp.types import ImagePreprocessing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medvlp.models.importers.records import ImportRequest

__all__ = ["import_kep"]

_MEAN: Final = (0.48145466, 0.4578275, 0.40821073)
_STD: Final = (0.26862954, 0.26130258, 0.27577711)
_TEMPERATURE = 0.04
_HEAD_WIDTH = 64
_CLIP, _TIMM = "visual.conv1.weight", "visual.trunk.patch_embed.proj.weight"
_SWIN = "visual.patch_embed.proj.0.weight"
_CLIP_ARCHITECTURES = {
    "gelu": "vit_base_patch32_clip_224",
    "quick_gelu": "vit_base_patch32_clip_quickgelu_224",
}
# Part of timm's name -> part of CLIP's name, in the image tower.
_CLIP_NAMES = (
    ("patch_embed.proj.", "conv1."),
    ("norm_pre.", "ln_pre."),
    ("blocks.", "transformer.resblocks."),
    ("attn.qkv.weight", "attn.in_proj_weight"),
    ("attn.qkv.bias", "attn.in_proj_bias"),
    ("attn.proj.", "attn.out_proj."),
    ("mlp.fc1.", "mlp.c_fc."),
    ("mlp.fc2.", "mlp.c_proj."),
    (".norm1.", ".ln_1."),
    (".norm2.", ".ln_2."),
)
_ORIGIN = Origin(
    name="kep",
    data="OpenPath or Quilt-1M, with a pathology knowledge tree (KEP)",
    license="not stated",
    notes=(
        "Image statistics are those of OpenAI's CLIP, which the authors' training program takes "
        "where nothing else is given; they are not stated in words.",
    ),
)


def import_kep(request: ImportRequest) -> ImportReport:
    """Convert a checkpoint of KEP-32 or KEP-16 into a bundle.

    Raises:
        ModelError: MV2107 for a variant that is not described well enough, other MV21xx for what
            the release lacks or has otherwise.
    """
    source = open_source(request.source)
    weights = source.weights(("model.safetensors", "pytorch_model.bin"))
    tensors = drop_known_buffers(read_checkpoint(weights), POSITION_BUFFERS)
    tensors = {k: v for k, v in tensors.items() if not k.startswith("knowledge.")}
    config_path = source.find(("config.json",))
    sizes = bert_settings(read_json_object(config_path) if config_path else {}, str(config_path))
    settings = _settings(request, tensors, str(weights))
    text = text_tower_settings(sizes, "mlp", str(config_path))
    settings = settings.model_copy(update={"text": text})
    tokenizer, token_files = read_bert_tokenizer(
        request.tokenizer or source.folder, sizes.vocab_size
    )
    wanted = meta_state(settings, sizes.vocab_size)
    is_clip = _CLIP in tensors
    check_keys(tensors, _release_shapes(wanted, settings.embed_dim, is_clip), str(weights))
    state = {name: _tensor(name, shape, tensors, is_clip) for name, shape in wanted.items()}
    side = settings.image.img_size or 0
    preprocessing = ImagePreprocessing(
        input_px=side, resize_px=side, interpolation="bicubic", mean=_MEAN, std=_STD
    )
    files = [path for path in (config_path, weights, *token_files) if path]
    card = make_card(request, _ORIGIN, preprocessing, files)
    meta = write_bundle(request.out, settings, state, tokenizer, card)
    return ImportReport(
        folder=request.out,
        meta=meta,
        num_weights=sum(tensor.numel() for tensor in state.values()),
        notes=card.provenance.notes,
    )


def _settings(
    request: ImportRequest, tensors: Mapping[str, torch.Tensor], source: str
) -> DualEncoderSettings:
    """Find the variant by its names and the sizes by its shapes; heads are 64 wide, as in CLIP."""
    if _SWIN in tensors:
        raise ModelError(
            "MV2107",
            f"{source} is a KEP-CTP: its image tower is CTransPath, which timm cannot build",
            expected="KEP-32 or KEP-16",
        )
    is_clip = _CLIP in tensors
    first = tensors.get(_CLIP if is_clip else _TIMM)
    positions = tensors.get("visual.positional_embedding" if is_clip else "visual.trunk.pos_embed")
    head = tensors.get("visual_head.2.weight")
    if first is None or positions is None or head is None or first.ndim != 4 or head.ndim != 2:
        raise ModelError(
            "MV2105",
            f"{source} has no image tower of KEP-32 or KEP-16",
            expected=f"{_CLIP!r} or {_TIMM!r}, and 'visual_head.2.weight'",
        )
    pattern = (
        r"visual\.transformer\.resblocks\.(\d+)\." if is_clip else r"visual\.trunk\.blocks\.(\d+)\."
    )
    blocks = {match[1] for match in (re.match(pattern, name) for name in tensors) if match}
    width, patch = int(first.shape[0]), int(first.shape[-1])
    grid = round((positions.shape[-2] - 1) ** 0.5)
    found = {
        "patch_size": patch,
        "width": width,
        "depth": len(blocks),
        "heads": max(width // _HEAD_WIDTH, 1),
    }
    own = {"patch_size": 32 if is_clip else 16, "width": 768, "depth": 12, "heads": 12}
    image: dict[str, Any] = {name: value for name, value in found.items() if value != own[name]}
    image.update(
        architecture=_clip_architecture(request, source) if is_clip else "vit_base_patch16_224",
        img_size=grid * patch,
        projection="mlp",
    )
    values = {"embed_dim": int(head.shape[0]), "image": image, "temperature": _TEMPERATURE}
    try:
        return parse_model(values, DualEncoderSettings, source=source)
    except ConfigError as error:
        raise ModelError("MV2101", error.what, expected=error.expected) from error


def _clip_architecture(request: ImportRequest, source: str) -> str:
    if request.activation is None:
        raise ModelError(
            "MV2107",
            f"{source} is a KEP-32, and its authors do not state the activation of its image tower",
            expected="--activation gelu or --activation quick_gelu",
            hint="the authors' configuration builds 'ViT-B-32', which is gelu; OpenAI's weights, "
            "from which training began, are made for quick_gelu",
        )
    return _CLIP_ARCHITECTURES[request.activation]


def _release_name(name: str, is_clip: bool) -> str:
    """Return what the release calls a tensor of :class:`DualEncoder`."""
    for ours, theirs in (
        ("image_projection.", "visual_head."),
        ("text_tower.bert.", "text.bert_model."),
        ("text_projection.", "text.mlp_embed."),
    ):
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    if not name.startswith("image_tower."):
        return name
    name = name.removeprefix("image_tower.")
    if not is_clip:
        return f"visual.trunk.{name}"
    special = {"cls_token": "class_embedding", "pos_embed": "positional_embedding"}
    if name in special:
        return f"visual.{special[name]}"
    if name.startswith("norm."):
        return f"visual.ln_post.{name.removeprefix('norm.')}"
    for ours, theirs in _CLIP_NAMES:
        name = name.replace(ours, theirs)
    return f"visual.{name}"


def _release_shapes(
    wanted: Mapping[str, torch.Size], embed_dim: int, is_clip: bool
) -> dict[str, tuple[int, ...]]:
    shapes = {_release_name(name, is_clip): tuple(shape) for name, shape in wanted.items()}
    width = wanted["image_tower.cls_token"][-1]
    if is_clip:
        shapes["visual.class_embedding"] = shapes["visual.class_embedding"][2:]
        shapes["visual.positional_embedding"] = shapes["visual.positional_embedding"][1:]
        shapes["visual.proj"] = (width, embed_dim)
    else:
        shapes["visual.head.proj.weight"] = (embed_dim, width)
    shapes["visual_head.0.weight"] = (embed_dim, embed_dim)
    return shapes


def _tensor(
    name: str, shape: torch.Size, tensors: Mapping[str, torch.Tensor], is_clip: bool
) -> torch.Tensor:
    found = tensors[_release_name(name, is_clip)]
    if name == "image_projection.0.weight":
        last = tensors["visual.proj"].T if is_clip else tensors["visual.head.proj.weight"]
        found = (found.double() @ last.double()).float()
    return found.float().reshape(shape)
