"""Read a tokenizer from the files that models come with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeAlias

from medvlp.errors import ModelError
from medvlp.text.clip_tokenizer import ClipTokenizer
from medvlp.text.file_tokenizer import FileTokenizer
from medvlp.text.tokenizer import CaptionTokenizer

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["TextTokenizer", "load_tokenizer", "read_wordpiece_vocabulary"]

TextTokenizer: TypeAlias = CaptionTokenizer | ClipTokenizer | FileTokenizer

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_MAX_BYTES = 64 * 2**20


def load_tokenizer(path: Path) -> TextTokenizer:
    """Read a ``tokenizer.json`` with a lower-case WordPiece or CLIP's byte-pair vocabulary.

    Raises:
        ModelError: If it is missing, or is neither of these (MV1410).
    """
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return CaptionTokenizer.load(path)  # says what is wrong with the file
    model = content.get("model") if isinstance(content, dict) else None
    if isinstance(model, dict) and model.get("type") == "BPE":
        return ClipTokenizer.from_content(content, str(path))
    return CaptionTokenizer.load(path)


def read_wordpiece_vocabulary(path: Path) -> CaptionTokenizer:
    """Read BERT's ``vocab.txt``: one piece a line, its number the id, letters lower-case.

    Raises:
        ModelError: If the file cannot be read, repeats a piece, or lacks a special piece (MV1410).
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise _refuse(path, f"it is larger than {_MAX_BYTES} bytes")
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError) as error:
        raise _refuse(path, f"it cannot be read ({error})") from error
    pieces = [line.rstrip("\r") for line in lines]
    if pieces and not pieces[-1]:
        pieces.pop()
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    if len(vocabulary) != len(pieces):
        repeated = next(piece for index, piece in enumerate(pieces) if vocabulary[piece] != index)
        raise _refuse(path, f"it holds {repeated!r} twice")
    missing = [piece for piece in _SPECIAL if piece not in vocabulary]
    if missing:
        raise _refuse(path, f"it has no {missing[0]}")
    return CaptionTokenizer(vocabulary)


def _refuse(path: Path, why: str) -> ModelError:
    return ModelError(
        "MV1410",
        f"{path} cannot be used as a vocabulary: {why}",
        expected="BERT's vocab.txt, one piece a line",
        hint="download the file again",
    )
