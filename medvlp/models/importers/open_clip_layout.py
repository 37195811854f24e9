"""open_clip's layouts: a folder with ``open_clip_config.json``, or a checkpoint of an architecture.

QuiltNet and BiomedCLIP are released in this layout.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import open_clip
import torch
from open_clip.model import convert_to_custom_text_state_dict
from open_clip.transform import PreprocessCfg

from medvlp.errors import ModelError, nearest_name
from medvlp.models.importers.bert import POSITION_BUFFERS, bert_settings, read_bert_tokenizer
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
from medvlp.models.open_clip_build import build_open_clip, default_clip_tokenizer
from medvlp.models.open_clip_settings import BertSettings, OpenClipSettings
from medvlp.text.clip_tokenizer import ClipTokenizer
from medvlp.text.tokenizer_files import TextTokenizer, load_tokenizer

if TYPE_CHECKING:
    from medvlp.models.importers.records import ImportReport, ImportRequest

__all__ = [
    "BIOMEDCLIP",
    "OPEN_CLIP",
    "QUILTNET",
    "import_open_clip",
    "read_open_clip_release",
]

OPEN_CLIP: Final = Origin(name="open-clip", data="not stated", license="not stated")
QUILTNET: Final = Origin(
    name="quiltnet", data="Quilt-1M histopathology image-text pairs", license="not stated"
)
BIOMEDCLIP: Final = Origin(
    name="biomedclip",
    data="PMC-15M figures and captions of biomedical articles",
    license="not stated",
    notes=("The model was trained on figures of articles of all kinds, not on tiles of slides.",),
)
_CONFIG = "open_clip_config.json"
_WEIGHTS = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
    "model.safetensors",
    "pytorch_model.bin",
)
# Names of text models that have the sizes of BERT-base, for folders without their config.json.
_BERT_BASE = re.compile(r"(microsoft/BiomedNLP-[\w-]*base-uncased[\w-]*|(.*/)?bert-base-uncased)")
_OPENAI_EXTRAS = ("input_resolution", "context_length", "vocab_size")
_PLAIN_TOKENIZER_OPTIONS: tuple[dict[str, str], ...] = ({}, {"clean": "whitespace"})


@dataclass(frozen=True)
class _Description:
    settings: OpenClipSettings
    preprocess: dict[str, Any]
    files: list[Path]


def import_open_clip(request: ImportRequest, origin: Origin = OPEN_CLIP) -> ImportReport:
    """Convert a dual encoder of open_clip into a bundle.

    Args:
        request: What the user asks for.
        origin: What is known of this kind of release.

    Raises:
        ModelError: MV2100 to MV2108 for what the release lacks or has otherwise, MV1402 and MV1407
            for towers that the installed open_clip cannot build.
    """
    source = open_source(request.source)
    parts = read_open_clip_release(
        source, architecture=request.architecture, tokenizer=request.tokenizer
    )
    return write_open_clip_bundle(request, origin, parts)


def read_open_clip_release(
    source: ForeignModel, *, architecture: str | None = None, tokenizer: Path | None = None
) -> OpenClipParts:
    """Read a dual encoder of open_clip whole, without the network.

    Args:
        source: The release.
        architecture: open_clip's name of the towers, for a checkpoint that comes without settings.
        tokenizer: Folder of the tokenizer's files; None for that of the release.

    Raises:
        ModelError: As :func:`import_open_clip`.
    """
    found = _describe(architecture, source)
    text, token_files = _tokenizer(found.settings, tokenizer or source.folder)
    weights = source.weights(_WEIGHTS)
    with torch.device("meta"):
        model: Any = build_open_clip(found.settings)
    wanted = {name: tensor.shape for name, tensor in model.state_dict().items()}
    tensors = _as_current(read_checkpoint(weights), wanted)
    check_keys(tensors, wanted, str(weights))
    preprocess = {**found.preprocess, "size": model.visual.image_size}
    return OpenClipParts(
        settings=found.settings,
        tensors=tensors,
        tokenizer=text,
        preprocessing=read_pixels(preprocess, str(source.folder)),
        files=(*found.files, weights, *token_files),
    )


def _describe(architecture: str | None, source: ForeignModel) -> _Description:
    """Find the model's settings: in the folder, or of the architecture the user named."""
    if architecture is not None:
        return _of_architecture(architecture)
    path = source.find((_CONFIG,))
    if path is None and source.checkpoint is not None:
        raise ModelError(
            "MV2107",
            f"{source.checkpoint} does not say which towers it belongs to",
            expected=f"{_CONFIG} beside it, or --architecture",
        )
    path = path or source.require((_CONFIG,), "settings of open_clip")
    content = read_json_object(path)
    model, preprocess = content.get("model_cfg"), content.get("preprocess_cfg", {})
    if not isinstance(model, dict) or not isinstance(preprocess, dict):
        raise ModelError("MV2101", f"{path} has no model_cfg", expected="open_clip's own layout")
    sizes, files = _text_sizes(model, source)
    settings = open_clip_settings(model, sizes, str(path))
    return _Description(settings, {**_default_preprocess(), **preprocess}, [path, *files])


def _of_architecture(name: str) -> _Description:
    model = open_clip.get_model_config(name)
    if model is None:
        raise ModelError(
            "MV1402",
            f"open_clip has no architecture {name!r}{nearest_name(name, open_clip.list_models())}",
            expected="a name of open_clip.list_models()",
        )
    sizes = BertSettings() if _is_bert_base(model) else None
    return _Description(open_clip_settings(model, sizes, name), _default_preprocess(), [])


def _default_preprocess() -> dict[str, Any]:
    usual = PreprocessCfg()
    names = ("interpolation", "mean", "std", "resize_mode")
    return {name: getattr(usual, name) for name in names}


def _is_bert_base(model: dict[str, Any]) -> bool:
    text = model.get("text_cfg")
    name = text.get("hf_model_name") if isinstance(text, dict) else None
    return isinstance(name, str) and _BERT_BASE.fullmatch(name) is not None


def _text_sizes(
    model: dict[str, Any], source: ForeignModel
) -> tuple[BertSettings | None, list[Path]]:
    """Return the sizes of a BERT text tower: of its config.json in the folder, or of BERT-base."""
    text = model.get("text_cfg")
    name = text.get("hf_model_name") if isinstance(text, dict) else None
    if not name:
        return None, []
    path = source.find(("config.json",))
    if path is not None:
        content = read_json_object(path)
        if "model_type" in content:
            return bert_settings(content, str(path)), [path]
    if _is_bert_base(model):
        return BertSettings(), []
    raise ModelError(
        "MV2107",
        f"{source.folder}: the sizes of the text tower {name!r} are not stated",
        expected="its config.json in the folder",
    )


def _tokenizer(settings: OpenClipSettings, folder: Path) -> tuple[TextTokenizer, list[Path]]:
    """Return the tokenizer that open_clip would use, and the files it was read from."""
    text = settings.text_config
    options = text.get("tokenizer_kwargs", {})
    if text.get("tokenizer_mode") or options not in _PLAIN_TOKENIZER_OPTIONS:
        raise ModelError(
            "MV2108",
            f"{folder}: the tokenizer has options {options} and mode "
            f"{text.get('tokenizer_mode')!r}, which are not supported",
            expected="open_clip's plain tokenizer",
        )
    if settings.text_model is not None:
        return read_bert_tokenizer(folder, settings.text_model.vocab_size)
    if not text.get("hf_tokenizer_name"):
        return default_clip_tokenizer(), []
    path = ForeignModel(folder).find(("tokenizer.json",))
    found = load_tokenizer(path) if path is not None else None
    if path is None or not isinstance(found, ClipTokenizer):
        raise ModelError(
            "MV2108",
            f"{folder} holds no tokenizer of CLIP's kind, and the model has one of its own",
            expected="tokenizer.json with byte pairs",
        )
    return found, [path]


def _as_current(
    tensors: dict[str, torch.Tensor], wanted: dict[str, torch.Size]
) -> dict[str, torch.Tensor]:
    """Bring what older versions of open_clip wrote to the names and shapes of today."""
    tensors = {name: value for name, value in tensors.items() if name not in _OPENAI_EXTRAS}
    tensors = drop_known_buffers(tensors, POSITION_BUFFERS)
    if "positional_embedding" in tensors and "positional_embedding" not in wanted:
        tensors = convert_to_custom_text_state_dict(tensors)
    for name in ("logit_scale", "logit_bias"):
        if name in tensors and name in wanted and tensors[name].numel() == wanted[name].numel():
            tensors[name] = tensors[name].reshape(wanted[name])
    return tensors
