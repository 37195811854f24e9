"""Which tokenizer a run has: one from a file, or one trained on its own texts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from medvlp.config.strict import StrictModel
from medvlp.text.file_tokenizer import load_report_tokenizer
from medvlp.text.tokenizer import CaptionTokenizer, train_tokenizer
from medvlp.text.tokenizer_files import read_wordpiece_vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from medvlp.text.file_tokenizer import ReportTokenizer

__all__ = ["TokenizerSettings", "choose_any_tokenizer", "choose_tokenizer", "read_tokenizer"]


class TokenizerSettings(StrictModel):
    """The text tower's tokenizer.

    Attributes:
        vocab_size: Largest number of pieces of a vocabulary trained on the training captions.
        file: A ``tokenizer.json``, or BERT's ``vocab.txt``, to use instead.
    """

    vocab_size: Annotated[int, Field(ge=32, le=1_000_000)] = 2000
    file: Path | None = None


def choose_tokenizer(
    settings: TokenizerSettings, texts: Callable[[], Iterable[str]]
) -> CaptionTokenizer:
    """Read the tokenizer that the settings name, else train one.

    Args:
        settings: The settings.
        texts: Gives the texts to train on; asked only then.

    Raises:
        ModelError: If there is no such file, or it is no such tokenizer (MV1410).
    """
    if settings.file is not None:
        return read_tokenizer(settings.file)
    return train_tokenizer(texts(), settings.vocab_size)


def choose_any_tokenizer(
    settings: TokenizerSettings, texts: Callable[[], Iterable[str]]
) -> ReportTokenizer:
    """Read the tokenizer that the settings name, be it a decoder's, else train one.

    Args:
        settings: The settings.
        texts: Gives the texts to train on; asked only then.

    Raises:
        ModelError: If there is no such file, or it is no tokenizer (MV1410).
    """
    if settings.file is not None and settings.file.suffix != ".txt":
        return load_report_tokenizer(settings.file)
    return choose_tokenizer(settings, texts)


def read_tokenizer(path: Path) -> CaptionTokenizer:
    """Read a tokenizer from ``tokenizer.json`` or from BERT's ``vocab.txt``.

    Raises:
        ModelError: If the file is missing or is no lower-case WordPiece tokenizer (MV1410).
    """
    if path.suffix == ".txt":
        return read_wordpiece_vocabulary(path)
    return CaptionTokenizer.load(path)
