"""Load an image encoder by name, whoever made it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medvlp.errors import ModelError
from medvlp.models.bundle import load_bundle_folder
from medvlp.models.folders import FolderLayout, model_folder, model_label, model_layout
from medvlp.models.open_clip_models import load_open_clip, load_open_clip_folder
from medvlp.models.timm_towers import load_timm_encoder, load_timm_folder
from medvlp.models.vision import ImageEncoder

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ImageEncoder", "load_image_encoder"]

_LIBRARIES = ("open_clip", "timm")


def load_image_encoder(
    name: str | Path, *, device: str = "cpu", precision: str = "fp32"
) -> ImageEncoder:
    """Load an image encoder.

    Args:
        name: One of
            a folder: a model bundle, or a folder in the layout of open_clip or timm;
            ``hf-hub:owner/name[@revision]``: the same, from the Hugging Face hub or its cache;
            ``open_clip:ARCH[/PRETRAINED]`` and ``timm:ARCH[/PRETRAINED]``: PRETRAINED is a tag of
            the library or a .safetensors file; without it the weights are random and fixed by a
            seed.
        device: ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        precision: ``bf16`` runs the tower under autocast; features are float32 either way.

    Raises:
        ModelError: If the model cannot be used (MV14xx).
        UsageError: If the device or precision does not exist (MV1415).
    """
    text = str(name)
    library, colon, spec = text.partition(":")
    if colon and library in _LIBRARIES and not spec:
        raise ModelError("MV1401", f"{text!r} names no architecture", expected=f"{library}:ARCH")
    if colon and library == "timm":
        return load_timm_encoder(text, spec, device=device, precision=precision)
    if colon and library == "open_clip":
        return load_open_clip(text, spec).image_encoder(device, precision)
    folder = model_folder(text)
    layout = model_layout(folder)
    if layout is FolderLayout.TIMM:
        label = model_label(text, folder)
        return load_timm_folder(label, folder, device=device, precision=precision)
    if layout is FolderLayout.OPEN_CLIP:
        label = model_label(text, folder)
        return load_open_clip_folder(label, folder).image_encoder(device, precision)
    bundle = load_bundle_folder(text, folder, device=device, precision=precision)
    return bundle.image_encoder
