"""What ``medvlp.json`` says of a network that judges findings of radiographs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator, model_validator

from medvlp.config.strict import StrictModel, rule_error
from medvlp.errors import ModelError
from medvlp.models.bundle_schema import (
    BUNDLE_FILE,
    FINDING_MODEL,
    TOKENIZER_FILE,
    WEIGHTS_FILE,
    BundleDescription,
    check_file_names,
    parse_bundle_document,
    read_bundle_document,
)
from medvlp.models.radiograph.released_settings import FindingNetworkSettings
from medvlp.models.radiograph.settings import RadiographModelSettings
from medvlp.types import RadiographPreprocessing

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "RadiographBundleMeta",
    "RadiographPreprocessingRecord",
    "network_preprocessing",
    "read_radiograph_bundle_meta",
]

PerChannel = Annotated[tuple[float, ...], Field(min_length=1, max_length=3)]


class RadiographPreprocessingRecord(StrictModel):
    """How the network wants a radiograph; see :class:`medvlp.types.RadiographPreprocessing`."""

    input_px: Annotated[int, Field(ge=1, le=16384)]
    channels: Literal[1, 3] = 1
    mean: PerChannel
    std: PerChannel

    @model_validator(mode="after")
    def _check_values(self) -> RadiographPreprocessingRecord:
        if min(self.std) <= 0:
            raise rule_error("MV1002", f"{self.std} has a value of 0 or less", at="std")
        return self

    def to_preprocessing(self) -> RadiographPreprocessing:
        """Return the record that readers and encoders use."""
        return RadiographPreprocessing(**self.model_dump())


class RadiographBundleMeta(BundleDescription):
    """The description of a bundle that judges findings of radiographs.

    A bundle of modality ``radiograph`` without ``kind`` is a pair of towers, described by
    :class:`medvlp.models.bundle_schema.BundleMeta`.

    Attributes:
        kind: Always ``finding-model``.
        modality: Always ``radiograph``.
        architecture: The parts of the network: ours, or those of a released one.
        vocab_size: Number of pieces of the tokenizer.
        preprocessing: How radiographs are brought to the network's input; what the network itself
            subtracts and divides by agrees with ``architecture``.
        findings_seen: Names of the findings that the network was trained with.
    """

    kind: Literal["finding-model"] = FINDING_MODEL
    modality: Literal["radiograph"] = "radiograph"
    architecture: FindingNetworkSettings
    vocab_size: Annotated[int, Field(ge=1, le=10_000_000)]
    preprocessing: RadiographPreprocessingRecord
    findings_seen: tuple[str, ...] = ()

    @field_validator("files")
    @classmethod
    def _check_files(cls, files: dict[str, str]) -> dict[str, str]:
        check_file_names(files, {WEIGHTS_FILE, TOKENIZER_FILE})
        return files

    @model_validator(mode="after")
    def _check_preprocessing(self) -> RadiographBundleMeta:
        wanted = network_preprocessing(self.architecture)
        if self.preprocessing.to_preprocessing() != wanted:
            raise rule_error(
                "MV1002",
                f"differs from what the network does: {wanted}",
                expected="equal values",
                at="preprocessing",
            )
        return self


def network_preprocessing(settings: FindingNetworkSettings) -> RadiographPreprocessing:
    """Return how a network of these settings wants a radiograph."""
    return RadiographPreprocessing(
        input_px=settings.input_px,
        channels=settings.channels if isinstance(settings, RadiographModelSettings) else 3,
        mean=settings.mean,
        std=settings.std,
    )


def read_radiograph_bundle_meta(folder: Path) -> RadiographBundleMeta:
    """Read and check the description of a network that judges findings of radiographs.

    Raises:
        ModelError: If it is missing (MV1403), not valid (MV1407), of another version (MV1408), or
            of a model of another kind (MV1470).
    """
    document = read_bundle_document(folder)
    modality, kind = document.get("modality"), document.get("kind")
    if (modality, kind) != ("radiograph", FINDING_MODEL):
        raise ModelError(
            "MV1470",
            f"{folder / BUNDLE_FILE} describes a model of modality {modality!r} and kind {kind!r}",
            expected=f"modality 'radiograph' and kind {FINDING_MODEL!r}",
            hint="`medvlp inspect` shows what a model is",
        )
    return parse_bundle_document(document, RadiographBundleMeta, folder)
