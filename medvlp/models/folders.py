"""Find out what kind of model a name or a folder is, before anything of it is loaded."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from medvlp.errors import ModelError
from medvlp.models.bundle_kinds import read_any_bundle_meta
from medvlp.models.bundle_schema import BUNDLE_FILE
from medvlp.models.hub import HUB_PREFIX, fetch_hub_folder
from medvlp.models.weights import refuse_pickle

if TYPE_CHECKING:
    from medvlp.types import Modality

__all__ = ["FolderLayout", "bundle_modality", "model_folder", "model_label", "model_layout"]

_FORMS = "a model folder, hf-hub:owner/name, open_clip:ARCH[/PRETRAINED] or timm:ARCH[/PRETRAINED]"
_VOLUME_PREFIX = "volume:"
_IMAGE_PREFIXES = ("open_clip:", "timm:")
# model_type of a release's config.json -> the kind that `medvlp import` knows it by.
_IMPORTED = {"keep": "keep", "clip": "plip"}


class FolderLayout(Enum):
    """Who wrote a model folder."""

    BUNDLE = BUNDLE_FILE
    OPEN_CLIP = "open_clip_config.json"
    TIMM = "config.json"


def model_folder(name: str) -> Path:
    """Return the folder of a model given as a path or as ``hf-hub:owner/name``.

    Raises:
        ModelError: If there is no such folder (MV1401), a pickle was given (MV1406), or the hub
            does not give it (MV1412).
    """
    if name.startswith(HUB_PREFIX):
        return fetch_hub_folder(name)
    path = Path(name)
    if path.is_dir():
        return path
    if path.is_file():
        refuse_pickle(path)
        raise ModelError("MV1401", f"{name!r} is a file, not a model", expected=_FORMS)
    raise ModelError("MV1401", f"there is no model {name!r}", expected=_FORMS)


def model_label(name: str, folder: Path) -> str:
    """Return what outputs call a model: its hub name, or its folder's, never a local path."""
    return name if name.startswith(HUB_PREFIX) else folder.resolve().name


def model_layout(folder: Path) -> FolderLayout:
    """Return who wrote a model folder, by the settings file it holds.

    Raises:
        ModelError: If no known settings file is there (MV1401), or its settings ask for a program
            that comes with the model to be run (MV1416).
    """
    for layout in FolderLayout:
        if (folder / layout.value).is_file():
            if layout is not FolderLayout.BUNDLE:
                _refuse_remote_code(folder)
            if layout is not FolderLayout.TIMM or "architecture" in _object(folder / layout.value):
                return layout
    hint = _import_hint(folder)
    if (folder / "model.safetensors").is_file():
        raise ModelError(
            "MV1403", f"{folder} has weights but no {BUNDLE_FILE}", expected=_FORMS, hint=hint
        )
    raise ModelError(
        "MV1401",
        f"{folder} is not a model folder",
        expected=f"one of {[layout.value for layout in FolderLayout]} in it",
        hint=hint,
    )


def bundle_modality(name: str | Path) -> Modality:
    """Return what a model diagnoses, without loading its weights.

    Args:
        name: A model's folder, ``hf-hub:owner/name``, ``open_clip:ARCH[/PRETRAINED]``,
            ``timm:ARCH[/PRETRAINED]`` or ``volume:NETWORK``. Models that do not say what they
            take, those of open_clip and timm, count as models of slides.

    Raises:
        ModelError: If there is no such model (MV1401, MV1403, MV1412), or its description is not
            valid (MV1407, MV1408).
    """
    text = str(name)
    if text.startswith(_VOLUME_PREFIX):
        return "ct"
    if text.startswith(_IMAGE_PREFIXES):
        return "slide"
    folder = model_folder(text)
    if model_layout(folder) is not FolderLayout.BUNDLE:
        return "slide"
    return read_any_bundle_meta(folder).modality


def _import_hint(folder: Path) -> str:
    """Return how a release of a known kind is converted, or nothing."""
    settings = folder / FolderLayout.TIMM.value
    kind = _object(settings).get("model_type") if settings.is_file() else None
    known = _IMPORTED.get(kind) if isinstance(kind, str) else None
    return f"convert it once: medvlp import {known} {folder.name} --out BUNDLE" if known else ""


def _refuse_remote_code(folder: Path) -> None:
    for path in sorted(folder.glob("*.json")):
        if "auto_map" in _object(path):
            raise ModelError(
                "MV1416",
                f"{path} asks for a program that comes with the model to be run ('auto_map')",
                expected="a model that the installed libraries can build",
                hint=_import_hint(folder),
            )


def _object(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError("MV1407", f"{path} cannot be read as JSON ({error})") from error
    return content if isinstance(content, dict) else {}
