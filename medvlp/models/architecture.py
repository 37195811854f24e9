"""What a dual encoder is made of: settings that a training file and a model bundle both hold."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from medvlp.config.strict import StrictModel, rule_error

__all__ = ["DualEncoderSettings", "ImageTowerSettings", "Projection", "TextTowerSettings"]

Projection = Literal["none", "linear", "mlp"]
Width = Annotated[int, Field(ge=1, le=16384)]


class ImageTowerSettings(StrictModel):
    """An image tower of timm and the head that maps it into the shared space.

    Attributes:
        architecture: Name of timm's architecture, without a tag.
        img_size: Input side in pixels given to architectures that need it at construction (vision
            transformers); None for those that take any size.
        global_pool: How a feature map becomes a vector; None for the architecture's own way.
        init_values: LayerScale's first value, of vision transformers only.
        projection: ``linear``; ``mlp`` (linear, GELU, linear); ``none`` keeps the tower's features.
    """

    architecture: str
    img_size: Annotated[int, Field(ge=8, le=4096)] | None = None
    global_pool: Literal["avg", "token", "map", "max", "avgmax"] | None = None
    init_values: Annotated[float, Field(gt=0, le=10)] | None = None
    projection: Projection = "linear"

    def options(self) -> dict[str, object]:
        """Return the arguments for timm, without those left to the architecture."""
        values = self.model_dump(include={"img_size", "global_pool", "init_values"})
        return {name: value for name, value in values.items() if value is not None}


class TextTowerSettings(StrictModel):
    """A BERT text tower and the head that maps it into the shared space.

    Attributes:
        width: Width of a token.
        layers: Number of transformer blocks.
        heads: Number of attention heads; divides ``width``.
        feedforward: Width inside a block's feed-forward part.
        max_tokens: Largest number of tokens of one text.
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
        return self


class DualEncoderSettings(StrictModel):
    """An image tower and a text tower with one embedding space.

    Attributes:
        embed_dim: Length D of an embedding.
        image: The image tower.
        text: The text tower.
        temperature: First value of 1 / logit scale; the scale is learned.
    """

    embed_dim: Width = 256
    image: ImageTowerSettings
    text: TextTowerSettings = TextTowerSettings()
    temperature: Annotated[float, Field(ge=0.01, le=1)] = 0.07
