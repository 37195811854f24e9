"""Turn captions into token ids: a lower-case WordPiece vocabulary trained on the captions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import WordPieceTrainer

from medvlp.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["CaptionTokenizer", "TokenIds", "train_tokenizer"]

_PAD, _UNKNOWN, _START, _END, _MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
_SPECIAL = (_PAD, _UNKNOWN, _START, _END, _MASK)
_PARTS = {
    "model": "WordPiece",
    "normalizer": "BertNormalizer",
    "pre_tokenizer": "BertPreTokenizer",
    "post_processor": "TemplateProcessing",
}


@dataclass(frozen=True, kw_only=True)
class TokenIds:
    """Token ids of several texts, padded to one length.

    Attributes:
        ids: Vocabulary indices, shape ``(B, T)``, int64; padding is the id of ``[PAD]``.
        mask: True where a token is real, shape ``(B, T)``, bool.
    """

    ids: NDArray[np.int64]
    mask: NDArray[np.bool_]


class CaptionTokenizer:
    """A WordPiece tokenizer in the ``tokenizer.json`` layout of the ``tokenizers`` library.

    Args:
        vocabulary: Piece to id; ids are 0, 1, 2, ... without a gap, five pieces are special.
    """

    def __init__(self, vocabulary: dict[str, int]) -> None:
        self.vocabulary = vocabulary
        self._pad_id = vocabulary[_PAD]
        self._tokenizer = _assemble(vocabulary)

    @property
    def vocab_size(self) -> int:
        """Number of pieces, special ones included."""
        return len(self.vocabulary)

    def encode(self, texts: Sequence[str], max_tokens: int) -> TokenIds:
        """Encode texts as ``[CLS] pieces [SEP]``, cut at ``max_tokens`` and padded to the longest.

        Args:
            texts: B texts.
            max_tokens: Largest number of tokens of one text, the two special ones included.
        """
        rows = [self._tokenizer.encode(text).ids for text in texts]
        rows = [
            row if len(row) <= max_tokens else [*row[: max_tokens - 1], row[-1]] for row in rows
        ]
        width = max((len(row) for row in rows), default=0)
        ids = np.full((len(rows), width), self._pad_id, dtype=np.int64)
        mask = np.zeros((len(rows), width), dtype=np.bool_)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = row
            mask[index, : len(row)] = True
        return TokenIds(ids=ids, mask=mask)

    def to_json(self) -> str:
        """Return the text of ``tokenizer.json``; equal tokenizers give equal text."""
        return str(self._tokenizer.to_str(pretty=True)) + "\n"

    @classmethod
    def load(cls, path: Path) -> CaptionTokenizer:
        """Read a ``tokenizer.json``.

        Raises:
            ModelError: If the file is missing or is not a lower-case WordPiece tokenizer (MV1410).
        """
        try:
            content = json.loads(path.read_bytes())
        except FileNotFoundError as error:
            raise _refuse(path, "there is no such file") from error
        except (OSError, ValueError) as error:
            raise _refuse(path, f"it cannot be read ({error})") from error
        return cls(_check_tokenizer(path, content))


def train_tokenizer(captions: Iterable[str], vocab_size: int) -> CaptionTokenizer:
    """Train a lower-case WordPiece vocabulary; the same captions give the same vocabulary.

    Args:
        captions: Training texts; sorted and made unique first, so their order does not matter.
        vocab_size: Largest number of pieces.

    Raises:
        ValueError: If there is no caption.
    """
    texts = sorted(set(captions))
    if not texts:
        msg = "captions is empty: a vocabulary needs at least one caption"
        raise ValueError(msg)
    tokenizer = _without_vocabulary({token: index for index, token in enumerate(_SPECIAL)})
    letters = {letter for text in texts for letter in tokenizer.normalizer.normalize_str(text)}
    # The library numbers "##x" pieces in the order of a hash table, which differs from run to run
    # and decides ties between merges; handing them over as fixed pieces makes that repeatable.
    inner = [f"##{letter}" for letter in sorted(letters) if not letter.isspace()]
    trainer = WordPieceTrainer(
        vocab_size=vocab_size, special_tokens=[*_SPECIAL, *inner], show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return CaptionTokenizer(tokenizer.get_vocab())


def _without_vocabulary(vocabulary: dict[str, int]) -> Tokenizer:
    tokenizer = Tokenizer(WordPiece(vocab=vocabulary, unk_token=_UNKNOWN))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    return tokenizer


def _assemble(vocabulary: dict[str, int]) -> Tokenizer:
    tokenizer = _without_vocabulary(vocabulary)
    tokenizer.add_special_tokens(list(_SPECIAL))
    tokenizer.post_processor = TemplateProcessing(
        single=f"{_START} $A {_END}",
        pair=f"{_START} $A {_END} $B:1 {_END}:1",
        special_tokens=[(token, vocabulary[token]) for token in (_START, _END)],
    )
    return tokenizer


def _refuse(path: Path, why: str) -> ModelError:
    return ModelError(
        "MV1410",
        f"{path} cannot be used as a tokenizer: {why}",
        expected="a tokenizer.json with a lower-case WordPiece vocabulary",
        hint="copy the model folder again, or save the model again",
    )


def _check_tokenizer(path: Path, content: Any) -> dict[str, int]:  # noqa: ANN401 - parsed JSON
    """Return the vocabulary after checking that the file holds what ``_assemble`` rebuilds."""
    if not isinstance(content, dict):
        raise _refuse(path, f"it holds a {type(content).__name__}, not an object")
    for part, kind in _PARTS.items():
        found = content.get(part)
        actual = found.get("type") if isinstance(found, dict) else found
        if actual != kind:
            raise _refuse(path, f"its {part} is {actual!r}, not {kind!r}")
    if content["normalizer"].get("lowercase") is not True:
        raise _refuse(path, "its normalizer does not lower-case")
    vocabulary = content["model"].get("vocab")
    if not isinstance(vocabulary, dict) or any(type(i) is not int for i in vocabulary.values()):
        raise _refuse(path, "its vocabulary is not a table of pieces and ids")
    if sorted(vocabulary.values()) != list(range(len(vocabulary))):
        raise _refuse(path, "the ids of its vocabulary have gaps or repeats")
    missing = [token for token in _SPECIAL if token not in vocabulary]
    if missing:
        raise _refuse(path, f"its vocabulary has no {missing[0]}")
    return vocabulary
