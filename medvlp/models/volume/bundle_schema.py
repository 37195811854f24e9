"""What ``medvlp.json`` says of a model that takes CT volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator, model_validator

from medvlp.config.strict import StrictModel, rule_error
from medvlp.errors import ModelError
from medvlp.models.architecture import TextTowerSettings
from medvlp.models.bundle_schema import (
    BUNDLE_FILE,
    TOKENIZER_FILE,
    WEIGHTS_FILE,
    BundleDescription,
    check_file_names,
    parse_bundle_document,
    read_bundle_document,
)
from medvlp.models.volume.settings import VolumeHeadSettings, VolumeTowerSettings
from medvlp.types import TensorAxes, VolumePreprocessing

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "TEXTS_FILE",
    "VolumeBundleMeta",
    "VolumeModelSettings",
    "VolumePreprocessingRecord",
    "read_volume_bundle_meta",
]

TEXTS_FILE = "texts.safetensors"
_PAIRS = ("LR", "AP", "IS")
Spacing = Annotated[float, Field(gt=0, le=100)]
Voxels = Annotated[int, Field(ge=1, le=4096)]
Hounsfield = Annotated[float, Field(ge=-100_000, le=100_000)]


class VolumePreprocessingRecord(StrictModel):
    """How the network wants a scan; see :class:`medvlp.types.VolumePreprocessing`."""

    spacing_mm: tuple[Spacing, Spacing, Spacing]
    shape_zyx: tuple[Voxels, Voxels, Voxels]
    orientation: str
    axes: TensorAxes
    window_hu: tuple[Hounsfield, Hounsfield]
    output_range: tuple[float, float] = (0.0, 1.0)
    air_hu: Hounsfield = -1000.0
    region: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    overlap: Annotated[float, Field(ge=0, lt=1)] | None = 0.0

    @field_validator("orientation")
    @classmethod
    def _check_orientation(cls, codes: str) -> str:
        if len(codes) != 3 or any(sum(c in pair for c in codes) != 1 for pair in _PAIRS):
            raise rule_error(
                "MV1002",
                f"{codes!r} names no sides of the body",
                expected="one each of L/R, A/P and I/S, such as 'LPS'",
            )
        return codes

    @model_validator(mode="after")
    def _check_ranges(self) -> VolumePreprocessingRecord:
        for name in ("window_hu", "output_range"):
            low, high = getattr(self, name)
            if low >= high:
                raise rule_error("MV1002", f"{low} is not below {high}", at=name)
        return self

    def to_preprocessing(self) -> VolumePreprocessing:
        """Return the record that readers and encoders use."""
        return VolumePreprocessing(**self.model_dump())


class VolumeModelSettings(StrictModel):
    """The parts of a model of volumes.

    Attributes:
        image: The network for boxes of a scan.
        head: What maps its features into the space shared with text.
        text: The text tower; None where the model has none, or its texts are embedded elsewhere.
        temperature: First value of 1 / logit scale; the scale is learned.
    """

    image: VolumeTowerSettings
    head: VolumeHeadSettings = VolumeHeadSettings(projection="none")
    text: TextTowerSettings | None = None
    temperature: Annotated[float, Field(ge=0.001, le=1)] = 0.07


class VolumeBundleMeta(BundleDescription):
    """The description of a bundle that takes CT volumes.

    Attributes:
        modality: Always ``ct``.
        architecture: The parts of the model.
        vocab_size: Number of pieces of the tokenizer; None exactly without a text tower.
        preprocessing: How boxes are cut from a scan and brought to the network's input.
        is_projected: Whether embeddings of boxes lie in a space shared with text.
    """

    modality: Literal["ct"] = "ct"
    architecture: VolumeModelSettings
    vocab_size: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    preprocessing: VolumePreprocessingRecord
    is_projected: bool

    @model_validator(mode="after")
    def _check_parts(self) -> VolumeBundleMeta:
        has_text = self.architecture.text is not None
        if (self.vocab_size is not None) != has_text:
            raise rule_error(
                "MV1002",
                f"is {self.vocab_size} {'with' if has_text else 'without'} a text tower",
                expected="a number" if has_text else "no value",
                at="vocab_size",
            )
        stored = {TEXTS_FILE} & set(self.files)
        if stored and has_text:
            raise rule_error("MV1002", f"names {TEXTS_FILE} beside a text tower", at="files")
        wanted = {WEIGHTS_FILE, *stored, *([TOKENIZER_FILE] if has_text else [])}
        check_file_names(self.files, wanted)
        if (stored or has_text) and not self.is_projected:
            raise rule_error("MV1002", "is false, but there are texts", at="is_projected")
        return self


def read_volume_bundle_meta(folder: Path) -> VolumeBundleMeta:
    """Read and check the description of a bundle that takes CT volumes.

    Raises:
        ModelError: If it is missing (MV1403), not valid (MV1407), of another version (MV1408), or
            of a model that takes images (MV1445).
    """
    document = read_bundle_document(folder)
    found = document.get("modality")
    if found in ("slide", "radiograph"):
        raise ModelError(
            "MV1445",
            f"{folder / BUNDLE_FILE} describes a model of modality {found!r}",
            expected="a model of CT volumes",
            hint="`medvlp inspect` shows what a model takes",
        )
    return parse_bundle_document(document, VolumeBundleMeta, folder)
