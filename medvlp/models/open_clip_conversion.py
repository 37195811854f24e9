"""Bring a dual encoder to the form that open_clip holds: its settings, and weights by its names.

The embeddings are the same, the weights not always: LayerScale is multiplied into the layer before
it, and a head of two layers is filled with zeros to the width that open_clip gives it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import timm
import torch

from medvlp.config.strict import parse_model
from medvlp.errors import ConfigError, ModelError
from medvlp.models.architecture import DualEncoderSettings, ImageTowerSettings, TextTowerSettings
from medvlp.models.open_clip_build import build_open_clip
from medvlp.models.open_clip_settings import BertSettings, OpenClipSettings
from medvlp.text.tokenizer import CaptionTokenizer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medvlp.text.tokenizer_files import TextTokenizer

__all__ = ["OpenClipForm", "to_open_clip"]

_POOLERS = {"pooler": "cls_pooler", "cls": "cls_last_hidden_state_pooler", "mean": "mean_pooler"}
_OWN_SIZES = ("patch_size", "width", "depth", "heads", "mlp_ratio")
# End of a LayerScale's name -> the layer before it.
_SCALED = {".ls1.gamma": ".attn.proj", ".ls2.gamma": ".mlp.fc2"}
_SHOWN = 3


@dataclass(frozen=True)
class OpenClipForm:
    """A dual encoder as open_clip holds it.

    Attributes:
        settings: Settings that open_clip builds the module from.
        state: All its weights by open_clip's names.
        notes: How the weights differ from those of the bundle, in sentences.
    """

    settings: OpenClipSettings
    state: dict[str, torch.Tensor]
    notes: tuple[str, ...] = ()


def to_open_clip(
    architecture: DualEncoderSettings | OpenClipSettings,
    state: Mapping[str, torch.Tensor],
    input_px: int,
    tokenizer: TextTokenizer,
) -> OpenClipForm:
    """Return settings and weights with which open_clip gives the same embeddings.

    Args:
        architecture: The towers of the bundle.
        state: Their weights.
        input_px: Side of the image tower's input in pixels.
        tokenizer: The bundle's tokenizer.

    Raises:
        ModelError: If open_clip has no place for a part (MV2110).
    """
    if isinstance(architecture, OpenClipSettings):
        return OpenClipForm(architecture, dict(state))
    if architecture.decoder is not None:
        _refuse("a decoder as the text tower")
    if not isinstance(tokenizer, CaptionTokenizer):
        _refuse("a byte-pair tokenizer with a BERT text tower")
    vision = _vision_config(architecture.image, input_px)
    text = _text_config(architecture.text)
    model = {
        "embed_dim": architecture.embed_dim,
        "custom_text": True,
        "vision_cfg": vision,
        "text_cfg": text,
    }
    values = {
        "model": model,
        "text_model": _bert(architecture.text, tokenizer).model_dump(),
        "max_tokens": architecture.text.max_tokens,
        "repair_text": False,
    }
    try:
        settings = parse_model(values, OpenClipSettings, source="the settings for open_clip")
    except ConfigError as error:
        _refuse(f"settings that it does not know ({error.what})")
    with torch.device("meta"):
        built = build_open_clip(settings)
    wanted = {name: tensor.shape for name, tensor in built.state_dict().items()}
    renamed, notes = _renamed(architecture, state, wanted)
    _check_fit(renamed, wanted)
    return OpenClipForm(settings, renamed, notes)


def _vision_config(image: ImageTowerSettings, input_px: int) -> dict[str, Any]:
    changed = [name for name in _OWN_SIZES if getattr(image, name) is not None]
    if changed:
        _refuse(f"an image tower of timm's {image.architecture!r} with another {changed[0]}")
    with torch.device("meta"):
        tower: Any = timm.create_model(image.architecture, pretrained=False)
    own_px = tower.default_cfg["input_size"][-1]
    if image.img_size not in (None, own_px):
        _refuse(
            f"an image tower of timm's {image.architecture!r} for {image.img_size} px "
            f"instead of {own_px}"
        )
    pool: str = image.global_pool or ""
    if image.projection == "none" and not pool:
        pool = str(getattr(tower, "global_pool", "avg"))
    return {
        "image_size": input_px,
        "timm_model_name": image.architecture,
        "timm_model_pretrained": False,
        "timm_pool": pool,
        "timm_proj": image.projection,
        "timm_proj_bias": image.projection == "mlp",
    }


def _text_config(text: TextTowerSettings) -> dict[str, Any]:
    if text.projection == "mlp":
        _refuse("a text head of two layers with biases; its own has none")
    return {
        "hf_model_name": "set when written",
        "hf_tokenizer_name": "set when written",
        "hf_model_pretrained": False,
        "hf_proj_type": None if text.projection == "none" else "linear",
        "hf_pooler_type": _POOLERS[text.pooling],
        "context_length": text.max_tokens,
    }


def _bert(text: TextTowerSettings, tokenizer: CaptionTokenizer) -> BertSettings:
    return BertSettings(
        vocab_size=tokenizer.vocab_size,
        hidden_size=text.width,
        num_hidden_layers=text.layers,
        num_attention_heads=text.heads,
        intermediate_size=text.feedforward,
        hidden_dropout_prob=text.dropout,
        attention_probs_dropout_prob=text.dropout,
        max_position_embeddings=text.positions or text.max_tokens,
        pad_token_id=tokenizer.vocabulary["[PAD]"],
    )


def _renamed(
    architecture: DualEncoderSettings,
    state: Mapping[str, torch.Tensor],
    wanted: Mapping[str, torch.Size],
) -> tuple[dict[str, torch.Tensor], tuple[str, ...]]:
    """Give weights open_clip's names; multiply LayerScale in, and widen the image head."""
    heads = {
        "image_projection.weight": "visual.head.proj.weight",
        "image_projection.0": "visual.head.mlp.fc1",
        "image_projection.2": "visual.head.mlp.fc2",
        "text_projection.weight": "text.proj.weight",
        "text_tower.bert.": "text.transformer.",
        "image_tower.": "visual.trunk.",
    }
    renamed = {}
    for name, tensor in state.items():
        prefix = next((ours for ours in heads if name.startswith(ours)), "")
        renamed[heads.get(prefix, "") + name.removeprefix(prefix)] = tensor
    notes = []
    if _multiply_layer_scale(renamed, wanted):
        notes.append("LayerScale was multiplied into the layers before it.")
    if architecture.image.projection == "mlp":
        _widen_head(renamed)
        notes.append("The image head was filled with zeros to the width that open_clip gives it.")
    return renamed, tuple(notes)


def _multiply_layer_scale(state: dict[str, torch.Tensor], wanted: Mapping[str, torch.Size]) -> bool:
    """Take LayerScale out where open_clip has none: gamma * (W x + b) = (gamma W) x + gamma b."""
    names = [name for name in state if name.endswith(tuple(_SCALED)) and name not in wanted]
    for name in names:
        end = name[-len(".ls1.gamma") :]
        layer = name.removesuffix(end) + _SCALED[end]
        gamma = state.pop(name)
        state[f"{layer}.weight"] = state[f"{layer}.weight"] * gamma[:, None]
        state[f"{layer}.bias"] = state[f"{layer}.bias"] * gamma
    return bool(names)


def _widen_head(state: dict[str, torch.Tensor]) -> None:
    """Add as many hidden units as there are, all zero: GELU(0) = 0, and nothing reads them."""
    first, bias, second = (
        f"visual.head.mlp.{part}" for part in ("fc1.weight", "fc1.bias", "fc2.weight")
    )
    state[first] = torch.cat([state[first], torch.zeros_like(state[first])])
    state[bias] = torch.cat([state[bias], torch.zeros_like(state[bias])])
    state[second] = torch.cat([state[second], torch.zeros_like(state[second])], dim=1)


def _check_fit(state: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Size]) -> None:
    wrong = sorted(state.keys() ^ wanted.keys())
    wrong += sorted(
        name for name in state.keys() & wanted.keys() if state[name].shape != wanted[name]
    )
    if wrong:
        _refuse(f"{len(wrong)} of the weights ({', '.join(map(repr, wrong[:_SHOWN]))})")


def _refuse(part: str) -> NoReturn:
    raise ModelError(
        "MV2110",
        f"open_clip cannot hold {part}",
        expected="towers that open_clip builds, with linear heads",
        hint="use the bundle itself; medvlp loads it everywhere",
    )
