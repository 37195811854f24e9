"""KEEP: a timm vision transformer with a two-layer head, and a BERT whose pooled output is used.

Names in the release: ``visual.*``, ``visual_head.{0,2}.*``, ``text.*``, ``logit_scale``. Its
LayerScale parameters are called ``gamma`` (timm) or ``weight`` (written through transformers).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import torch

from medvlp.config.strict import parse_model
from medvlp.errors import ConfigError, ModelError
from medvlp.models.architecture import DualEncoderSettings
from medvlp.models.bundle_writing import write_bundle
from medvlp.models.dual_encoder import DualEncoder
from medvlp.models.importers.bert import (
    POSITION_BUFFERS,
    bert_settings,
    read_bert_tokenizer,
    text_tower_settings,
)
from medvlp.models.importers.checkpoints import read_checkpoint
from medvlp.models.importers.keys import check_keys, drop_known_buffers
from medvlp.models.importers.records import ImportReport, Origin, make_card
from medvlp.models.importers.source import open_source, read_json_object
from medvlp.types import ImagePreprocessing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medvlp.models.importers.records import ImportRequest

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "import_keep",
    "keep_key",
    "keep_settings",
    "meta_state",
]

IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
IMAGENET_STD: Final = (0.229, 0.224, 0.225)
_TEMPERATURE = 0.04
_ARCHITECTURE = "vit_large_patch16_224"
# Name in KEEP's vision_config -> name in our settings, and what the architecture has of itself.
_VISION = {
    "img_size": ("img_size", None),
    "init_values": ("init_values", None),
    "patch_size": ("patch_size", 16),
    "hidden_size": ("width", 1024),
    "num_layers": ("depth", 24),
    "num_heads": ("heads", 16),
    "mlp_ratio": ("mlp_ratio", 4.0),
}
_PUBLISHED: dict[str, Any] = {
    "vision_config": {
        "img_size": 224,
        "patch_size": 16,
        "hidden_size": 1024,
        "num_heads": 16,
        "num_layers": 24,
        "mlp_ratio": 4.0,
        "init_values": 1e-5,
    },
    "text_config": {},
    "projection_dim": 768,
}
_PREFIXES = (
    ("image_tower.", "visual."),
    ("image_projection.", "visual_head."),
    ("text_tower.bert.", "text."),
)
_ORIGIN = Origin(
    name="keep",
    data="Pathology image-text groups of OpenPath and Quilt-1M, disease knowledge (KEEP)",
    license="MIT as tagged by the authors; image tower fine-tuned from UNI (CC-BY-NC-ND-4.0)",
    notes=(
        "The weights are tagged MIT, but their image tower was fine-tuned from UNI, whose licence "
        "is CC-BY-NC-ND-4.0: find out whether your use is allowed.",
        "The authors state no micrometres per pixel; TRIDENT documents tiles of 256 px at 20x, "
        "which is --mpp 0.5.",
    ),
)


def import_keep(request: ImportRequest) -> ImportReport:
    """Convert KEEP's released folder, or a checkpoint of its training, into a bundle.

    A folder needs ``config.json``, the weights and the tokenizer. A checkpoint that is named itself
    is taken to have the published sizes where no ``config.json`` lies beside it.

    Raises:
        ModelError: MV2100 to MV2108 for what the release lacks or has otherwise, MV1405 for weights
            that are not numbers, MV1410 for a damaged tokenizer.
    """
    source = open_source(request.source)
    config_path = source.find(("config.json",))
    if config_path is None and source.checkpoint is None:
        config_path = source.require(("config.json",), "settings of the model")
    config = read_json_object(config_path) if config_path else _PUBLISHED
    where = str(config_path or "the published settings")
    settings, vocab_size = keep_settings(config, where)
    tokenizer, token_files = read_bert_tokenizer(request.tokenizer or source.folder, vocab_size)
    weights = source.weights(("model.safetensors", "pytorch_model.bin"))
    tensors = drop_known_buffers(_spell_layer_scale(read_checkpoint(weights)), POSITION_BUFFERS)
    wanted = meta_state(settings, vocab_size)
    check_keys(tensors, {keep_key(name): shape for name, shape in wanted.items()}, str(weights))
    state = {name: tensors[keep_key(name)].float() for name in wanted}
    side = settings.image.img_size or 0
    preprocessing = ImagePreprocessing(
        input_px=side,
        resize_px=side,
        interpolation="bicubic",
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
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


def keep_settings(config: Mapping[str, Any], source: str) -> tuple[DualEncoderSettings, int]:
    """Translate KEEP's ``config.json``.

    Args:
        config: Its content.
        source: The file, for messages.

    Returns:
        Our settings and the size of the text tower's vocabulary.

    Raises:
        ModelError: If the settings are not of KEEP's kind (MV2101).
    """
    vision, text = config.get("vision_config"), config.get("text_config")
    if not isinstance(vision, dict) or not isinstance(text, dict):
        raise ModelError(
            "MV2101",
            f"{source} has no vision_config and text_config",
            expected="the config.json of KEEP",
        )
    missing = [name for name in _VISION if name not in vision]
    if missing or not vision.get("qkv_bias", True):
        raise ModelError(
            "MV2101",
            f"{source}: vision_config lacks {missing or 'qkv_bias'}",
            expected=f"keys {sorted(_VISION)}",
        )
    image: dict[str, Any] = {"architecture": _ARCHITECTURE, "projection": "mlp"}
    for name, (ours, own) in _VISION.items():
        if vision[name] != own:
            image[ours] = vision[name]
    sizes = bert_settings(text, source)
    values = {
        "embed_dim": config.get("projection_dim"),
        "image": image,
        "temperature": _TEMPERATURE,
    }
    try:
        settings = parse_model(values, DualEncoderSettings, source=source)
    except ConfigError as error:
        raise ModelError("MV2101", error.what, expected=error.expected) from error
    if settings.embed_dim != sizes.hidden_size:
        raise ModelError(
            "MV2101",
            f"{source}: projection_dim={settings.embed_dim} with a text tower of "
            f"{sizes.hidden_size} features",
            expected="equal numbers, as KEEP's text tower has no head",
        )
    text_settings = text_tower_settings(sizes, "none", source)
    return settings.model_copy(update={"text": text_settings}), sizes.vocab_size


def keep_key(name: str) -> str:
    """Return what the release calls a tensor of :class:`DualEncoder`."""
    for ours, theirs in _PREFIXES:
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    return name


def meta_state(settings: DualEncoderSettings, vocab_size: int) -> dict[str, torch.Size]:
    """Return the shapes of all tensors of a dual encoder, without making any of them."""
    with torch.device("meta"):
        model = DualEncoder(settings, vocab_size)
    return {name: tensor.shape for name, tensor in model.state_dict().items()}


def _spell_layer_scale(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Call LayerScale parameters ``gamma``, unless both spellings are there."""
    renamed = {}
    for name, tensor in tensors.items():
        spelled = re.sub(r"\.(ls[12])\.weight$", r".\1.gamma", name)
        renamed[name if spelled in tensors else spelled] = tensor
    return renamed
