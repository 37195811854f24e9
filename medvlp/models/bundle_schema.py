"""What ``medvlp.json`` of a model bundle holds, read strictly and without loading any weight."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar

from pydantic import Discriminator, Field, JsonValue, Tag, field_validator, model_validator

from medvlp.config.selection import SelectionRecord
from medvlp.config.strict import StrictModel, parse_model, rule_error
from medvlp.errors import ConfigError, ModelError
from medvlp.models.architecture import DualEncoderSettings
from medvlp.models.open_clip_settings import OpenClipSettings
from medvlp.models.weight_parts import joined_names
from medvlp.types import ImagePreprocessing, Interpolation, Modality

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = [
    "BUNDLE_FILE",
    "FINDING_MODEL",
    "FORMAT_VERSION",
    "TOKENIZER_FILE",
    "WEIGHTS_FILE",
    "BundleDescription",
    "BundleMeta",
    "BundleScale",
    "ImageModality",
    "PreprocessingRecord",
    "Provenance",
    "check_file_names",
    "image_modality",
    "parse_bundle_document",
    "read_bundle_document",
    "read_bundle_meta",
]

BUNDLE_FILE = "medvlp.json"
WEIGHTS_FILE = "model.safetensors"
TOKENIZER_FILE = "tokenizer.json"
FORMAT_VERSION: Final = 1
FINDING_MODEL: Final = "finding-model"
"""``kind`` of a bundle of modality radiograph that judges findings; pairs of towers have none."""
_MAX_BYTES = 16 * 2**20
_SHA256 = re.compile(r"[0-9a-f]{64}")
Three = tuple[float, float, float]
ImageModality = Literal["slide", "radiograph"]
Pixels = Annotated[int, Field(ge=1, le=16384)]
_DescriptionT = TypeVar("_DescriptionT", bound="BundleDescription")


class PreprocessingRecord(StrictModel):
    """How the image tower wants its pixels; see :class:`medvlp.types.ImagePreprocessing`."""

    input_px: Pixels
    resize_px: Pixels
    interpolation: Interpolation
    mean: Three
    std: Three

    @model_validator(mode="after")
    def _check(self) -> PreprocessingRecord:
        if min(self.std) <= 0:
            raise rule_error("MV1002", f"{self.std} has a value of 0 or less", at="std")
        if self.resize_px < self.input_px:
            raise rule_error(
                "MV1002",
                f"{self.resize_px} is smaller than input_px {self.input_px}",
                at="resize_px",
            )
        return self

    def to_preprocessing(self) -> ImagePreprocessing:
        """Return the record that readers and encoders use."""
        return ImagePreprocessing(**self.model_dump())


class BundleScale(StrictModel):
    """The physical scale of training images.

    Attributes:
        mpp: Micrometres per pixel of a tile before the model's own resizing.
        tile_px: Side of a tile in pixels at ``mpp``.
    """

    mpp: Annotated[float, Field(gt=0, le=1000)]
    tile_px: Pixels


class Provenance(StrictModel):
    """Where a model comes from.

    Attributes:
        medvlp_version: Version of the program that wrote the bundle.
        libraries: Versions of libraries that shaped the weights.
        data: What the model was trained on, in words.
        data_sha256: Hash of the training manifest; empty where there is none.
        settings: The resolved configuration of the training run.
        holds_umls: Whether text of the UMLS went into the training; its licence forbids handing
            such a model on, so export asks first.
        sources: File name to the sha256 of its bytes, of a model made from released files.
        notes: What a user of the model must know, in sentences.
        selection: Which step of the training was kept, and what it was chosen on; None where that
            is not on record.
    """

    medvlp_version: str
    libraries: dict[str, str] = Field(default_factory=dict)
    data: str = ""
    data_sha256: str = ""
    settings: dict[str, JsonValue] = Field(default_factory=dict)
    holds_umls: bool = False
    sources: dict[str, str] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()
    selection: SelectionRecord | None = None


def _architecture_kind(value: object) -> str:
    if isinstance(value, dict):
        return "open_clip" if "library" in value else "own"
    return "open_clip" if isinstance(value, OpenClipSettings) else "own"


Architecture = Annotated[
    Annotated[DualEncoderSettings, Tag("own")] | Annotated[OpenClipSettings, Tag("open_clip")],
    Discriminator(_architecture_kind),
]


class BundleDescription(StrictModel):
    """What the description of every model bundle says.

    Attributes:
        format: Always ``medvlp-bundle``.
        format_version: Version of this layout.
        name: The model's name.
        modality: What it diagnoses.
        templates: Caption templates with ``{}`` for a class name, for zero-shot.
        prompts: Class name to the names to ask with, for zero-shot.
        provenance: Where the model comes from.
        license: Licence of the weights (an SPDX name where there is one).
        intended_use: What the model may be used for.
        files: File name to the sha256 of its bytes.
    """

    format: Literal["medvlp-bundle"] = "medvlp-bundle"
    format_version: Literal[1] = FORMAT_VERSION
    name: Annotated[str, Field(min_length=1, max_length=200)]
    modality: Modality
    templates: tuple[str, ...] = ()
    prompts: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    provenance: Provenance
    license: str
    intended_use: str = "research only"
    files: dict[str, str]

    @field_validator("files")
    @classmethod
    def _check_hashes(cls, files: dict[str, str]) -> dict[str, str]:
        for name, digest in files.items():
            if not _SHA256.fullmatch(digest):
                raise rule_error("MV1002", f"{name} has {digest!r}", expected="a sha256")
        return files


class BundleMeta(BundleDescription):
    """The description of a bundle that takes images: tiles of slides, or radiographs.

    Attributes:
        modality: What it diagnoses.
        architecture: Both towers: ours, or those of open_clip.
        vocab_size: Number of pieces of the tokenizer.
        preprocessing: How images are brought to the image tower's input.
        scale: The physical scale of training images; None where it does not apply.
    """

    modality: ImageModality
    architecture: Architecture
    vocab_size: Annotated[int, Field(ge=1, le=10_000_000)]
    preprocessing: PreprocessingRecord
    scale: BundleScale | None = None

    @field_validator("files")
    @classmethod
    def _check_files(cls, files: dict[str, str]) -> dict[str, str]:
        check_file_names(files, {WEIGHTS_FILE, TOKENIZER_FILE})
        return files


def check_file_names(files: Iterable[str], wanted: set[str]) -> None:
    """Refuse a list of files that is not the wanted one; for use in validators.

    Args:
        files: Names that a description lists; weights may be in parts.
        wanted: Names that it must list.
    """
    names = set(files)
    has_weights = names & {WEIGHTS_FILE, f"{WEIGHTS_FILE}.index.json"} or WEIGHTS_FILE not in wanted
    if joined_names(names, WEIGHTS_FILE) != wanted or not has_weights:
        raise rule_error(
            "MV1002",
            f"names {sorted(files)}",
            expected=" and ".join(sorted(wanted, reverse=True)),
            at="files",
        )


def image_modality(modality: Modality, source: str) -> ImageModality:
    """Return the modality if models of it take images.

    Args:
        modality: Any.
        source: What has it, for the message.

    Raises:
        ModelError: If models of it take volumes (MV1445).
    """
    if modality == "ct":
        raise ModelError(
            "MV1445",
            f"{source} is of modality 'ct', whose models take volumes, not images",
            expected="slide or radiograph",
        )
    return modality


def read_bundle_meta(folder: Path) -> BundleMeta:
    """Read and check the description of a bundle that takes images.

    Raises:
        ModelError: If it is missing (MV1403), not valid (MV1407), of another version (MV1408), or
            of a model that takes volumes (MV1445), or of one that judges findings (MV1470).
    """
    document = read_bundle_document(folder)
    if document.get("modality") == "ct":
        raise ModelError(
            "MV1445",
            f"{folder / BUNDLE_FILE} describes a model of CT volumes",
            expected="a model of slides or radiographs",
            hint="the model serves scans; `medvlp inspect` shows what it takes",
        )
    if document.get("kind") == FINDING_MODEL:
        raise ModelError(
            "MV1470",
            f"{folder / BUNDLE_FILE} describes a network that judges findings of radiographs",
            expected="a pair of towers that embed images and texts",
            hint="`medvlp zero-shot` and `medvlp embed` take it by itself",
        )
    return parse_bundle_document(document, BundleMeta, folder)


def read_bundle_document(folder: Path) -> dict[str, Any]:
    """Read the description of a bundle of any modality as plain values.

    Raises:
        ModelError: If it is missing (MV1403), holds no table (MV1407) or is of another version
            (MV1408).
    """
    path = folder / BUNDLE_FILE
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ModelError("MV1407", f"{path} is larger than {_MAX_BYTES} bytes")
        document = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise ModelError("MV1403", f"{path} does not exist", expected="a model bundle") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError("MV1407", f"{path} cannot be read as JSON ({error})") from error
    if not isinstance(document, dict):
        raise ModelError("MV1407", f"{path} holds no keys with values", expected="a description")
    version = document.get("format_version")
    if isinstance(version, int) and version != FORMAT_VERSION:
        raise ModelError(
            "MV1408",
            f"{path} has format_version {version}",
            expected=str(FORMAT_VERSION),
            hint="use the release of medvlp that wrote it, or a newer one",
        )
    return document


def parse_bundle_document(
    document: dict[str, Any], model: type[_DescriptionT], folder: Path
) -> _DescriptionT:
    """Check the plain values of a description.

    Args:
        document: The values.
        model: What they must be.
        folder: The bundle, for messages.

    Raises:
        ModelError: If they are not valid (MV1407).
    """
    try:
        return parse_model(document, model, source=str(folder / BUNDLE_FILE))
    except ConfigError as error:
        raise ModelError("MV1407", error.what, expected=error.expected, hint=error.hint) from error
