"""A decoder language model of any size as the text tower of a dual encoder.

Letters: B batch, T tokens, W width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from huggingface_hub.errors import StrictDataclassError
from torch import nn
from transformers import CONFIG_MAPPING, AutoModel

import medvlp
from medvlp.errors import ModelError
from medvlp.models.bundle_schema import TOKENIZER_FILE, WEIGHTS_FILE, Provenance
from medvlp.models.importers.source import read_json_object
from medvlp.models.weights import load_weights_into, read_safetensors
from medvlp.text.file_tokenizer import load_report_tokenizer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from medvlp.models.decoder_sizes import DecoderTowerSettings
    from medvlp.text.file_tokenizer import ReportTokenizer

__all__ = ["DecoderOrigin", "DecoderTower", "take_decoder"]

CONFIG_FILE = "config.json"
_PREFIX = "model."
_LANGUAGE_HEAD = "lm_head."
_NOTE = "What the text tower's own release was trained on is for its authors to say."


@dataclass(frozen=True)
class DecoderOrigin:
    """The release that a tower begins with.

    Attributes:
        name: Its name.
        provenance: What is known of it.
    """

    name: str
    provenance: Provenance


class DecoderTower(nn.Module):
    """A decoder that makes one vector of a text; it has no language head.

    Args:
        settings: Its sizes, which tokens see which, and how a text becomes a vector.
        vocab_size: Number of pieces of the tokenizer.

    Raises:
        ModelError: If the tokenizer has more pieces than the table has rows (MV1407).
    """

    def __init__(self, settings: DecoderTowerSettings, vocab_size: int) -> None:
        super().__init__()
        if settings.rows is not None and settings.rows < vocab_size:
            raise ModelError(
                "MV1407",
                f"the decoder has {settings.rows} rows for the tokenizer's {vocab_size} pieces",
                expected=f"rows of at least {vocab_size}, or none given",
            )
        config = CONFIG_MAPPING[settings.family].from_dict(_library_settings(settings, vocab_size))
        library: Any = AutoModel  # without annotations of its own
        self.settings = settings
        self.network = library.from_config(config, attn_implementation="sdpa")

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Embed texts.

        Args:
            ids: Token ids, shape ``(B, T)``, int64.
            mask: True where a token is real, shape ``(B, T)``, bool; padding on either side.

        Returns:
            Shape ``(B, W)``.
        """
        output = self.network(
            input_ids=ids,
            attention_mask=self._seen(mask),
            position_ids=(mask.long().cumsum(dim=1) - 1).clamp(min=0),
            use_cache=False,
        )
        return self._pooled(output.last_hidden_state, mask)

    def _seen(self, mask: torch.Tensor) -> torch.Tensor:
        """Return which token sees which, shape ``(B, 1, T, T)``; each one sees itself.

        It is given whole: without padding the library would drop a mask of two axes. Padding that
        saw nothing would become NaN.
        """
        length = mask.shape[1]
        every = torch.ones(length, length, dtype=torch.bool, device=mask.device)
        before = every.tril() if self.settings.attention == "before" else every
        own = torch.eye(length, dtype=torch.bool, device=mask.device)
        return (mask[:, None, None, :] & before) | own

    def _pooled(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        if self.settings.pooling == "last":
            places = torch.arange(mask.shape[1], device=mask.device)
            last = (mask.long() * places).argmax(dim=1)
            return tokens[torch.arange(len(tokens), device=tokens.device), last]
        real = mask.unsqueeze(-1)
        if self.settings.pooling == "max":
            return tokens.masked_fill(~real, -torch.inf).amax(dim=1)
        weight = real.to(tokens.dtype)
        return (tokens * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1.0)


def take_decoder(tower: DecoderTower, folder: Path, tokenizer: ReportTokenizer) -> DecoderOrigin:
    """Give a tower the weights of a release, with or without a language head.

    Only ``config.json``, ``tokenizer.json`` and safetensors are read; nothing of the folder is run.
    A tower without memory, which another process fills, is left alone.

    Args:
        tower: The tower.
        folder: The release: of one of the families known, in one file of weights or several.
        tokenizer: The tokenizer of the texts to come.

    Returns:
        Where the weights come from.

    Raises:
        ModelError: If a file is missing (MV1403, MV1410), the settings cannot be read (MV2101), the
            sizes (MV1409) or the tokenizers (MV2043) differ, or the weights cannot be used (MV1405,
            MV1409, MV1414).
    """
    stated = read_json_object(folder / CONFIG_FILE)
    _check_sizes(tower.settings, stated, folder)
    theirs = load_report_tokenizer(folder / TOKENIZER_FILE)
    if theirs.vocabulary != tokenizer.vocabulary:
        raise ModelError(
            "MV2043",
            f"the text tower of {folder} was trained with another tokenizer than data.tokenizer",
            expected=f"data.tokenizer.file: {folder / TOKENIZER_FILE}",
        )
    origin = DecoderOrigin(
        folder.resolve().name, Provenance(medvlp_version=medvlp.__version__, notes=(_NOTE,))
    )
    if any(parameter.is_meta for parameter in tower.parameters()):
        return origin
    state = {
        name.removeprefix(_PREFIX): tensor
        for name, tensor in read_safetensors(folder / WEIGHTS_FILE).items()
        if not name.startswith(_LANGUAGE_HEAD)
    }
    load_weights_into(tower.network, state, str(folder))
    return origin


def _library_settings(settings: DecoderTowerSettings, vocab_size: int) -> dict[str, Any]:
    """Return the settings under the names that transformers gives them."""
    return {
        "vocab_size": settings.rows or vocab_size,
        "hidden_size": settings.width,
        "num_hidden_layers": settings.layers,
        "num_attention_heads": settings.heads,
        "num_key_value_heads": settings.kv_heads,
        "head_dim": settings.head_width or settings.width // settings.heads,
        "intermediate_size": settings.feedforward,
        "hidden_act": "silu",
        "max_position_embeddings": settings.max_tokens,
        "rms_norm_eps": settings.norm_epsilon,
        "rope_parameters": {"rope_type": "default", "rope_theta": settings.rope_theta},
        "attention_dropout": settings.dropout,
        "pad_token_id": None,
        "bos_token_id": None,
        "eos_token_id": None,
        "sliding_window": None,
    }


def _check_sizes(settings: DecoderTowerSettings, stated: Mapping[str, Any], folder: Path) -> None:
    """Refuse a release of other sizes; what it does not state is as in the library's own."""
    try:
        theirs = CONFIG_MAPPING[settings.family].from_dict(dict(stated)).to_dict()
        if not theirs.get("head_dim"):
            theirs["head_dim"] = theirs["hidden_size"] // theirs["num_attention_heads"]
    except _UNREADABLE as error:
        raise ModelError(
            "MV2101",
            f"{folder / CONFIG_FILE} does not describe a decoder ({' '.join(str(error).split())})",
            expected="the settings of one of the families known, as its release has them",
        ) from error
    theirs["family"] = stated.get("model_type")
    ours = _library_settings(settings, theirs["vocab_size"]) | {"family": settings.family}
    ours |= {name: theirs.get(name) for name in _FREE}
    differing = [
        f"{name} {theirs.get(name)!r} there, {value!r} here"
        for name, value in ours.items()
        if theirs.get(name) != value
    ]
    if differing:
        raise ModelError(
            "MV1409",
            f"the decoder of {folder} is another: {'; '.join(differing[:3])}",
            expected="model.encoder.decoder with the sizes of its config.json",
        )


_UNREADABLE = (StrictDataclassError, ArithmeticError, AttributeError, TypeError, ValueError)
"""What the library raises for settings of wrong types, and for no heads."""

_FREE = (
    *("max_position_embeddings", "attention_dropout", "sliding_window"),
    *("pad_token_id", "bos_token_id", "eos_token_id"),
)
"""What may differ: it has no weights, or no part in how texts of this length are read."""
