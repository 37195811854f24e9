"""Text towers on their own, made ready to use: a BERT's folder, or a decoder's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from medvlp.errors import UsageError
from medvlp.models.decoder_folder import is_decoder_folder, load_decoder
from medvlp.models.folders import model_folder, model_label
from medvlp.models.text_encoder import TextEncoder
from medvlp.models.text_sources import open_text_tower

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medvlp.text.file_tokenizer import ReportTokenizer

__all__ = ["load_text_embedder"]

_DECODER_TOKENS = 512


def load_text_embedder(
    name: str, *, device: str = "cpu", template: str | None = None, max_tokens: int | None = None
) -> TextEncoder:
    """Return the text encoder of a text tower.

    Args:
        name: Folder of a text tower that training wrote, of a BERT of transformers, or of a decoder
            language model; or ``hf-hub:owner/name``.
        device: Where the tower runs.
        template: What texts are put into, with one ``{}``; only for a released decoder, which does
            not say. None for ``{}``.
        max_tokens: Largest number of tokens of a text; likewise. None for 512.

    Raises:
        UsageError: If template or length are given for a tower that states its own (MV1002).
        ModelError: If the folder cannot be used (MV14xx, MV21xx).
    """
    folder = model_folder(name)
    label = model_label(name, folder)
    if is_decoder_folder(folder):
        decoder = load_decoder(folder)
        meta = decoder.meta
        if meta is not None:
            _refuse_given(label, template, max_tokens)
            template, max_tokens = meta.template, meta.max_tokens
        tower: torch.nn.Module = decoder.model
        tokenizer: ReportTokenizer = decoder.tokenizer
    else:
        _refuse_given(label, template, max_tokens)
        bert = open_text_tower(folder)
        tower, tokenizer, max_tokens = bert.model, bert.tokenizer, bert.meta.settings.max_tokens
    frame, longest = template or "{}", max_tokens or _DECODER_TOKENS

    def tokenize(texts: Sequence[str]) -> tuple[torch.Tensor, ...]:
        tokens = tokenizer.encode([frame.replace("{}", text) for text in texts], longest)
        return torch.from_numpy(tokens.ids), torch.from_numpy(tokens.mask)

    return TextEncoder(name=label, tower=tower, tokenize=tokenize, device=device)


def _refuse_given(name: str, template: str | None, max_tokens: int | None) -> None:
    if template is not None or max_tokens is not None:
        raise UsageError(
            "MV1002",
            f"template or max_tokens are given, and the text tower {name!r} states its own",
            expected="neither of them",
        )
