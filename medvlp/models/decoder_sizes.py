"""Sizes of decoder language models, and what makes a text tower of a dual encoder of one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from medvlp.config.strict import StrictModel, rule_error

__all__ = ["DECODER_FAMILIES", "DecoderFamily", "DecoderSizes", "DecoderTowerSettings"]

DecoderFamily = Literal["llama", "mistral", "qwen2", "qwen3"]
DECODER_FAMILIES: tuple[DecoderFamily, ...] = ("llama", "mistral", "qwen2", "qwen3")
Width = Annotated[int, Field(ge=1, le=65536)]


class DecoderSizes(StrictModel):
    """A decoder to be built with random weights.

    Attributes:
        family: Whose architecture.
        width: Width of a token.
        layers: Number of transformer blocks.
        heads: Number of attention heads; divides ``width``.
        kv_heads: Number of heads of keys and values; divides ``heads``.
        feedforward: Width inside a block's feed-forward part.
    """

    family: DecoderFamily = "llama"
    width: Width = 128
    layers: Annotated[int, Field(ge=1, le=256)] = 2
    heads: Annotated[int, Field(ge=1, le=256)] = 2
    kv_heads: Annotated[int, Field(ge=1, le=256)] = 1
    feedforward: Width = 256

    @model_validator(mode="after")
    def _check_heads(self) -> DecoderSizes:
        for part, whole in (("heads", "width"), ("kv_heads", "heads")):
            if getattr(self, whole) % getattr(self, part):
                raise rule_error(
                    "MV1002",
                    f"{part} {getattr(self, part)} does not divide {whole} {getattr(self, whole)}",
                    expected=f"a divisor of {whole}",
                    at=part,
                )
        if self.width // self.heads % 2:
            raise rule_error(
                "MV1002",
                f"a head is {self.width // self.heads} wide",
                expected="an even width, half of which is turned by a position",
                at="heads",
            )
        return self


class DecoderTowerSettings(DecoderSizes):
    """A decoder as the text tower of a dual encoder, and the head that maps it into the space.

    Attributes:
        head_width: Width of an attention head; None for ``width`` over ``heads``.
        rows: Rows of the table of pieces, where there are more than the tokenizer has pieces.
        rope_theta: Base of the turning of positions.
        norm_epsilon: Added below the root of a norm.
        max_tokens: Largest number of tokens of one text.
        dropout: Probability of dropping an attention weight in training.
        attention: Which tokens a token sees: those ``before`` it and itself, as decoders are
            pretrained, or ``all``.
        pooling: ``last`` real token, ``mean`` or ``max`` over real tokens.
        projection: ``linear``; ``mlp`` (linear, GELU, linear); ``none`` keeps the features.
    """

    head_width: Annotated[int, Field(ge=2, le=1024, multiple_of=2)] | None = None
    rows: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    rope_theta: Annotated[float, Field(gt=1)] = 10000.0
    norm_epsilon: Annotated[float, Field(gt=0, le=0.1)] = 1e-6
    max_tokens: Annotated[int, Field(ge=4, le=131072)] = 128
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    attention: Literal["before", "all"] = "before"
    pooling: Literal["last", "mean", "max"] = "last"
    projection: Literal["none", "linear", "mlp"] = "linear"
