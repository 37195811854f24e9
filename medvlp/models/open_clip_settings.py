"""What a bundle says about a dual encoder of open_clip: the library's configuration, checked."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue, model_validator

from medvlp.config.strict import StrictModel, rule_error

__all__ = ["BertSettings", "OpenClipSettings"]

Size = Annotated[int, Field(ge=1, le=10_000_000)]

_KEYS = frozenset(
    {
        "embed_dim",
        "vision_cfg",
        "text_cfg",
        "quick_gelu",
        "custom_text",
        "init_logit_scale",
        "init_logit_bias",
        "nonscalar_logit_scale",
    }
)
_MAX_LAYERS = 512
_REQUIRED = ("embed_dim", "vision_cfg", "text_cfg")


class BertSettings(StrictModel):
    """Sizes of a BERT text tower, by the names of its ``config.json``; as BERT-base by default."""

    vocab_size: Size = 30522
    hidden_size: Size = 768
    num_hidden_layers: Annotated[int, Field(ge=1, le=128)] = 12
    num_attention_heads: Annotated[int, Field(ge=1, le=256)] = 12
    intermediate_size: Size = 3072
    hidden_act: Literal["gelu"] = "gelu"
    hidden_dropout_prob: Annotated[float, Field(ge=0, lt=1)] = 0.1
    attention_probs_dropout_prob: Annotated[float, Field(ge=0, lt=1)] = 0.1
    max_position_embeddings: Size = 512
    type_vocab_size: Size = 2
    layer_norm_eps: Annotated[float, Field(gt=0, le=1)] = 1e-12
    pad_token_id: Annotated[int, Field(ge=0, le=10_000_000)] = 0


def _check_tower(part: JsonValue, at: str) -> None:
    """Refuse a tower that is no object, or whose number of blocks would never be built."""
    if not isinstance(part, dict):
        raise rule_error("MV1002", "is not an object", at=at)
    depths = part.get("layers", 0)
    for depth in depths if isinstance(depths, list) else [depths]:
        if not isinstance(depth, int) or not 0 <= depth <= _MAX_LAYERS:
            raise rule_error(
                "MV1002",
                f"{depth!r} is not valid",
                expected=f"a whole number of at most {_MAX_LAYERS}",
                at=f"{at}.layers",
            )


class OpenClipSettings(StrictModel):
    """A dual encoder as open_clip builds it.

    Attributes:
        library: Always ``open_clip``; tells these settings from our own towers'.
        model: open_clip's model configuration (``model_cfg`` of ``open_clip_config.json``).
        text_model: Sizes of the text tower where it is a BERT; None for CLIP's own text tower.
        max_tokens: Number of tokens of one text.
        repair_text: Whether broken letters and HTML entities are repaired before a text is cut
            into tokens, as open_clip does.
    """

    library: Literal["open_clip"] = "open_clip"
    model: dict[str, JsonValue]
    text_model: BertSettings | None = None
    max_tokens: Annotated[int, Field(ge=4, le=8192)] = 77
    repair_text: bool = True

    @model_validator(mode="after")
    def _check_model(self) -> OpenClipSettings:
        unknown = sorted(self.model.keys() - _KEYS)
        missing = [name for name in _REQUIRED if name not in self.model]
        if unknown or missing:
            raise rule_error(
                "MV1002",
                f"has unknown keys {unknown}" if unknown else f"lacks {missing}",
                expected=f"keys of {sorted(_KEYS)}",
                at="model",
            )
        for name in ("vision_cfg", "text_cfg"):
            _check_tower(self.model[name], f"model.{name}")
        if self.has_bert != (self.text_model is not None):
            raise rule_error(
                "MV1002",
                "is given for CLIP's own text tower" if self.text_model else "is missing",
                expected="sizes exactly where text_cfg names an hf_model_name",
                at="text_model",
            )
        return self

    @property
    def vision_config(self) -> dict[str, JsonValue]:
        """The part about the image tower."""
        part = self.model["vision_cfg"]
        return part if isinstance(part, dict) else {}

    @property
    def text_config(self) -> dict[str, JsonValue]:
        """The part about the text tower."""
        part = self.model["text_cfg"]
        return part if isinstance(part, dict) else {}

    @property
    def has_bert(self) -> bool:
        """Whether the text tower is a BERT of transformers and not CLIP's own."""
        return bool(self.text_config.get("hf_model_name"))
