"""CLIP's byte-pair tokenizer, in the ``tokenizer.json`` layout of the ``tokenizers`` library."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import Regex, Tokenizer
from tokenizers.models import BPE
from tokenizers.normalizers import NFC, Lowercase, Replace, Sequence, Strip
from tokenizers.pre_tokenizers import ByteLevel, Split
from tokenizers.pre_tokenizers import Sequence as PreTokenizers
from tokenizers.processors import TemplateProcessing

from medvlp.errors import ModelError
from medvlp.text.tokenizer import TokenIds

if TYPE_CHECKING:
    from collections.abc import Sequence as SequenceOf
    from pathlib import Path

__all__ = ["ClipTokenizer"]

_ENDS = (("<start_of_text>", "<end_of_text>"), ("<|startoftext|>", "<|endoftext|>"))
_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_PAD_ID = 0


class ClipTokenizer:
    """A lower-case byte-pair tokenizer as CLIP and its descendants use it.

    Args:
        vocabulary: Piece to id; ids are 0, 1, 2, ... without a gap. The last two pieces begin and
            end a text: CLIP's text tower finds the end as the largest id.
        merges: Pairs of pieces in the order in which they are joined.

    Raises:
        ValueError: If the vocabulary has gaps, does not end with the two special pieces, or lacks
            a piece of a merge.
    """

    def __init__(self, vocabulary: dict[str, int], merges: SequenceOf[tuple[str, str]]) -> None:
        self.vocabulary = vocabulary
        self.merges = tuple(merges)
        if sorted(vocabulary.values()) != list(range(len(vocabulary))):
            msg = "the ids of the vocabulary have gaps or repeats"
            raise ValueError(msg)
        last = sorted(vocabulary, key=vocabulary.__getitem__)[-2:]
        if tuple(last) not in _ENDS:
            msg = f"the vocabulary ends with {last}, not with one of {_ENDS}"
            raise ValueError(msg)
        self.ends = (last[0], last[1])
        for pair in self.merges:
            if not vocabulary.keys() >= {*pair, "".join(pair)}:
                msg = f"the vocabulary lacks a piece of merge {pair}"
                raise ValueError(msg)
        self._tokenizer = self._assemble()

    @property
    def vocab_size(self) -> int:
        """Number of pieces, special ones included."""
        return len(self.vocabulary)

    def encode(self, texts: SequenceOf[str], max_tokens: int) -> TokenIds:
        """Encode texts as start, pieces, end; cut at ``max_tokens``, padded to that with id 0.

        Args:
            texts: B texts.
            max_tokens: Number of tokens of every row, T; a cut text still ends with the end piece.
        """
        ids = np.full((len(texts), max_tokens), _PAD_ID, dtype=np.int64)
        mask = np.zeros((len(texts), max_tokens), dtype=np.bool_)
        for index, text in enumerate(texts):
            row = self._tokenizer.encode(text).ids
            row = row if len(row) <= max_tokens else [*row[: max_tokens - 1], row[-1]]
            ids[index, : len(row)] = row
            mask[index, : len(row)] = True
        return TokenIds(ids=ids, mask=mask)

    def to_json(self) -> str:
        """Return the text of ``tokenizer.json``; equal tokenizers give equal text."""
        return str(self._tokenizer.to_str(pretty=True)) + "\n"

    @classmethod
    def from_content(cls, content: Any, source: str) -> ClipTokenizer:  # noqa: ANN401 - parsed JSON
        """Build the tokenizer from a parsed ``tokenizer.json``.

        Only vocabulary and merges are taken: the rest is CLIP's own.

        Raises:
            ModelError: If it does not hold a byte-pair vocabulary of CLIP's kind (MV1410).
        """
        try:
            model = content["model"]
            merges = [_pair(merge) for merge in model["merges"]]
            vocabulary = {str(piece): int(index) for piece, index in model["vocab"].items()}
            if model.get("end_of_word_suffix") != "</w>":
                raise _refuse(source, "its pieces do not end with '</w>'")
            return cls(vocabulary, merges)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise _refuse(source, str(error)) from error

    @classmethod
    def from_files(cls, vocabulary: Path, merges: Path) -> ClipTokenizer:
        """Read ``vocab.json`` and ``merges.txt``.

        Raises:
            ModelError: If they cannot be read or are not CLIP's kind (MV1410).
        """
        try:
            table = json.loads(vocabulary.read_bytes())
            lines = merges.read_text(encoding="utf-8").splitlines()
            pairs = [_pair(line) for line in lines if line and not line.startswith("#version")]
            return cls({str(piece): int(index) for piece, index in table.items()}, pairs)
        except (OSError, ValueError, TypeError, AttributeError, OverflowError) as error:
            raise _refuse(f"{vocabulary} with {merges.name}", str(error)) from error

    def _assemble(self) -> Tokenizer:
        start, end = self.ends
        tokenizer = Tokenizer(
            BPE(
                vocab=self.vocabulary,
                merges=list(self.merges),
                end_of_word_suffix="</w>",
                unk_token=end,
            )
        )
        tokenizer.normalizer = Sequence([NFC(), Replace(Regex(r"\s+"), " "), Strip(), Lowercase()])
        tokenizer.pre_tokenizer = PreTokenizers(
            [
                Split(Regex(_PATTERN), behavior="removed", invert=True),
                ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        tokenizer.add_special_tokens([start, end])
        tokenizer.post_processor = TemplateProcessing(
            single=f"{start} $A {end}",
            special_tokens=[(token, self.vocabulary[token]) for token in (start, end)],
        )
        return tokenizer


def _pair(merge: str | list[str]) -> tuple[str, str]:
    parts = merge.split() if isinstance(merge, str) else merge
    if len(parts) != 2:
        msg = f"merge {merge!r} is not a pair"
        raise ValueError(msg)
    return str(parts[0]), str(parts[1])


def _refuse(source: str, why: str) -> ModelError:
    return ModelError(
        "MV1410",
        f"{source} cannot be used as a tokenizer: {why}",
        expected="CLIP's lower-case byte-pair vocabulary",
        hint="copy the model folder again",
    )
