"""A dual encoder of open_clip, ready to be written as a bundle."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medvlp.config.strict import parse_model
from medvlp.errors import ConfigError, ModelError
from medvlp.models.bundle_writing import write_bundle
from medvlp.models.importers.records import ImportReport, make_card
from medvlp.models.open_clip_settings import BertSettings, OpenClipSettings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch

    from medvlp.models.importers.records import ImportRequest, Origin
    from medvlp.text.tokenizer_files import TextTokenizer
    from medvlp.types import ImagePreprocessing

__all__ = [
    "OpenClipParts",
    "open_clip_settings",
    "write_open_clip_bundle",
]

_FLAGS = (("vision_cfg", "timm_model_pretrained"), ("text_cfg", "hf_model_pretrained"))


@dataclass(frozen=True, kw_only=True)
class OpenClipParts:
    """What a release of open_clip's towers consists of.

    Attributes:
        settings: The towers.
        tensors: All their weights by open_clip's names.
        tokenizer: The tokenizer of the release.
        preprocessing: How images are brought to the image tower's input.
        files: The files of the release that were read.
    """

    settings: OpenClipSettings
    tensors: Mapping[str, torch.Tensor]
    tokenizer: TextTokenizer
    preprocessing: ImagePreprocessing
    files: tuple[Path, ...]


def write_open_clip_bundle(
    request: ImportRequest, origin: Origin, parts: OpenClipParts
) -> ImportReport:
    """Write a bundle of open_clip's towers, with weights in float32.

    Args:
        request: What the user asked for.
        origin: What is known of this kind of release.
        parts: The model.

    Raises:
        ModelError: If a weight is NaN or infinite (MV1405).
    """
    state = {k: v.float() if v.is_floating_point() else v for k, v in parts.tensors.items()}
    card = make_card(request, origin, parts.preprocessing, parts.files)
    meta = write_bundle(request.out, parts.settings, state, parts.tokenizer, card)
    return ImportReport(
        folder=request.out,
        meta=meta,
        num_weights=sum(tensor.numel() for tensor in state.values()),
        notes=card.provenance.notes,
    )


def open_clip_settings(
    model: dict[str, Any], sizes: BertSettings | None, source: str
) -> OpenClipSettings:
    """Check a ``model_cfg`` of open_clip.

    Args:
        model: The configuration.
        sizes: Sizes of the text tower where it is a BERT.
        source: The file, for messages.

    Raises:
        ModelError: If it is not one that a bundle can hold (MV2101).
    """
    model = deepcopy(model)
    for part, flag in _FLAGS:
        if isinstance(model.get(part), dict):
            model[part].pop(flag, None)
    text = model.get("text_cfg")
    length = text.get("context_length", 77) if isinstance(text, dict) else 77
    values: dict[str, Any] = {"model": model, "max_tokens": length}
    if sizes is not None:
        values["text_model"] = sizes.model_dump()
    try:
        return parse_model(values, OpenClipSettings, source=source)
    except ConfigError as error:
        raise ModelError("MV2101", error.what, expected=error.expected) from error
