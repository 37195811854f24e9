"""The folder that a network for scans with a classifier of one question is kept in."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final, Literal

import torch
from pydantic import Field

from medvlp.config.strict import StrictModel, parse_model
from medvlp.errors import ConfigError, ModelError
from medvlp.models.bundle_files import check_bundle_files, publish_bundle
from medvlp.models.bundle_schema import WEIGHTS_FILE, Provenance
from medvlp.models.importers.source import read_json_object
from medvlp.models.volume.bundle_schema import VolumePreprocessingRecord
from medvlp.models.volume.class_network import ClassNetwork
from medvlp.models.volume.settings import VolumeTowerSettings
from medvlp.models.volume.volume_encoder import network_shape
from medvlp.models.weights import check_fit, load_weights_into, read_safetensors

if TYPE_CHECKING:
    from pathlib import Path

    from medvlp.models.volume.tower_folder import ImageTowerCard

__all__ = ["CLASSIFIER_FILE", "ClassifierMeta", "load_classifier", "save_classifier"]

CLASSIFIER_FILE = "scan_classifier.json"
FORMAT_VERSION: Final = 1
Name = Annotated[str, Field(min_length=1, max_length=200)]


class ClassifierMeta(StrictModel):
    """What ``scan_classifier.json`` says.

    Attributes:
        format: Always ``medvlp-scan-classifier``.
        format_version: Version of this layout.
        name: The classifier's name.
        settings: The network.
        preprocessing: How boxes are cut from a scan and brought to the network's input.
        target: What is asked.
        classes: Names of the answers, in the order of the logits.
        hidden: Width between the linear layers.
        provenance: What it was trained on.
        license: Licence of the weights.
        files: File name to the sha256 of its bytes.
    """

    format: Literal["medvlp-scan-classifier"] = "medvlp-scan-classifier"
    format_version: Literal[1] = FORMAT_VERSION
    name: Name
    settings: VolumeTowerSettings
    preprocessing: VolumePreprocessingRecord
    target: Name
    classes: Annotated[tuple[Name, ...], Field(min_length=2)]
    hidden: Annotated[int, Field(ge=1, le=65536)]
    provenance: Provenance
    license: str
    files: dict[str, str]


def save_classifier(folder: Path, model: ClassNetwork, card: ImageTowerCard) -> ClassifierMeta:
    """Write a classifier; the folder appears whole or not at all.

    Args:
        folder: The new folder; must not exist with content.
        model: The classifier, on any device.
        card: What else is to be said.

    Returns:
        The description that was written.

    Raises:
        ModelError: If a weight is NaN or infinite (MV1405).
        FileExistsError: If the folder is taken.
    """

    def describe(files: dict[str, str]) -> ClassifierMeta:
        return ClassifierMeta(
            name=card.name,
            settings=model.settings,
            preprocessing=VolumePreprocessingRecord(**asdict(card.preprocessing)),
            target=model.target,
            classes=model.classes,
            hidden=model.hidden,
            provenance=card.provenance,
            license=card.license,
            files=files,
        )

    return publish_bundle(
        folder, model.state_dict(), {}, describe, card.name, listing=CLASSIFIER_FILE
    )


def load_classifier(folder: Path) -> tuple[ClassNetwork, ClassifierMeta]:
    """Read what :func:`save_classifier` wrote; hashes are checked before use.

    Args:
        folder: The folder.

    Returns:
        The classifier in evaluation mode, and its description.

    Raises:
        ModelError: If a file is missing (MV1403), changed (MV1404), damaged (MV1414), or does not
            fit the description (MV1405, MV1407, MV1409).
    """
    path = folder / CLASSIFIER_FILE
    if not path.is_file():
        raise ModelError(
            "MV1403",
            f"{path} does not exist",
            expected="a folder that training on classes of scans wrote",
        )
    try:
        meta = parse_model(read_json_object(path), ClassifierMeta, source=str(path))
    except ConfigError as error:
        raise ModelError("MV1407", error.what, expected=error.expected, hint=error.hint) from error
    check_bundle_files(folder, meta.files, listing=CLASSIFIER_FILE)
    weights = read_safetensors(folder / WEIGHTS_FILE)
    with torch.device("meta"):  # settings cannot ask for more memory than the file has weights
        check_fit(_build(meta), weights, str(folder))
    model = _build(meta)
    load_weights_into(model, weights, str(folder))
    return model.eval(), meta


def _build(meta: ClassifierMeta) -> ClassNetwork:
    shape = network_shape(meta.preprocessing.to_preprocessing())
    return ClassNetwork(meta.settings, shape, meta.target, meta.classes, hidden=meta.hidden)
