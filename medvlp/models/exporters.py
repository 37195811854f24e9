"""Hand a bundle to another program: the layouts that can be written, by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors.torch

from medvlp.errors import ModelError, UsageError
from medvlp.io import publish_folder, write_json
from medvlp.models.bundle_files import check_bundle_files
from medvlp.models.bundle_schema import (
    BUNDLE_FILE,
    TOKENIZER_FILE,
    WEIGHTS_FILE,
    BundleMeta,
    read_bundle_meta,
)
from medvlp.models.open_clip_build import default_clip_tokenizer
from medvlp.models.open_clip_conversion import to_open_clip
from medvlp.models.open_clip_settings import OpenClipSettings
from medvlp.models.weights import read_safetensors
from medvlp.registry import Registry
from medvlp.text.clip_tokenizer import ClipTokenizer
from medvlp.text.tokenizer_files import TextTokenizer, load_tokenizer

if TYPE_CHECKING:
    from medvlp.types import ImagePreprocessing

__all__ = ["EXPORTERS", "ExportReport", "ExportRequest", "export_bundle", "export_open_clip"]

_OPEN_CLIP_CONFIG = "open_clip_config.json"
_OPEN_CLIP_WEIGHTS = "open_clip_model.safetensors"
_REPAIRS = (
    "open_clip repairs broken letters and HTML entities in a text first; this model was not made "
    "so, and such texts get other embeddings."
)


@dataclass(frozen=True, kw_only=True)
class ExportRequest:
    """What the user asks for.

    Attributes:
        bundle: The bundle.
        out: The new folder.
        allow_umls: Whether a model trained on UMLS text may be handed on.
        text_model: Where the other program finds the sizes of a BERT text tower: a name on the hub
            or a folder; None for the new folder itself, which must then stay where it is.
    """

    bundle: Path
    out: Path
    allow_umls: bool = False
    text_model: str | None = None


@dataclass(frozen=True, kw_only=True)
class ExportReport:
    """What an export made.

    Attributes:
        folder: The new folder.
        notes: What the user must know, in sentences.
    """

    folder: Path
    notes: tuple[str, ...]


EXPORTERS: Registry[Callable[[ExportRequest], ExportReport]] = Registry("layout")


def export_bundle(layout: str, request: ExportRequest) -> ExportReport:
    """Write a bundle in the layout of another program.

    Args:
        layout: A name of ``EXPORTERS``.
        request: What the user asks for.

    Raises:
        ConfigError: If there is no such layout (MV1003).
        UsageError: If the output folder is taken (MV2112).
        ModelError: If the bundle cannot be read (MV14xx), may not be handed on (MV2111), or the
            layout cannot hold it (MV2110).
    """
    write = EXPORTERS.get(layout)
    out = request.out
    if out.exists() and (out.is_file() or any(out.iterdir())):
        raise UsageError("MV2112", f"{out} is there already", expected="a path for a new folder")
    return write(request)


@EXPORTERS.register("open-clip")
def export_open_clip(request: ExportRequest) -> ExportReport:
    """Write a folder that ``open_clip.create_model_and_transforms("local-dir:...")`` loads.

    Raises:
        ModelError: If the bundle cannot be read (MV14xx), may not be handed on (MV2111), or
            open_clip cannot hold it (MV2110).
    """
    meta = read_bundle_meta(request.bundle)
    _refuse_umls(meta, request)
    preprocessing = meta.preprocessing.to_preprocessing()
    if preprocessing.resize_px != preprocessing.input_px:
        raise ModelError(
            "MV2110",
            f"images are resized to {preprocessing.resize_px} px and cropped to "
            f"{preprocessing.input_px}; open_clip resizes to the crop itself",
            expected="equal sizes",
        )
    check_bundle_files(request.bundle, meta.files)
    tokenizer = load_tokenizer(request.bundle / TOKENIZER_FILE)
    form = to_open_clip(
        meta.architecture,
        read_safetensors(request.bundle / WEIGHTS_FILE),
        preprocessing.input_px,
        tokenizer,
    )
    with publish_folder(request.out) as partial:
        safetensors.torch.save_file(form.state, partial / _OPEN_CLIP_WEIGHTS)
        config = _config(form.settings, preprocessing, request)
        notes = _write_text_files(partial, form.settings, config, tokenizer, request)
        write_json(partial / _OPEN_CLIP_CONFIG, config)
    repairs = () if form.settings.repair_text else (_REPAIRS,)
    return ExportReport(folder=request.out, notes=(*form.notes, *notes, *repairs))


def _refuse_umls(meta: BundleMeta, request: ExportRequest) -> None:
    if meta.provenance.holds_umls and not request.allow_umls:
        raise ModelError(
            "MV2111",
            f"{request.bundle / BUNDLE_FILE} says that text of the UMLS went into the training",
            hint="export with --allow-umls where your licence covers the receiver",
        )


def _config(
    settings: OpenClipSettings, preprocessing: ImagePreprocessing, request: ExportRequest
) -> dict[str, Any]:
    model: dict[str, Any] = json.loads(json.dumps(settings.model))
    if settings.text_model is not None:
        place = request.text_model or str(request.out.resolve())
        model["text_cfg"].update(hf_model_name=place, hf_tokenizer_name=place)
    return {
        "model_cfg": model,
        "preprocess_cfg": {
            "size": preprocessing.input_px,
            "mode": "RGB",
            "mean": preprocessing.mean,
            "std": preprocessing.std,
            "interpolation": preprocessing.interpolation,
            "resize_mode": "shortest",
            "fill_color": 0,
        },
    }


def _write_text_files(
    folder: Path,
    settings: OpenClipSettings,
    config: dict[str, Any],
    tokenizer: TextTokenizer,
    request: ExportRequest,
) -> tuple[str, ...]:
    """Write what open_clip's text side needs beside the weights; return what to tell the user."""
    text = config["model_cfg"]["text_cfg"]
    if isinstance(tokenizer, ClipTokenizer):
        text.pop("hf_tokenizer_name", None)
        if _is_default(tokenizer):
            return ()
        text["hf_tokenizer_name"] = "local"
        start, end = tokenizer.ends
        special = {"bos_token": start, "eos_token": end, "unk_token": end, "pad_token": end}
    else:
        special = {
            "cls_token": "[CLS]",
            "sep_token": "[SEP]",
            "unk_token": "[UNK]",
            "pad_token": "[PAD]",
            "mask_token": "[MASK]",
        }
    (folder / TOKENIZER_FILE).write_text(tokenizer.to_json(), encoding="utf-8")
    write_json(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "PreTrainedTokenizerFast", **special},
    )
    if settings.text_model is None:
        return ()
    sizes = {"model_type": "bert", **settings.text_model.model_dump()}
    write_json(folder / "config.json", sizes)
    if request.text_model is not None:
        return ()
    return (
        f"open_clip finds the sizes of the text tower by the folder's path; if {request.out} is "
        "moved, set hf_model_name in open_clip_config.json, or export again.",
    )


def _is_default(tokenizer: ClipTokenizer) -> bool:
    """Whether open_clip's own tokenizer gives the same ids; the two ends may bear other names."""
    usual = default_clip_tokenizer()
    if (tokenizer.vocab_size, tokenizer.merges) != (usual.vocab_size, usual.merges):
        return False
    pieces = tokenizer.vocabulary.items() - {
        (end, tokenizer.vocabulary[end]) for end in tokenizer.ends
    }
    return pieces <= usual.vocabulary.items()
