"""PLIP: a CLIP in the layout of transformers (``CLIPModel``), brought to open_clip's names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar

import torch
from pydantic import Field

from medvlp.config.strict import StrictModel, parse_model
from medvlp.errors import ConfigError, ModelError
from medvlp.models.importers.checkpoints import read_checkpoint
from medvlp.models.importers.keys import check_keys, drop_known_buffers
from medvlp.models.importers.open_clip_parts import (
    OpenClipParts,
    open_clip_settings,
    write_open_clip_bundle,
)
from medvlp.models.importers.pixels import read_pixels
from medvlp.models.importers.records import Origin
from medvlp.models.importers.source import ForeignModel, open_source, read_json_object
from medvlp.models.open_clip_build import build_open_clip
from medvlp.text.clip_tokenizer import ClipTokenizer
from medvlp.text.tokenizer_files import load_tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from medvlp.models.importers.records import ImportReport, ImportRequest
    from medvlp.models.open_clip_settings import OpenClipSettings
    from medvlp.types import ImagePreprocessing

__all__ = ["PLIP", "import_plip"]

Size = Annotated[int, Field(ge=1, le=10_000_000)]
_Config = TypeVar("_Config", bound=StrictModel)

PLIP: Final = Origin(
    name="plip",
    data="OpenPath: pathology images and texts posted on Twitter",
    license="not stated",
)
_HEAD_WIDTH = 64
_RESAMPLING = {2: "bilinear", 3: "bicubic"}
# Part of open_clip's name -> part of transformers' name, outside blocks.
_TOP = {
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",
    "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",
    "visual.ln_post.weight": "vision_model.post_layernorm.weight",
    "visual.ln_post.bias": "vision_model.post_layernorm.bias",
    "visual.proj": "visual_projection.weight",
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "ln_final.weight": "text_model.final_layer_norm.weight",
    "ln_final.bias": "text_model.final_layer_norm.bias",
    "text_projection": "text_projection.weight",
    "logit_scale": "logit_scale",
}
_TRANSPOSED = ("visual.proj", "text_projection")
_BLOCK = {
    "ln_1": "layer_norm1",
    "attn.out_proj": "self_attn.out_proj",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
_SIDES = {
    "visual.transformer.resblocks.": "vision_model.encoder.layers.",
    "transformer.resblocks.": "text_model.encoder.layers.",
}


def import_plip(request: ImportRequest) -> ImportReport:
    """Convert a ``CLIPModel`` folder of transformers into a bundle.

    Raises:
        ModelError: MV2100 to MV2108 for what the release lacks or has otherwise.
    """
    source = open_source(request.source)
    config_path = source.require(("config.json",), "settings of the model")
    config = read_json_object(config_path)
    settings = _settings(config, str(config_path))
    pixels_path = source.require(("preprocessor_config.json",), "settings of its images")
    preprocessing = _preprocessing(read_json_object(pixels_path), str(pixels_path))
    _check_side(settings, preprocessing, str(pixels_path))
    tokenizer, token_files = _tokenizer(request.tokenizer or source.folder)
    if tokenizer.vocab_size != settings.text_config["vocab_size"]:
        raise ModelError(
            "MV2108",
            f"{token_files[0]} has {tokenizer.vocab_size} pieces",
            expected=f"{settings.text_config['vocab_size']}, as {config_path} says",
        )
    weights = source.weights(("model.safetensors", "pytorch_model.bin"))
    tensors = drop_known_buffers(read_checkpoint(weights), (".position_ids",))
    with torch.device("meta"):
        shapes = {n: t.shape for n, t in build_open_clip(settings).state_dict().items()}
    check_keys(tensors, dict(_release_shapes(shapes)), str(weights))
    state = {name: _tensor(name, tensors) for name in shapes}
    parts = OpenClipParts(
        settings=settings,
        tensors=state,
        tokenizer=tokenizer,
        preprocessing=preprocessing,
        files=(config_path, pixels_path, weights, *token_files),
    )
    return write_open_clip_bundle(request, PLIP, parts)


class _VisionConfig(StrictModel):
    """The image tower by the names of transformers; what is left out is as in CLIP ViT-B/32."""

    image_size: Size = 224
    patch_size: Size = 32
    hidden_size: Size = 768
    num_hidden_layers: Size = 12
    num_attention_heads: Size = 12
    intermediate_size: Size = 3072
    hidden_act: Literal["quick_gelu", "gelu"] = "quick_gelu"
    layer_norm_eps: float = 1e-5


class _TextConfig(StrictModel):
    """The text tower by the names of transformers; what is left out is as in CLIP ViT-B/32."""

    vocab_size: Size = 49408
    max_position_embeddings: Size = 77
    hidden_size: Size = 512
    num_hidden_layers: Size = 12
    num_attention_heads: Size = 8
    intermediate_size: Size = 2048
    hidden_act: Literal["quick_gelu", "gelu"] = "quick_gelu"
    layer_norm_eps: float = 1e-5
    eos_token_id: int = 49407


class _PixelConfig(StrictModel):
    """CLIP's image processor by the names of ``preprocessor_config.json``."""

    do_resize: bool = True
    do_center_crop: bool = True
    do_normalize: bool = True
    size: int | dict[str, int] = 224
    crop_size: int | dict[str, int] = 224
    resample: int = 3
    image_mean: tuple[float, float, float]
    image_std: tuple[float, float, float]


def _parse(part: object, model: type[_Config], source: str) -> _Config:
    """Check the values that matter; a file of transformers holds many others."""
    given = part if isinstance(part, dict) else {}
    values = {name: given[name] for name in model.model_fields if name in given}
    try:
        return parse_model(values, model, source=source)
    except ConfigError as error:
        raise ModelError("MV2101", error.what, expected=error.expected) from error


def _settings(config: Mapping[str, Any], source: str) -> OpenClipSettings:
    """Translate ``config.json``."""
    if config.get("model_type") != "clip":
        raise ModelError(
            "MV2101", f"{source} describes a {config.get('model_type')!r}", expected="'clip'"
        )
    vision = _parse(config.get("vision_config"), _VisionConfig, f"{source}: vision_config")
    text = _parse(config.get("text_config"), _TextConfig, f"{source}: text_config")
    _check(vision.hidden_act == text.hidden_act, source, "two activations")
    _check(
        vision.num_attention_heads * _HEAD_WIDTH == vision.hidden_size,
        source,
        f"image heads that are not {_HEAD_WIDTH} wide",
    )
    for part in (vision, text):
        _check(part.layer_norm_eps == 1e-5, source, f"layer_norm_eps={part.layer_norm_eps}")
    _check(
        text.eos_token_id in (2, text.vocab_size - 1),
        source,
        f"eos_token_id={text.eos_token_id}, which is not the last piece",
    )
    model = {
        "embed_dim": config.get("projection_dim", 512),
        "quick_gelu": vision.hidden_act == "quick_gelu",
        "vision_cfg": {
            "image_size": vision.image_size,
            "patch_size": vision.patch_size,
            "width": vision.hidden_size,
            "layers": vision.num_hidden_layers,
            "mlp_ratio": vision.intermediate_size / vision.hidden_size,
        },
        "text_cfg": {
            "context_length": text.max_position_embeddings,
            "vocab_size": text.vocab_size,
            "width": text.hidden_size,
            "heads": text.num_attention_heads,
            "layers": text.num_hidden_layers,
            "mlp_ratio": text.intermediate_size / text.hidden_size,
        },
    }
    settings = open_clip_settings(model, None, source)
    return settings.model_copy(update={"repair_text": False})


def _check(holds: bool, source: str, what: str) -> None:
    if not holds:
        raise ModelError("MV2101", f"{source} has {what}", expected="the parts of CLIP")


def _check_side(settings: OpenClipSettings, pixels: ImagePreprocessing, source: str) -> None:
    side = settings.vision_config["image_size"]
    _check(pixels.input_px == side, source, f"images of {pixels.input_px} px for a tower of {side}")


def _preprocessing(config: Mapping[str, Any], source: str) -> ImagePreprocessing:
    """Translate ``preprocessor_config.json`` of CLIP's image processor."""
    pixels = _parse(config, _PixelConfig, source)
    for name in ("do_resize", "do_center_crop", "do_normalize"):
        _check(getattr(pixels, name), source, f"{name} switched off")
    size, crop = _side(pixels.size), _side(pixels.crop_size)
    _check(size == crop, source, f"a crop of {crop} from {size}")
    return read_pixels(
        {
            "size": size,
            "interpolation": _RESAMPLING.get(pixels.resample, str(pixels.resample)),
            "mean": pixels.image_mean,
            "std": pixels.image_std,
        },
        source,
    )


def _side(size: int | dict[str, int]) -> int | dict[str, int]:
    sides = set(size.values()) if isinstance(size, dict) else {size}
    return sides.pop() if len(sides) == 1 else size


def _tokenizer(folder: Path) -> tuple[ClipTokenizer, list[Path]]:
    files = ForeignModel(folder)
    vocabulary, merges = files.find(("vocab.json",)), files.find(("merges.txt",))
    if vocabulary is not None and merges is not None:
        return ClipTokenizer.from_files(vocabulary, merges), [vocabulary, merges]
    path = files.find(("tokenizer.json",))
    found = load_tokenizer(path) if path is not None else None
    if path is None or not isinstance(found, ClipTokenizer):
        raise ModelError(
            "MV2108",
            f"{folder} holds no tokenizer of CLIP's kind",
            expected="vocab.json with merges.txt, or tokenizer.json",
            hint="give the folder that holds it with --tokenizer",
        )
    return found, [path]


def _sources(name: str) -> tuple[str, ...]:
    """Return what the release calls a tensor of open_clip: one name, or three to be joined."""
    if name in _TOP:
        return (_TOP[name],)
    ours = next(prefix for prefix in _SIDES if name.startswith(prefix))
    number, _, rest = name.removeprefix(ours).partition(".")
    block = f"{_SIDES[ours]}{number}."
    if rest.startswith("attn.in_proj_"):
        kind = rest.removeprefix("attn.in_proj_")
        return tuple(f"{block}self_attn.{part}_proj.{kind}" for part in "qkv")
    layer, _, kind = rest.rpartition(".")
    return (f"{block}{_BLOCK[layer]}.{kind}",)


def _release_shapes(shapes: Mapping[str, torch.Size]) -> Iterator[tuple[str, tuple[int, ...]]]:
    for name, shape in shapes.items():
        names = _sources(name)
        sizes = tuple(reversed(shape)) if name in _TRANSPOSED else tuple(shape)
        for source in names:
            yield source, (sizes[0] // len(names), *sizes[1:]) if len(names) > 1 else sizes


def _tensor(name: str, tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
    parts = [tensors[source] for source in _sources(name)]
    joined = torch.cat(parts) if len(parts) > 1 else parts[0]
    return joined.T if name in _TRANSPOSED else joined
