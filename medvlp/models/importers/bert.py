"""BERT text towers of releases: sizes from ``config.json``, tokenizer from its own files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medvlp.config.strict import parse_model
from medvlp.errors import ConfigError, ModelError
from medvlp.models.architecture import TextTowerSettings
from medvlp.models.importers.source import ForeignModel, read_json_object
from medvlp.models.open_clip_settings import BertSettings
from medvlp.text.tokenizer import CaptionTokenizer
from medvlp.text.tokenizer_files import load_tokenizer, read_wordpiece_vocabulary

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from medvlp.models.architecture import Projection

__all__ = ["POSITION_BUFFERS", "bert_settings", "read_bert_tokenizer", "text_tower_settings"]

POSITION_BUFFERS = ("embeddings.position_ids", "embeddings.token_type_ids")
"""Tables that old versions of transformers stored beside the weights."""

_FIXED = {"position_embedding_type": "absolute", "is_decoder": False, "add_cross_attention": False}
_MAX_TOKENS = 256


def bert_settings(config: Mapping[str, Any], source: str) -> BertSettings:
    """Take the sizes of a BERT from its configuration; what is left out is as in BERT-base.

    Args:
        config: What ``config.json`` of transformers holds.
        source: The file, for messages.

    Raises:
        ModelError: If it is no BERT, or one with parts that are not supported (MV2101).
    """
    kind = config.get("model_type", "bert")
    if kind != "bert":
        raise ModelError(
            "MV2101", f"{source}: the text tower is a {kind!r}", expected="a BERT text tower"
        )
    for name, value in _FIXED.items():
        if config.get(name, value) != value:
            raise ModelError(
                "MV2101", f"{source}: {name}={config[name]!r} is not supported", expected=str(value)
            )
    sizes = {name: config[name] for name in BertSettings.model_fields if name in config}
    try:
        return parse_model(sizes, BertSettings, source=source)
    except ConfigError as error:
        raise ModelError("MV2101", error.what, expected=error.expected) from error


def text_tower_settings(
    sizes: BertSettings, projection: Projection, source: str
) -> TextTowerSettings:
    """Return our own text tower of these sizes, whose feature is BERT's pooled output.

    Raises:
        ModelError: If our tower cannot be of these sizes (MV2101).
    """
    usual = BertSettings()
    for name in ("type_vocab_size", "layer_norm_eps", "pad_token_id"):
        if getattr(sizes, name) != getattr(usual, name):
            raise ModelError(
                "MV2101",
                f"{source}: {name}={getattr(sizes, name)} is not supported",
                expected=str(getattr(usual, name)),
            )
    values = {
        "width": sizes.hidden_size,
        "layers": sizes.num_hidden_layers,
        "heads": sizes.num_attention_heads,
        "feedforward": sizes.intermediate_size,
        "max_tokens": min(_MAX_TOKENS, sizes.max_position_embeddings),
        "positions": sizes.max_position_embeddings,
        "dropout": sizes.hidden_dropout_prob,
        "pooling": "pooler",
        "projection": projection,
    }
    try:
        return parse_model(values, TextTowerSettings, source=source)
    except ConfigError as error:
        raise ModelError("MV2101", error.what, expected=error.expected) from error


def read_bert_tokenizer(folder: Path, vocab_size: int) -> tuple[CaptionTokenizer, list[Path]]:
    """Read the lower-case WordPiece tokenizer of a release.

    Args:
        folder: Where ``vocab.txt`` or ``tokenizer.json`` lies.
        vocab_size: Number of pieces that the text tower has.

    Returns:
        The tokenizer and the files it was read from.

    Raises:
        ModelError: If there is none (MV2108), it keeps capitals (MV2108), it has another number of
            pieces (MV2108), or it is damaged (MV1410).
    """
    files = ForeignModel(folder)
    settings = files.find(("tokenizer_config.json",))
    if settings is not None and read_json_object(settings).get("do_lower_case") is False:
        raise ModelError("MV2108", f"{settings} keeps capitals", expected="do_lower_case: true")
    path = files.find(("vocab.txt", "tokenizer.json"))
    if path is None:
        raise ModelError(
            "MV2108",
            f"{folder} holds no tokenizer",
            expected="vocab.txt or tokenizer.json",
            hint="give the folder that holds it with --tokenizer",
        )
    found = (read_wordpiece_vocabulary if path.suffix == ".txt" else load_tokenizer)(path)
    if not isinstance(found, CaptionTokenizer):
        raise ModelError("MV2108", f"{path} is a byte-pair tokenizer", expected="WordPiece")
    if found.vocab_size != vocab_size or found.vocabulary["[PAD]"] != 0:
        raise ModelError(
            "MV2108",
            f"{path} has {found.vocab_size} pieces, '[PAD]' with id {found.vocabulary['[PAD]']}",
            expected=f"{vocab_size} pieces as the text tower has, '[PAD]' with id 0",
        )
    return found, [path]
