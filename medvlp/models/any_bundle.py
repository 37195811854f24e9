"""Load a model that reads texts: of images, CT volumes or findings of radiographs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medvlp.errors import ModelError
from medvlp.models.bundle import Bundle, load_bundle
from medvlp.models.bundle_schema import read_bundle_document
from medvlp.models.folders import FolderLayout, model_folder, model_layout
from medvlp.models.radiograph.bundle import (
    RadiographBundle,
    is_finding_model,
    load_radiograph_bundle,
)
from medvlp.models.volume.bundle import VolumeBundle, load_volume_bundle
from medvlp.models.volume.volume_loading import NETWORK_PREFIX

if TYPE_CHECKING:
    from pathlib import Path

    from medvlp.models.vision import ImageEncoder
    from medvlp.models.volume.volume_encoder import VolumeEncoder
    from medvlp.types import Modality

__all__ = ["AnyBundle", "load_any_bundle", "model_encoder", "model_modality"]

AnyBundle = Bundle | VolumeBundle | RadiographBundle
"""A model of some modality with a text side."""

_LIBRARIES = ("open_clip:", "timm:")


def load_any_bundle(name: str | Path, *, device: str = "cpu", precision: str = "fp32") -> AnyBundle:
    """Load a model for zero-shot use; its description says what it takes.

    A pair of towers for radiographs comes as :class:`Bundle`, as one for slides does;
    :func:`load_radiograph_bundle` makes it judge findings.

    Args:
        name: A bundle's or an open_clip model's folder, ``hf-hub:owner/name``, or
            ``open_clip:ARCH[/PRETRAINED]``.
        device: Where the networks run.
        precision: ``fp32`` or ``bf16``, of the image or volume network.

    Raises:
        ModelError: If the model cannot be used (MV14xx), or has no texts (MV1413).
    """
    if str(name).startswith(NETWORK_PREFIX):
        raise ModelError(
            "MV1413",
            f"model {str(name)!r} is a network for scans only; zero-shot needs texts beside it",
            expected="a model bundle, or hf-hub: with one",
            hint="such networks serve `medvlp embed`",
        )
    if not str(name).startswith(_LIBRARIES):
        folder = model_folder(str(name))
        if model_layout(folder) is FolderLayout.BUNDLE:
            if read_bundle_document(folder).get("modality") == "ct":
                return load_volume_bundle(name, device=device, precision=precision)
            if is_finding_model(folder):
                return load_radiograph_bundle(name, device=device, precision=precision)
    return load_bundle(name, device=device, precision=precision)


def model_modality(model: AnyBundle) -> Modality:
    """Return what kind of cases a model takes; a model of open_clip is taken to be for slides."""
    if isinstance(model, VolumeBundle):
        return "ct"
    if isinstance(model, RadiographBundle):
        return "radiograph"
    return model.meta.modality if model.meta else "slide"


def model_encoder(model: AnyBundle) -> ImageEncoder | VolumeEncoder | RadiographBundle:
    """Return the encoder of what a model takes; a model of findings embeds radiographs itself."""
    if isinstance(model, RadiographBundle):
        return model
    return model.volume_encoder if isinstance(model, VolumeBundle) else model.image_encoder
