"""The one place that talks to open_clip: dual encoders by architecture, tag, file or folder."""

from __future__ import annotations

import json
import logging
import pickle
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import open_clip
import torch
from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model
from safetensors import SafetensorError

from medvlp.errors import ModelError, nearest_name
from medvlp.models.importers.open_clip_layout import read_open_clip_release
from medvlp.models.importers.source import ForeignModel
from medvlp.models.open_clip_build import EncoderSide, build_open_clip, open_clip_text_encoder
from medvlp.models.preprocessing import from_open_clip
from medvlp.models.text_encoder import TextEncoder
from medvlp.models.timm_towers import with_local_seed
from medvlp.models.vision import ImageEncoder
from medvlp.models.weights import check_finite, load_weights_into, refuse_pickle

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from medvlp.models.importers.open_clip_parts import OpenClipParts

    Model: TypeAlias = open_clip.CLIP | open_clip.CustomTextCLIP | open_clip.CoCa

__all__ = ["OpenClipModel", "load_open_clip", "load_open_clip_folder"]

_LOAD_ERRORS = (
    RuntimeError,
    ValueError,
    KeyError,
    TypeError,
    OSError,
    SafetensorError,
    pickle.UnpicklingError,
)


# No BERT, or one without sizes or tokenizer in the folder: open_clip may find them in its cache.
_NOT_WHOLE = ("MV2101", "MV2107", "MV2108")


class OpenClipModel:
    """A loaded open_clip dual encoder, from which the two encoders are made.

    Args:
        name: The whole name the user gave.
        source: The name by which open_clip finds it.
        model: The module.
        is_random: Whether the weights were never trained.
        parts: What the model was built from, where open_clip itself would ask the hub for it.
    """

    def __init__(
        self,
        name: str,
        source: str,
        model: Model,
        is_random: bool,
        parts: OpenClipParts | None = None,
    ) -> None:
        self.name = name
        self._parts = parts
        self._source = source
        self._model = model
        self._is_random = is_random

    @property
    def logit_scale(self) -> float:
        """Multiplier of cosines after exp; no unit."""
        return float(self._model.logit_scale.detach().float().exp())

    def image_encoder(self, device: str, precision: str) -> ImageEncoder:
        """Return the image side; features are projected unit vectors."""
        visual: Any = self._model.visual
        return ImageEncoder(
            name=self.name,
            tower=EncoderSide(self._model, self._model.encode_image),
            weights=visual.state_dict(),
            preprocessing=self._parts.preprocessing
            if self._parts
            else from_open_clip(visual.preprocess_cfg, self.name),
            is_projected=True,
            is_normalized=True,
            is_random=self._is_random,
            device=device,
            precision=precision,
        )

    def text_encoder(self, device: str) -> TextEncoder:
        """Return the text side.

        Raises:
            ModelError: If the tokenizer cannot be loaded (MV1410) or a weight is NaN (MV1405).
        """
        check_finite(self._model.state_dict(), self.name)
        if self._parts is not None:
            settings, own = self._parts.settings, self._parts.tokenizer
            return open_clip_text_encoder(self.name, self._model, settings, own, device)
        try:
            with _root_logger_left_alone():
                tokenizer = open_clip.get_tokenizer(self._source)
        except _LOAD_ERRORS as error:
            raise ModelError(
                "MV1410", f"the tokenizer of {self.name!r} cannot be loaded ({error})"
            ) from error

        def tokenize(texts: Sequence[str]) -> tuple[torch.Tensor, ...]:
            return (tokenizer(list(texts)),)

        tower = EncoderSide(self._model, self._model.encode_text)
        return TextEncoder(name=self.name, tower=tower, tokenize=tokenize, device=device)


def load_open_clip(name: str, spec: str) -> OpenClipModel:
    """Load ``ARCH``, ``ARCH/TAG`` or ``ARCH/FILE.safetensors``.

    Args:
        name: The whole name the user gave.
        spec: What follows ``open_clip:`` in it.

    Raises:
        ModelError: If the architecture or the tag is unknown, or the weights cannot be used.
    """
    architecture, _, pretrained = spec.partition("/")
    if architecture not in open_clip.list_models():
        raise ModelError(
            "MV1402",
            f"open_clip has no architecture {architecture!r}"
            f"{nearest_name(architecture, open_clip.list_models())}",
            expected="a name of open_clip.list_models()",
        )
    if Path(pretrained).suffix:
        refuse_pickle(Path(pretrained))
        if not Path(pretrained).is_file():
            raise ModelError("MV1403", f"{pretrained} does not exist", expected="a weights file")
    elif pretrained:
        _check_tag(architecture, pretrained)
    model = _create(name, architecture, pretrained or None)
    return OpenClipModel(name, architecture, model, is_random=not pretrained)


def load_open_clip_folder(name: str, folder: Path) -> OpenClipModel:
    """Load a folder in open_clip's layout: ``open_clip_config.json``, weights, tokenizer files.

    open_clip would ask the hub for the sizes of a BERT text tower; they are taken from the folder,
    or known for BERT-base.

    Raises:
        ModelError: If the folder has no weights (MV1403) or cannot be loaded (MV1409, MV21xx).
    """
    if not any(folder.glob("*.safetensors")) and not any(folder.glob("*.bin")):
        raise ModelError(
            "MV1403",
            f"{folder} has open_clip_config.json but no weights",
            expected="open_clip_model.safetensors",
        )
    source = f"local-dir:{folder}"
    parts = _parts_with_bert(folder)
    if parts is not None:
        built = build_open_clip(parts.settings)
        load_weights_into(built, parts.tensors, str(folder))
        return OpenClipModel(name, source, built, is_random=False, parts=parts)
    return OpenClipModel(name, source, _create(name, source, None), is_random=False)


def _parts_with_bert(folder: Path) -> OpenClipParts | None:
    """Return the parts of a model with a BERT text tower of known sizes; None for any other."""
    try:
        config = json.loads((folder / "open_clip_config.json").read_bytes())
        has_name = bool(config["model_cfg"]["text_cfg"].get("hf_model_name"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # open_clip says what is wrong with it
    try:
        return read_open_clip_release(ForeignModel(folder)) if has_name else None
    except ModelError as error:
        if error.code in _NOT_WHOLE:
            return None
        raise


def _check_tag(architecture: str, tag: str) -> None:
    tags = list_pretrained_tags_by_model(architecture)
    if tag not in tags:
        raise ModelError(
            "MV1402",
            f"open_clip has no weights {tag!r} for {architecture!r}{nearest_name(tag, tags)}",
            expected=f"one of {tags}" if tags else "no tag: open_clip has no weights for it at all",
        )
    wants_quick = bool(get_pretrained_cfg(architecture, tag).get("quick_gelu", False))
    has_quick = bool((open_clip.get_model_config(architecture) or {}).get("quick_gelu", False))
    if wants_quick != has_quick:
        plain = architecture.removesuffix("-quickgelu")
        raise ModelError(
            "MV1402",
            f"weights {tag!r} were trained with quick_gelu={wants_quick} and {architecture!r} has "
            f"quick_gelu={has_quick}; its features would be wrong",
            hint=f"use open_clip:{plain}{'-quickgelu' if wants_quick else ''}/{tag}",
        )


def _create(name: str, source: str, pretrained: str | None) -> Model:
    def build() -> Model:
        return open_clip.create_model(
            source, pretrained=pretrained, pretrained_text=False, weights_only=True
        )

    try:
        with _root_logger_left_alone():
            return with_local_seed(build)
    except _LOAD_ERRORS as error:
        raise ModelError(
            "MV1409",
            f"open_clip cannot load {name!r} ({error})",
            hint="without network, only files that are already in the cache can be loaded",
        ) from error


@contextmanager
def _root_logger_left_alone() -> Iterator[None]:
    """Keep open_clip's ``logging.info`` from installing a handler on the root logger."""
    root = logging.getLogger()
    silent = logging.NullHandler()
    root.addHandler(silent)
    try:
        yield
    finally:
        root.removeHandler(silent)
