"""Sizes of the networks for radiographs that others released: MedKLIP, KAD, MAVL and CARZero.

The defaults are those of the released weights; smaller ones serve for tests.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from medvlp.config.strict import StrictModel, rule_error
from medvlp.models.architecture import TextTowerSettings
from medvlp.models.radiograph.settings import (
    QueryDecoderSettings,
    RadiographModelSettings,
    RadiographTowerSettings,
    ResNetTowerSettings,
    TimmTowerSettings,
)

__all__ = [
    "CarzeroSettings",
    "FindingNetworkSettings",
    "KadSettings",
    "MavlSettings",
    "MedklipSettings",
    "ReleasedSettings",
]

Colour = tuple[float, float, float]
_IMAGENET_MEAN: Colour = (0.485, 0.456, 0.406)
_IMAGENET_STD: Colour = (0.229, 0.224, 0.225)


def _bert(pooling: Literal["cls", "pooler"], max_tokens: int = 128) -> TextTowerSettings:
    return TextTowerSettings(
        width=768,
        layers=12,
        heads=12,
        feedforward=3072,
        max_tokens=max_tokens,
        positions=512,
        dropout=0.1,
        pooling=pooling,
        projection="none",
    )


class _ReleasedNetworkSettings(StrictModel):
    """What all released networks have; they take three equal channels."""

    input_px: Annotated[int, Field(ge=16, le=4096)] = 224
    mean: Colour = _IMAGENET_MEAN
    std: Colour = _IMAGENET_STD
    image: RadiographTowerSettings = ResNetTowerSettings(architecture="resnet50", stage=3)
    text: TextTowerSettings = _bert("cls")
    decoder: QueryDecoderSettings


def _require(condition: bool, what: str, at: str) -> None:
    if not condition:
        raise rule_error("MV1002", what, at=at)


class MedklipSettings(_ReleasedNetworkSettings):
    """MedKLIP: one query per description.

    Attributes:
        architecture: Always ``medklip``.
        input_px: Side of the square input in pixels.
        mean: Subtracted from pixels in [0, 1], per channel.
        std: What they are then divided by.
        image: The image network.
        text: The text tower.
        decoder: The query decoder.
    """

    architecture: Literal["medklip"] = "medklip"
    decoder: QueryDecoderSettings = QueryDecoderSettings(dim=256, head="binary")

    @model_validator(mode="after")
    def _check_head(self) -> MedklipSettings:
        _require(self.decoder.head == "binary", "MedKLIP has two logits: head: binary", "decoder")
        return self


class KadSettings(_ReleasedNetworkSettings):
    """KAD: one query per name of a finding, in the space of Med-KEBERT.

    Attributes:
        architecture: Always ``kad``.
        input_px: Side of the square input: 224 with a residual network cut behind its third stage,
            512 or 1024 with a whole one.
        mean: Subtracted from pixels in [0, 1], per channel.
        std: What they are then divided by.
        image: The image network.
        text: The text tower; as wide as the decoder.
        decoder: The query decoder.
    """

    architecture: Literal["kad"] = "kad"
    mean: Colour = (0.48145466, 0.4578275, 0.40821073)
    std: Colour = (0.26862954, 0.26130258, 0.27577711)
    text: TextTowerSettings = _bert("pooler")
    decoder: QueryDecoderSettings = QueryDecoderSettings(dim=768, shared_norm=True, head="binary")

    @model_validator(mode="after")
    def _check_parts(self) -> KadSettings:
        _require(self.decoder.head == "binary", "KAD has two logits: head: binary", "decoder")
        _require(self.text.width == self.decoder.dim, "KAD's text tower is as wide", "text")
        return self


class MavlSettings(_ReleasedNetworkSettings):
    """MAVL: a query for each aspect of a finding.

    Attributes:
        architecture: Always ``mavl``.
        input_px: Side of the square input in pixels.
        mean: Subtracted from pixels in [0, 1], per channel.
        std: What they are then divided by.
        image: The image network.
        text: The text tower.
        decoder: The query decoder.
        num_aspects: Texts per finding, the description being the first.
    """

    architecture: Literal["mavl"] = "mavl"
    decoder: QueryDecoderSettings = QueryDecoderSettings(dim=256, head="binary")
    num_aspects: Annotated[int, Field(ge=1, le=64)] = 9

    @model_validator(mode="after")
    def _check_head(self) -> MavlSettings:
        _require(self.decoder.head == "binary", "MAVL has two logits: head: binary", "decoder")
        return self


class CarzeroSettings(_ReleasedNetworkSettings):
    """CARZero: prompts and images ask each other.

    Attributes:
        architecture: Always ``carzero``.
        input_px: Side of the square input in pixels.
        mean: Subtracted from pixels in [0, 1], per channel.
        std: What they are then divided by.
        image: The image network; as wide as the decoder.
        text: The text tower; as wide as the decoder.
        decoder: The query decoder.
        last_layers: Layers of the text tower that are added up.
        num_slots: Places for the words of a text; a text's vector is the sum of its words over
            this number.
    """

    architecture: Literal["carzero"] = "carzero"
    mean: Colour = (0.4978, 0.4978, 0.4978)
    std: Colour = (0.2449, 0.2449, 0.2449)
    image: RadiographTowerSettings = TimmTowerSettings(name="vit_base_patch16_224")
    text: TextTowerSettings = _bert("cls", 97)
    decoder: QueryDecoderSettings = QueryDecoderSettings(
        dim=768, self_attention=False, shared_norm=True, head="score"
    )
    last_layers: Annotated[int, Field(ge=1, le=128)] = 4
    num_slots: Annotated[int, Field(ge=4, le=8192)] = 97

    @model_validator(mode="after")
    def _check_parts(self) -> CarzeroSettings:
        _require(self.decoder.head == "score", "CARZero has one number: head: score", "decoder")
        _require(self.text.width == self.decoder.dim, "CARZero's text tower is as wide", "text")
        _require(
            self.text.max_tokens <= self.num_slots, "has fewer places than tokens", "num_slots"
        )
        layers = self.text.layers + 1
        _require(self.last_layers <= layers, f"is more than {layers}", "last_layers")
        return self


ReleasedSettings = MedklipSettings | KadSettings | MavlSettings | CarzeroSettings
"""A network that others released."""

FindingNetworkSettings = Annotated[
    RadiographModelSettings | MedklipSettings | KadSettings | MavlSettings | CarzeroSettings,
    Field(discriminator="architecture"),
]
"""Any network for radiographs; ``architecture`` says which."""
