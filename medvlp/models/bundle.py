"""Model bundles: a folder that says what the model is, proves it is whole, and runs no code.

``medvlp.json`` describes the model and holds the sha256 of ``model.safetensors`` and
``tokenizer.json``. Zero-shot use of any dual encoder goes through :func:`load_bundle`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from medvlp.errors import ModelError
from medvlp.models.architecture import DualEncoderSettings
from medvlp.models.bundle_files import check_bundle_files
from medvlp.models.bundle_schema import (
    BUNDLE_FILE,
    TOKENIZER_FILE,
    WEIGHTS_FILE,
    BundleMeta,
    read_bundle_meta,
)
from medvlp.models.bundle_writing import BundleCard, save_bundle
from medvlp.models.dual_encoder import DualEncoder
from medvlp.models.folders import FolderLayout, model_folder, model_label, model_layout
from medvlp.models.hub import HUB_PREFIX
from medvlp.models.open_clip_build import (
    EncoderSide,
    build_open_clip,
    check_tokenizer_kind,
    open_clip_text_encoder,
)
from medvlp.models.open_clip_models import OpenClipModel, load_open_clip, load_open_clip_folder
from medvlp.models.open_clip_settings import OpenClipSettings
from medvlp.models.text_encoder import TextEncoder
from medvlp.models.text_side import caption_text_encoder
from medvlp.models.vision import ImageEncoder
from medvlp.models.weights import check_fit, load_weights_into, read_safetensors
from medvlp.text.file_tokenizer import load_report_tokenizer
from medvlp.text.tokenizer import CaptionTokenizer
from medvlp.text.tokenizer_files import load_tokenizer

if TYPE_CHECKING:
    from medvlp.text.tokenizer_files import TextTokenizer

__all__ = [
    "Bundle",
    "BundleCard",
    "load_bundle",
    "load_bundle_folder",
    "save_bundle",
]


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A dual encoder ready for zero-shot use.

    Attributes:
        name: The name under which it was asked for.
        image_encoder: Pixels to unit vectors.
        text_encoder: Texts to unit vectors of the same space.
        logit_scale: Multiplier of cosines after exp (1 / temperature; no unit).
        meta: The description, of our own bundles; None for an open_clip model.
    """

    name: str
    image_encoder: ImageEncoder
    text_encoder: TextEncoder
    logit_scale: float
    meta: BundleMeta | None


def load_bundle(name: str | Path, *, device: str = "cpu", precision: str = "fp32") -> Bundle:
    """Load a dual encoder for zero-shot use.

    Args:
        name: A bundle's or an open_clip model's folder, ``hf-hub:owner/name``, or
            ``open_clip:ARCH[/PRETRAINED]``.
        device: Where the towers run.
        precision: ``fp32`` or ``bf16``, of the image tower.

    Raises:
        ModelError: If the model cannot be used (MV14xx), or has no text tower (MV1413).
    """
    text = str(name)
    if text.startswith("open_clip:"):
        model = load_open_clip(text, text.removeprefix("open_clip:"))
        return _from_open_clip(model, device, precision)
    if text.startswith("timm:"):
        raise _without_text(text)
    folder = model_folder(text)
    layout = model_layout(folder)
    if layout == FolderLayout.OPEN_CLIP:
        label = model_label(text, folder)
        return _from_open_clip(load_open_clip_folder(label, folder), device, precision)
    if layout == FolderLayout.TIMM:
        raise _without_text(text)
    return load_bundle_folder(text, folder, device=device, precision=precision)


def load_bundle_folder(name: str, folder: Path, *, device: str, precision: str) -> Bundle:
    """Load a folder that holds ``medvlp.json``; every file's hash is checked before use.

    A local bundle is called in outputs what its description calls it, never by its path.

    Raises:
        ModelError: If a file is missing (MV1403), changed (MV1404), of another version (MV1408), or
            does not fit the description.
    """
    meta = read_bundle_meta(folder)
    check_bundle_files(folder, meta.files)
    architecture = meta.architecture
    tokenizer = _load_tokenizer(folder / TOKENIZER_FILE, architecture)
    if tokenizer.vocab_size != meta.vocab_size:
        raise ModelError(
            "MV1410",
            f"{folder / TOKENIZER_FILE} has {tokenizer.vocab_size} pieces",
            expected=f"{meta.vocab_size}, as {BUNDLE_FILE} says",
        )
    name = name if name.startswith(HUB_PREFIX) else meta.name
    if isinstance(architecture, OpenClipSettings):
        sides = _open_clip_sides(name, architecture, tokenizer, folder, device)
    else:
        sides = _own_sides(name, architecture, tokenizer, folder, device)
    return Bundle(
        name=name,
        image_encoder=ImageEncoder(
            name=name,
            tower=sides.image,
            weights=sides.image_weights,
            preprocessing=meta.preprocessing.to_preprocessing(),
            is_projected=True,
            is_normalized=True,
            mpp=meta.scale.mpp if meta.scale else None,
            tile_px=meta.scale.tile_px if meta.scale else None,
            device=device,
            precision=precision,
        ),
        text_encoder=sides.text,
        logit_scale=sides.logit_scale,
        meta=meta,
    )


def _load_tokenizer(
    path: Path, architecture: DualEncoderSettings | OpenClipSettings
) -> TextTokenizer:
    if isinstance(architecture, DualEncoderSettings) and architecture.decoder is not None:
        return load_report_tokenizer(path)
    return load_tokenizer(path)


@dataclass(frozen=True)
class _Sides:
    image: torch.nn.Module
    image_weights: dict[str, torch.Tensor]
    text: TextEncoder
    logit_scale: float


def _own_sides(
    name: str,
    settings: DualEncoderSettings,
    tokenizer: TextTokenizer,
    folder: Path,
    device: str,
) -> _Sides:
    if settings.decoder is None and not isinstance(tokenizer, CaptionTokenizer):
        raise ModelError(
            "MV1410", f"{folder / TOKENIZER_FILE} is a byte-pair tokenizer", expected="WordPiece"
        )
    model = DualEncoder(settings, tokenizer.vocab_size)
    load_weights_into(model, read_safetensors(folder / WEIGHTS_FILE), str(folder))
    image = model.image_side()
    return _Sides(
        image=image,
        image_weights=image.state_dict(),
        text=caption_text_encoder(name, model, settings.text_tower, tokenizer, device),
        logit_scale=float(model.logit_scale.detach().exp()),
    )


def _open_clip_sides(
    name: str,
    settings: OpenClipSettings,
    tokenizer: TextTokenizer,
    folder: Path,
    device: str,
) -> _Sides:
    check_tokenizer_kind(settings, tokenizer, str(folder / TOKENIZER_FILE))
    weights = read_safetensors(folder / WEIGHTS_FILE)
    with torch.device("meta"):  # settings cannot ask for more memory than the file has weights
        check_fit(build_open_clip(settings), weights, str(folder))
    model = build_open_clip(settings)
    load_weights_into(model, weights, str(folder))
    return _Sides(
        image=EncoderSide(model, model.encode_image),
        image_weights=model.visual.state_dict(),
        text=open_clip_text_encoder(name, model, settings, tokenizer, device),
        logit_scale=float(model.logit_scale.detach().exp()),
    )


def _from_open_clip(model: OpenClipModel, device: str, precision: str) -> Bundle:
    return Bundle(
        name=model.name,
        image_encoder=model.image_encoder(device, precision),
        text_encoder=model.text_encoder(device),
        logit_scale=model.logit_scale,
        meta=None,
    )


def _without_text(name: str) -> ModelError:
    return ModelError(
        "MV1413",
        f"model {name!r} has an image tower only; zero-shot needs a text tower beside it",
        expected="a model bundle, an open_clip model, or hf-hub: with one of these",
        hint="image towers serve `medvlp embed`",
    )
