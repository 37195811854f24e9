"""A tokenizer just as its ``tokenizer.json`` says: the byte-pair vocabularies of decoders."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from tokenizers import Tokenizer

from medvlp.errors import ModelError
from medvlp.text.tokenizer import CaptionTokenizer, TokenIds

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tokenizers import Encoding

__all__ = ["FileTokenizer", "ReportTokenizer", "load_report_tokenizer"]

_SUBWORDS = ("BPE", "Unigram")


class FileTokenizer:
    """A tokenizer as its file describes it: pieces, special tokens before and after a text.

    Padding is never attended to, so any special piece serves for it, as Llama has none of its own.

    Args:
        content: Text of a ``tokenizer.json``.
        padding: Side that shorter texts are filled on.

    Raises:
        ValueError: If the ``tokenizers`` library cannot read it.
    """

    def __init__(self, content: str, *, padding: Literal["left", "right"] = "left") -> None:
        try:
            self._tokenizer = Tokenizer.from_str(content)
        except Exception as error:  # the library raises no narrower one
            raise ValueError(str(error)) from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._padding = padding
        self.vocabulary: dict[str, int] = self._tokenizer.get_vocab(with_added_tokens=True)
        added = self._tokenizer.get_added_tokens_decoder()
        self.special_ids = frozenset(number for number, token in added.items() if token.special)
        self._pad_id = min(self.special_ids, default=0)

    @property
    def vocab_size(self) -> int:
        """Number of rows that a table of its pieces needs."""
        return max(self.vocabulary.values()) + 1

    def encode(self, texts: Sequence[str], max_tokens: int) -> TokenIds:
        """Encode texts, cut at ``max_tokens`` and padded to the longest.

        A special token that ends a text is kept where the text is cut.

        Args:
            texts: B texts.
            max_tokens: Largest number of tokens of one text, special ones included.
        """
        rows = [self._cut(encoded.ids, max_tokens) for encoded in self._encode(texts)]
        width = max((len(row) for row in rows), default=0)
        ids = np.full((len(rows), width), self._pad_id, dtype=np.int64)
        mask = np.zeros((len(rows), width), dtype=np.bool_)
        for index, row in enumerate(rows):
            place = slice(width - len(row), width) if self._padding == "left" else slice(len(row))
            ids[index, place] = row
            mask[index, place] = True
        return TokenIds(ids=ids, mask=mask)

    def to_json(self) -> str:
        """Return the text of ``tokenizer.json``; equal tokenizers give equal text."""
        return str(self._tokenizer.to_str(pretty=True)) + "\n"

    def _encode(self, texts: Sequence[str]) -> list[Encoding]:
        return list(self._tokenizer.encode_batch(list(texts)))

    def _cut(self, row: list[int], max_tokens: int) -> list[int]:
        if len(row) <= max_tokens:
            return row
        if row[-1] in self.special_ids:
            return [*row[: max_tokens - 1], row[-1]]
        return row[:max_tokens]


ReportTokenizer: TypeAlias = CaptionTokenizer | FileTokenizer


def load_report_tokenizer(path: Path) -> ReportTokenizer:
    """Read a ``tokenizer.json``: a lower-case WordPiece vocabulary, or a decoder's.

    Raises:
        ModelError: If it is missing, or is neither (MV1410).
    """
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return CaptionTokenizer.load(path)  # says what is wrong with the file
    model = content.get("model") if isinstance(content, dict) else None
    if not isinstance(model, dict) or model.get("type") not in _SUBWORDS:
        return CaptionTokenizer.load(path)
    try:
        return FileTokenizer(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(
            "MV1410",
            f"{path} cannot be used as a tokenizer: {error}",
            expected="a tokenizer.json of the tokenizers library",
            hint="copy the model folder again",
        ) from error
