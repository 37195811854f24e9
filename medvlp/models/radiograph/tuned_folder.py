"""The folder that a fine-tuned network for radiographs is kept in, of classes or of masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final, Literal

import torch
from pydantic import Field

from medvlp.config.strict import StrictModel, parse_model
from medvlp.errors import ConfigError, ModelError
from medvlp.models.bundle_files import check_bundle_files, publish_bundle
from medvlp.models.bundle_schema import WEIGHTS_FILE, Provenance
from medvlp.models.importers.source import read_json_object
from medvlp.models.radiograph.settings import RadiographModelSettings
from medvlp.models.radiograph.tuned_networks import (
    ClassKind,
    RadiographClassNetwork,
    RadiographMaskNetwork,
)
from medvlp.models.weights import check_fit, load_weights_into, read_safetensors

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "TUNED_FILE",
    "TunedCard",
    "TunedMeta",
    "load_class_network",
    "load_mask_network",
    "save_tuned",
]

TUNED_FILE = "radiograph_tuned.json"
FORMAT_VERSION: Final = 1
Name = Annotated[str, Field(min_length=1, max_length=200)]
Tuned = RadiographClassNetwork | RadiographMaskNetwork


@dataclass(frozen=True, kw_only=True)
class TunedCard:
    """What the folder says besides the network.

    Attributes:
        name: The network's name.
        provenance: What it was trained on.
        license: Licence of the weights.
    """

    name: str
    provenance: Provenance
    license: str


class TunedMeta(StrictModel):
    """What ``radiograph_tuned.json`` says.

    Attributes:
        format: Always ``medvlp-radiograph-tuned``.
        format_version: Version of this layout.
        name: The network's name.
        task: ``multi-label`` and ``one-of`` judge an image, ``masks`` its pixels.
        settings: The network that the tower is of, with the size and range of its input.
        classes: Names of the classes, in the order of the logits; the first of masks is the
            background.
        width: Channels of the first convolution of masks; None for classes.
        provenance: What it was trained on.
        license: Licence of the weights.
        files: File name to the sha256 of its bytes.
    """

    format: Literal["medvlp-radiograph-tuned"] = "medvlp-radiograph-tuned"
    format_version: Literal[1] = FORMAT_VERSION
    name: Name
    task: ClassKind | Literal["masks"]
    settings: RadiographModelSettings
    classes: Annotated[tuple[Name, ...], Field(min_length=1)]
    width: Annotated[int, Field(ge=1, le=65536)] | None = None
    provenance: Provenance
    license: str
    files: dict[str, str]


def save_tuned(folder: Path, model: Tuned, card: TunedCard) -> TunedMeta:
    """Write a fine-tuned network; the folder appears whole or not at all.

    Args:
        folder: The new folder; must not exist with content.
        model: The network, on any device.
        card: What else is to be said.

    Returns:
        The description that was written.

    Raises:
        ModelError: If a weight is NaN or infinite (MV1405).
        FileExistsError: If the folder is taken.
    """

    def describe(files: dict[str, str]) -> TunedMeta:
        return TunedMeta(
            name=card.name,
            task="masks" if isinstance(model, RadiographMaskNetwork) else model.kind,
            settings=model.settings,
            classes=model.classes,
            width=model.width if isinstance(model, RadiographMaskNetwork) else None,
            provenance=card.provenance,
            license=card.license,
            files=files,
        )

    return publish_bundle(folder, model.state_dict(), {}, describe, card.name, listing=TUNED_FILE)


def load_class_network(folder: Path) -> tuple[RadiographClassNetwork, TunedMeta]:
    """Read a network of classes; hashes are checked before use.

    Args:
        folder: What :func:`save_tuned` wrote.

    Returns:
        The network in evaluation mode, and its description.

    Raises:
        ModelError: If it is of masks (MV1407), a file is missing (MV1403), changed (MV1404),
            damaged (MV1414), or does not fit the description (MV1405, MV1407, MV1409).
    """
    meta = _read_meta(folder)
    if meta.task == "masks":
        raise _of_another_task(folder, meta, "multi-label or one-of")
    kind = meta.task
    weights = _read_weights(folder, meta)
    with torch.device("meta"):  # settings cannot ask for more memory than the file has weights
        check_fit(RadiographClassNetwork(meta.settings, meta.classes, kind), weights, str(folder))
    model = RadiographClassNetwork(meta.settings, meta.classes, kind)
    load_weights_into(model, weights, str(folder))
    return model.eval(), meta


def load_mask_network(folder: Path) -> tuple[RadiographMaskNetwork, TunedMeta]:
    """Read a network of masks; as :func:`load_class_network`.

    Args:
        folder: What :func:`save_tuned` wrote.

    Raises:
        ModelError: As :func:`load_class_network`.
    """
    meta = _read_meta(folder)
    if meta.task != "masks" or meta.width is None:
        raise _of_another_task(folder, meta, "masks, with a width")
    width = meta.width
    weights = _read_weights(folder, meta)
    with torch.device("meta"):
        built = RadiographMaskNetwork(meta.settings, meta.classes, width=width)
        check_fit(built, weights, str(folder))
    model = RadiographMaskNetwork(meta.settings, meta.classes, width=width)
    load_weights_into(model, weights, str(folder))
    return model.eval(), meta


def _read_meta(folder: Path) -> TunedMeta:
    path = folder / TUNED_FILE
    if not path.is_file():
        raise ModelError(
            "MV1403",
            f"{path} does not exist",
            expected="a folder that fine-tuning on radiographs wrote",
        )
    try:
        return parse_model(read_json_object(path), TunedMeta, source=str(path))
    except ConfigError as error:
        raise ModelError("MV1407", error.what, expected=error.expected, hint=error.hint) from error


def _read_weights(folder: Path, meta: TunedMeta) -> dict[str, torch.Tensor]:
    check_bundle_files(folder, meta.files, listing=TUNED_FILE)
    return read_safetensors(folder / WEIGHTS_FILE)


def _of_another_task(folder: Path, meta: TunedMeta, expected: str) -> ModelError:
    return ModelError(
        "MV1407", f"{folder / TUNED_FILE} is of task {meta.task!r}", expected=f"task: {expected}"
    )
