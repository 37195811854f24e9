"""Tokens of a language model that writes: none is added unasked, and they become text again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["BEGIN_PIECE", "END_PIECE", "WritingTokenizer", "train_writing_tokenizer"]

BEGIN_PIECE, END_PIECE = "<s>", "</s>"


class WritingTokenizer:
    """A vocabulary whose tokens become the same text again, of byte pairs or SentencePiece.

    Args:
        content: Text of a ``tokenizer.json``.
        end_id: The token that ends a text.

    Raises:
        ValueError: If the ``tokenizers`` library cannot read it, it is WordPiece, which loses
            spaces and capitals, or it has no such token.
    """

    def __init__(self, content: str, end_id: int) -> None:
        try:
            kind = json.loads(content)["model"]["type"]
            self._tokenizer = Tokenizer.from_str(content)
        except Exception as error:  # the library raises no narrower one
            raise ValueError(str(error)) from error
        if kind not in {"BPE", "Unigram"}:
            msg = f"a vocabulary of kind {kind} loses spaces and capitals"
            raise ValueError(msg)
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        vocabulary = self._tokenizer.get_vocab(with_added_tokens=True)
        self.vocab_size: int = max(vocabulary.values()) + 1
        if end_id not in vocabulary.values():
            msg = f"there is no token {end_id}"
            raise ValueError(msg)
        self.end_id = end_id

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text; special pieces that it spells are taken as such."""
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def encode_report(self, text: str, max_tokens: int) -> list[int]:
        """Return the tokens of a report and the one that ends it.

        Args:
            text: The report.
            max_tokens: Largest number of tokens; a report that is cut has no end.
        """
        return [*self.encode(text), self.end_id][:max_tokens]

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of tokens up to the first that ends it, without special pieces."""
        row = list(ids)
        kept = row[: row.index(self.end_id)] if self.end_id in row else row
        return str(self._tokenizer.decode(kept, skip_special_tokens=True)).strip()

    def to_json(self) -> str:
        """Return the text of ``tokenizer.json``; equal tokenizers give equal text."""
        return str(self._tokenizer.to_str(pretty=True)) + "\n"


def train_writing_tokenizer(texts: Iterable[str], vocab_size: int) -> WritingTokenizer:
    """Train byte pairs on texts, with the pieces ``<s>`` and ``</s>``.

    Args:
        texts: What to learn from.
        vocab_size: Largest number of pieces, 258 or more: all bytes are among them.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[BEGIN_PIECE, END_PIECE],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return WritingTokenizer(tokenizer.to_str(), tokenizer.get_vocab()[END_PIECE])
