"""Load a bundle of a model that takes CT volumes: proved whole, and ready to use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from medvlp.errors import ModelError
from medvlp.models.bundle_files import check_bundle_files
from medvlp.models.bundle_schema import BUNDLE_FILE, TOKENIZER_FILE, WEIGHTS_FILE
from medvlp.models.folders import FolderLayout, model_folder, model_layout
from medvlp.models.hub import HUB_PREFIX
from medvlp.models.text_side import caption_text_encoder
from medvlp.models.volume.bundle_schema import (
    TEXTS_FILE,
    VolumeBundleMeta,
    read_volume_bundle_meta,
)
from medvlp.models.volume.dual_encoder import VolumeDualEncoder
from medvlp.models.volume.stored_texts import read_stored_texts
from medvlp.models.volume.volume_encoder import VolumeEncoder, network_shape
from medvlp.models.weights import check_fit, load_weights_into, read_safetensors
from medvlp.text.tokenizer import CaptionTokenizer

if TYPE_CHECKING:
    from medvlp.models.text_encoder import EmbedsTexts

__all__ = ["VolumeBundle", "load_volume_bundle"]


@dataclass(frozen=True, kw_only=True)
class VolumeBundle:
    """A model of CT volumes ready to use.

    Attributes:
        name: The name under which it was asked for.
        volume_encoder: Boxes of Hounsfield units to embeddings; unit vectors where they share a
            space with text.
        text_encoder: Texts to unit vectors of the same space; of any text, or of stored ones only;
            None where the model has neither.
        logit_scale: Multiplier of cosines after exp (1 / temperature; no unit).
        meta: The description.
    """

    name: str
    volume_encoder: VolumeEncoder
    text_encoder: EmbedsTexts | None
    logit_scale: float
    meta: VolumeBundleMeta

    def require_text(self) -> EmbedsTexts:
        """Return the text encoder.

        Raises:
            ModelError: If the model has neither a text tower nor stored texts (MV1448).
        """
        if self.text_encoder is None:
            raise ModelError(
                "MV1448",
                f"model {self.name!r} cannot read texts: it has no text tower and no embeddings of "
                "texts",
                expected="a model with texts",
                hint="import it again with --texts, or use the model with `medvlp embed`",
            )
        return self.text_encoder


def load_volume_bundle(
    name: str | Path, *, device: str = "cpu", precision: str = "fp32"
) -> VolumeBundle:
    """Load a model of CT volumes.

    A local bundle is called in outputs what its description calls it, never by its path.

    Args:
        name: A bundle's folder, or ``hf-hub:owner/name``.
        device: Where the networks run.
        precision: ``fp32`` or ``bf16``, of the network for volumes.

    Raises:
        ModelError: If a file is missing (MV1403), changed (MV1404), of another version (MV1408),
            of a model of another modality (MV1445), or does not fit the description (MV14xx).
    """
    text = str(name)
    folder = model_folder(text)
    if model_layout(folder) is not FolderLayout.BUNDLE:
        raise ModelError(
            "MV1445", f"model {text!r} takes images", expected=f"a folder with {BUNDLE_FILE}"
        )
    meta = read_volume_bundle_meta(folder)
    check_bundle_files(folder, meta.files)
    called = text if text.startswith(HUB_PREFIX) else meta.name
    model = _load_model(folder, meta)
    side = model.volume_side()
    encoder = VolumeEncoder(
        name=called,
        tower=side,
        dim=model.dim,
        weights=side.state_dict(),
        preprocessing=meta.preprocessing.to_preprocessing(),
        is_projected=meta.is_projected,
        is_normalized=meta.is_projected,
        device=device,
        precision=precision,
    )
    return VolumeBundle(
        name=called,
        volume_encoder=encoder,
        text_encoder=_text_encoder(called, model, folder, meta, device),
        logit_scale=float(model.logit_scale.detach().exp()),
        meta=meta,
    )


def _load_model(folder: Path, meta: VolumeBundleMeta) -> VolumeDualEncoder:
    weights = read_safetensors(folder / WEIGHTS_FILE)
    shape = network_shape(meta.preprocessing.to_preprocessing())
    with torch.device("meta"):  # settings cannot ask for more memory than the file has weights
        check_fit(
            VolumeDualEncoder(meta.architecture, shape, meta.vocab_size), weights, str(folder)
        )
    model = VolumeDualEncoder(meta.architecture, shape, meta.vocab_size)
    load_weights_into(model, weights, str(folder))
    return model


def _text_encoder(
    name: str, model: VolumeDualEncoder, folder: Path, meta: VolumeBundleMeta, device: str
) -> EmbedsTexts | None:
    if TEXTS_FILE in meta.files:
        stored = read_stored_texts(folder / TEXTS_FILE, name)
        if stored.dim != model.dim:
            raise ModelError(
                "MV1446",
                f"{folder / TEXTS_FILE} has vectors of {stored.dim} values",
                expected=f"{model.dim}, the length of the model's embeddings",
            )
        return stored
    settings = meta.architecture.text
    if settings is None:
        return None
    tokenizer = CaptionTokenizer.load(folder / TOKENIZER_FILE)
    if tokenizer.vocab_size != meta.vocab_size:
        raise ModelError(
            "MV1410",
            f"{folder / TOKENIZER_FILE} has {tokenizer.vocab_size} pieces",
            expected=f"{meta.vocab_size}, as {BUNDLE_FILE} says",
        )
    return caption_text_encoder(name, model, settings, tokenizer, device)
