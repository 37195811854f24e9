"""A network for scans on its own, as training on attributes makes it, and the folder it is kept in.

Another training may begin with it, or with the network of a whole model.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Final, Literal

import torch
from pydantic import Field

from medvlp.config.strict import StrictModel, parse_model
from medvlp.errors import ConfigError, ModelError
from medvlp.models.bundle_files import check_bundle_files, publish_bundle
from medvlp.models.bundle_schema import BUNDLE_FILE, WEIGHTS_FILE, Provenance
from medvlp.models.volume.attribute_network import AttributeNetwork
from medvlp.models.volume.bundle_schema import (
    VolumeBundleMeta,
    VolumePreprocessingRecord,
    read_volume_bundle_meta,
)
from medvlp.models.volume.settings import VolumeTowerSettings
from medvlp.models.volume.volume_encoder import network_shape
from medvlp.models.weights import check_fit, load_weights_into, read_safetensors

if TYPE_CHECKING:
    from pathlib import Path

    from medvlp.models.volume.towers import VolumeTower
    from medvlp.types import VolumePreprocessing

__all__ = [
    "IMAGE_TOWER_FILE",
    "ImageTowerCard",
    "ImageTowerMeta",
    "VolumeTowerSource",
    "load_image_tower",
    "open_volume_tower",
    "save_image_tower",
    "take_volume_tower",
]

IMAGE_TOWER_FILE = "image_tower.json"
FORMAT_VERSION: Final = 1
_MAX_BYTES = 16 * 2**20
_PREFIX = "volume_tower."
_WITHOUT_EFFECT = {"cut_shortcut_gradient"}
Name = Annotated[str, Field(min_length=1, max_length=200)]


class ImageTowerMeta(StrictModel):
    """What ``image_tower.json`` says.

    Attributes:
        format: Always ``medvlp-image-tower``.
        format_version: Version of this layout.
        name: The network's name.
        settings: The network.
        preprocessing: How boxes are cut from a scan and brought to the network's input.
        attributes: What it learned: attribute -> names of its classes, in the order of the heads.
        provenance: What it was trained on.
        license: Licence of the weights.
        files: File name to the sha256 of its bytes.
    """

    format: Literal["medvlp-image-tower"] = "medvlp-image-tower"
    format_version: Literal[1] = FORMAT_VERSION
    name: Name
    settings: VolumeTowerSettings
    preprocessing: VolumePreprocessingRecord
    attributes: Annotated[dict[Name, tuple[str, ...]], Field(min_length=1)]
    provenance: Provenance
    license: str
    files: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class ImageTowerCard:
    """What a network's folder says besides the architecture.

    Attributes:
        name: The network's name.
        preprocessing: How boxes are cut from a scan and brought to the network's input.
        provenance: What it was trained on.
        license: Licence of the weights.
    """

    name: str
    preprocessing: VolumePreprocessing
    provenance: Provenance
    license: str


@dataclass(frozen=True, kw_only=True)
class VolumeTowerSource:
    """A trained network for scans, as far as another training begins with it.

    Attributes:
        name: Its name.
        settings: The network.
        preprocessing: What its boxes were.
        provenance: What it was trained on.
        state: Its tensors, under the names of a :class:`VolumeTower`.
    """

    name: str
    settings: VolumeTowerSettings
    preprocessing: VolumePreprocessing
    provenance: Provenance
    state: dict[str, torch.Tensor]


def save_image_tower(folder: Path, model: AttributeNetwork, card: ImageTowerCard) -> ImageTowerMeta:
    """Write a network and its heads; the folder appears whole or not at all.

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

    def describe(files: dict[str, str]) -> ImageTowerMeta:
        return ImageTowerMeta(
            name=card.name,
            settings=model.settings,
            preprocessing=VolumePreprocessingRecord(**asdict(card.preprocessing)),
            attributes=model.attributes,
            provenance=card.provenance,
            license=card.license,
            files=files,
        )

    return publish_bundle(
        folder, model.state_dict(), {}, describe, card.name, listing=IMAGE_TOWER_FILE
    )


def load_image_tower(folder: Path) -> tuple[AttributeNetwork, ImageTowerMeta]:
    """Read what :func:`save_image_tower` wrote, with the heads; hashes are checked before use.

    Args:
        folder: The folder.

    Returns:
        The network in evaluation mode, and its description.

    Raises:
        ModelError: If a file is missing (MV1403), changed (MV1404), damaged (MV1414), or does not
            fit the description (MV1405, MV1407, MV1409).
    """
    meta = _read_meta(folder)
    check_bundle_files(folder, meta.files, listing=IMAGE_TOWER_FILE)
    weights = read_safetensors(folder / WEIGHTS_FILE)
    shape = network_shape(meta.preprocessing.to_preprocessing())
    with torch.device("meta"):  # settings cannot ask for more memory than the file has weights
        check_fit(AttributeNetwork(meta.settings, shape, meta.attributes), weights, str(folder))
    model = AttributeNetwork(meta.settings, shape, meta.attributes)
    load_weights_into(model, weights, str(folder))
    return model.eval(), meta


def open_volume_tower(folder: Path) -> VolumeTowerSource:
    """Read a network for scans, of training on attributes or of a whole model.

    Args:
        folder: An ``image_tower`` folder, or the bundle of a model that takes CT volumes.

    Raises:
        ModelError: If it is neither, or cannot be used (MV14xx).
    """
    meta: ImageTowerMeta | VolumeBundleMeta
    if (folder / BUNDLE_FILE).is_file():
        meta = read_volume_bundle_meta(folder)
        settings, listing = meta.architecture.image, BUNDLE_FILE
    else:
        meta = _read_meta(folder)
        settings, listing = meta.settings, IMAGE_TOWER_FILE
    check_bundle_files(folder, meta.files, listing=listing)
    tensors = read_safetensors(folder / WEIGHTS_FILE)
    return VolumeTowerSource(
        name=meta.name,
        settings=settings,
        preprocessing=meta.preprocessing.to_preprocessing(),
        provenance=meta.provenance,
        state={k.removeprefix(_PREFIX): v for k, v in tensors.items() if k.startswith(_PREFIX)},
    )


def take_volume_tower(
    tower: VolumeTower,
    settings: VolumeTowerSettings,
    preprocessing: VolumePreprocessing,
    source: VolumeTowerSource,
    where: str,
) -> None:
    """Give a network the weights of another training; all that features depend on must agree.

    Args:
        tower: The network.
        settings: Its settings.
        preprocessing: How its boxes are made.
        source: The other training's network.
        where: Where that comes from, for messages.

    Raises:
        ModelError: If the networks (MV1409) or their boxes (MV1735) differ, or the weights do not
            fit (MV1405, MV1409).
    """
    ours, theirs = (s.model_dump(exclude=_WITHOUT_EFFECT) for s in (settings, source.settings))
    if ours != theirs:
        raise ModelError(
            "MV1409",
            f"the network of {where} is another: {_differing(theirs, ours)}",
            expected="the settings that it was trained with",
        )
    ours, theirs = asdict(preprocessing), asdict(source.preprocessing)
    if ours != theirs:
        raise ModelError(
            "MV1735",
            f"the network of {where} was trained on other boxes: {_differing(theirs, ours)}",
            expected="crops made as those that it was trained on",
            hint="cut the crops again with its spacing, size, orientation and window",
        )
    load_weights_into(tower, source.state, where)


def _differing(theirs: dict[str, object], ours: dict[str, object]) -> str:
    names = [n for n in {**theirs, **ours} if theirs.get(n) != ours.get(n)]
    return "; ".join(f"{n} {theirs.get(n)!r} there, {ours.get(n)!r} here" for n in names)


def _read_meta(folder: Path) -> ImageTowerMeta:
    path = folder / IMAGE_TOWER_FILE
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ModelError("MV1407", f"{path} is larger than {_MAX_BYTES} bytes")
        return parse_model(json.loads(path.read_bytes()), ImageTowerMeta, source=str(path))
    except FileNotFoundError as error:
        raise ModelError(
            "MV1403",
            f"{path} does not exist",
            expected="a folder that training on attributes wrote, or a model of CT volumes",
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError("MV1407", f"{path} cannot be read as JSON ({error})") from error
    except ConfigError as error:
        raise ModelError("MV1407", error.what, expected=error.expected, hint=error.hint) from error
