"""Build a dual encoder of open_clip from settings alone: no weights, no network, no remote code."""

from __future__ import annotations

import json
import tempfile
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import open_clip
import torch
from open_clip.tokenizer import basic_clean

from medvlp.errors import ModelError
from medvlp.models.text_encoder import TextEncoder
from medvlp.models.timm_towers import check_architecture, with_local_seed
from medvlp.text.clip_tokenizer import ClipTokenizer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from medvlp.models.open_clip_settings import OpenClipSettings
    from medvlp.text.tokenizer_files import TextTokenizer

    Model: TypeAlias = open_clip.CLIP | open_clip.CustomTextCLIP

__all__ = [
    "EncoderSide",
    "build_open_clip",
    "check_tokenizer_kind",
    "default_clip_tokenizer",
    "open_clip_text_encoder",
]

_BUILD_ERRORS = (
    TypeError,
    ValueError,
    KeyError,
    AttributeError,
    AssertionError,
    RuntimeError,
    OSError,
    ZeroDivisionError,
)


class EncoderSide(torch.nn.Module):
    """One side of a dual encoder: ``encode_image`` or ``encode_text`` as the forward pass.

    Args:
        model: The dual encoder.
        encode: Its method.
    """

    def __init__(self, model: torch.nn.Module, encode: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.model = model
        self._encode = encode

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Encode a batch."""
        return self._encode(inputs)


def build_open_clip(settings: OpenClipSettings) -> Model:
    """Build the module with random weights that a seed fixes.

    open_clip reads the sizes of a BERT text tower from a folder or from the hub only, so they are
    handed over in a temporary folder.

    Raises:
        ModelError: If the image architecture is unknown (MV1402) or open_clip cannot build the
            settings (MV1407).
    """
    config: dict[str, Any] = deepcopy(dict(settings.model))
    vision, text = config["vision_cfg"], config["text_cfg"]
    if vision.get("timm_model_name"):
        check_architecture(str(vision["timm_model_name"]))
        vision["timm_model_pretrained"] = False
    custom = bool(config.pop("custom_text", False)) or settings.has_bert
    model_class = open_clip.CustomTextCLIP if custom else open_clip.CLIP
    try:
        with tempfile.TemporaryDirectory() as folder:
            if settings.text_model is not None:
                sizes = {"model_type": "bert", **settings.text_model.model_dump()}
                (Path(folder) / "config.json").write_text(json.dumps(sizes), encoding="utf-8")
                text.update(hf_model_name=folder, hf_model_pretrained=False)
            model: Model = with_local_seed(lambda: model_class(**config))
    except _BUILD_ERRORS as error:
        raise ModelError(
            "MV1407",
            f"open_clip cannot build a model of these settings ({type(error).__name__}: {error})",
            expected="the model_cfg of an open_clip_config.json",
        ) from error
    return model


def open_clip_text_encoder(
    name: str,
    model: torch.nn.Module,
    settings: OpenClipSettings,
    tokenizer: TextTokenizer,
    device: str,
) -> TextEncoder:
    """Return the text side of a built model, with the bundle's own tokenizer.

    Args:
        name: The model's name.
        model: What :func:`build_open_clip` gave, with weights.
        settings: Its settings.
        tokenizer: The tokenizer of the bundle.
        device: Where the tower runs.
    """
    pad_id = settings.text_model.pad_token_id if settings.text_model else 0

    def tokenize(texts: Sequence[str]) -> tuple[torch.Tensor, ...]:
        cleaned = [basic_clean(text) for text in texts] if settings.repair_text else list(texts)
        tokens = tokenizer.encode(cleaned, settings.max_tokens)
        ids = torch.full((len(texts), settings.max_tokens), pad_id, dtype=torch.int64)
        ids[:, : tokens.ids.shape[1]] = torch.from_numpy(tokens.ids)
        return (ids,)

    encode: Callable[..., torch.Tensor] = model.encode_text  # type: ignore[assignment] # torch types every attribute as a module
    return TextEncoder(
        name=name, tower=EncoderSide(model, encode), tokenize=tokenize, device=device
    )


def check_tokenizer_kind(settings: OpenClipSettings, tokenizer: TextTokenizer, place: str) -> None:
    """Refuse a WordPiece tokenizer for CLIP's text tower, and CLIP's for a BERT.

    Raises:
        ModelError: If they do not go together (MV1410).
    """
    is_clip = isinstance(tokenizer, ClipTokenizer)
    if is_clip == settings.has_bert:
        raise ModelError(
            "MV1410",
            f"{place} is {'a byte-pair' if is_clip else 'a WordPiece'} tokenizer",
            expected="WordPiece for a BERT text tower, byte pairs for CLIP's",
        )


def default_clip_tokenizer() -> ClipTokenizer:
    """Return CLIP's tokenizer with the vocabulary that comes with open_clip."""
    simple = open_clip.tokenizer.SimpleTokenizer()
    return ClipTokenizer(dict(simple.encoder), list(simple.bpe_ranks))
