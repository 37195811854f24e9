"""What a dual encoder is made of: settings that a training file and a model bundle both hold."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from medvlp.config.strict import StrictModel, rule_error
from medvlp.models.decoder_sizes import DecoderTowerSettings

__all__ = [
    "DecoderTowerSettings",
    "DualEncoderSettings",
    "ImageTowerSettings",
    "Projection",
    "TextTowerSettings",
]

Projection = Literal["none", "linear", "mlp"]
Width = Annotated[int, Field(ge=1, le=16384)]
_TIMM_NAMES = {"width": "embed_dim", "heads": "num_heads"}


class ImageTowerSettings(StrictModel):
    """An image tower of timm and the head that maps it into the shared space.

    Attributes:
        architecture: Name of timm's architecture, without a tag.
        img_size: Input side in pixels given to architectures that need it at construction (vision
            transformers); None for those that take any size.
        global_pool: How a feature map becomes a vector; None for the architecture's own way.
        init_values: LayerScale's first value, of vision transformers only.
        patch_size: Side of a patch in pixels, where it is not the architecture's own; this and the
            next four are of vision transformers only.
        width: Width of a token, where it is not the architecture's own.
        depth: Number of blocks, where it is not the architecture's own.
        heads: Number of attention heads, where it is not the architecture's own.
        mlp_ratio: Width inside a block's feed-forward part over ``width``, likewise.
        projection: ``linear``; ``mlp`` (linear, GELU, linear); ``none`` keeps the tower's features.
    """

    architecture: str
    img_size: Annotated[int, Field(ge=8, le=4096)] | None = None
    global_pool: Literal["avg", "token", "map", "max", "avgmax"] | None = None
    init_values: Annotated[float, Field(gt=0, le=10)] | None = None
    patch_size: Annotated[int, Field(ge=1, le=256)] | None = None
    width: Width | None = None
    depth: Annotated[int, Field(ge=1, le=128)] | None = None
    heads: Annotated[int, Field(ge=1, le=256)] | None = None
    mlp_ratio: Annotated[float, Field(gt=0, le=64)] | None = None
    projection: Projection = "linear"

    def options(self) -> dict[str, object]:
        """Return the arguments for timm, without those left to the architecture."""
        values = self.model_dump(exclude={"architecture", "projection"}, exclude_none=True)
        return {_TIMM_NAMES.get(name, name): value for name, value in values.items()}


class TextTowerSettings(StrictModel):
    """A BERT text tower and the head that maps it into the shared space.

    Attributes:
        width: Width of a token.
        layers: Number of transformer blocks.
        heads: Number of attention heads; divides ``width``.
        feedforward: Width inside a block's feed-forward part.
        max_tokens: Largest number of tokens of one text.
        positions: Length of the table of positions; None for ``max_tokens``.
        dropout: Probability of dropping a value in training.
        pooling: ``mean`` over real tokens, the first token (``cls``), or that token through BERT's
            own pooling layer (``pooler``).
        projection: As for the image tower.
    """

    width: Width = 128
    layers: Annotated[int, Field(ge=1, le=128)] = 2
    heads: Annotated[int, Field(ge=1, le=256)] = 2
    feedforward: Width = 512
    max_tokens: Annotated[int, Field(ge=4, le=8192)] = 64
    positions: Annotated[int, Field(ge=4, le=8192)] | None = None
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    pooling: Literal["mean", "cls", "pooler"] = "mean"
    projection: Projection = "linear"

    @model_validator(mode="after")
    def _check_heads(self) -> TextTowerSettings:
        if self.width % self.heads:
            raise rule_error(
                "MV1002",
                f"{self.heads} heads do not divide width {self.width}",
                expected="a divisor of width",
                at="heads",
            )
        if self.positions is not None and self.positions < self.max_tokens:
            raise rule_error(
                "MV1002",
                f"{self.positions} positions are fewer than max_tokens {self.max_tokens}",
                at="positions",
            )
        return self


class DualEncoderSettings(StrictModel):
    """An image tower and a text tower with one embedding space.

    Attributes:
        embed_dim: Length D of an embedding.
        image: The image tower.
        text: The text tower, a BERT.
        decoder: A decoder language model as the text tower, in place of ``text``.
        temperature: First value of 1 / logit scale; the scale is learned.
    """

    embed_dim: Width = 256
    image: ImageTowerSettings
    text: TextTowerSettings = TextTowerSettings()
    decoder: DecoderTowerSettings | None = None
    temperature: Annotated[float, Field(ge=0.01, le=1)] = 0.07

    @model_validator(mode="after")
    def _check_text(self) -> DualEncoderSettings:
        if self.decoder is not None and self.text != TextTowerSettings():
            raise rule_error(
                "MV1002",
                "text and decoder are both given, and text would have no effect",
                expected="one of them",
                at="text",
            )
        return self

    @property
    def text_tower(self) -> TextTowerSettings | DecoderTowerSettings:
        """The text tower, whichever kind it is of."""
        return self.decoder or self.text
