"""What a tokenizer makes of captions: which are cut, and which it cannot read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from medvlp.text.file_tokenizer import ReportTokenizer

__all__ = ["CaptionSurvey", "Captioned", "survey_captions"]

_TEXTS_AT_ONCE = 64
_NO_LIMIT = 2**31
_UNREADABLE_SHARE = 0.5
_SHOWN = 5


class Captioned(Protocol):
    """A pair, or a crop with its report."""

    @property
    def sample_id(self) -> str:
        """Its name."""

    @property
    def captions(self) -> tuple[str, ...]:
        """Texts that describe it."""


@dataclass(frozen=True)
class CaptionSurvey:
    """Captions that the model sees in part or not at all.

    Attributes:
        num_captions: Number of different captions.
        max_tokens: Length at which captions are cut.
        cut: Names of the pairs with a longer caption.
        unreadable: Names of the pairs with a caption more than half of whose pieces are not in the
            vocabulary, as of another script, or that has no pieces at all.
    """

    num_captions: int
    max_tokens: int
    cut: tuple[str, ...]
    unreadable: tuple[str, ...]

    def lines(self) -> list[str]:
        """Return what there is to say, a line each; none where all captions are seen whole."""
        said = (
            (self.cut, f"have captions of more than {self.max_tokens} tokens, which are cut"),
            (self.unreadable, "have captions that the tokenizer's vocabulary mostly does not hold"),
        )
        return [
            f"{len(names)} pairs {what}: {', '.join(names[:_SHOWN])}"
            f"{', ...' if len(names) > _SHOWN else ''}"
            for names, what in said
            if names
        ]


def survey_captions(
    rows: Iterable[Captioned], tokenizer: ReportTokenizer, max_tokens: int
) -> CaptionSurvey:
    """Look at every caption of some pairs as the tokenizer sees it.

    Args:
        rows: The pairs.
        tokenizer: The tokenizer.
        max_tokens: Largest number of tokens of a caption, special ones included.
    """
    owners: dict[str, dict[str, None]] = {}
    for row in rows:
        for caption in row.captions:
            owners.setdefault(caption, {})[row.sample_id] = None
    unknown = tokenizer.vocabulary.get("[UNK]", -1)
    around = int(tokenizer.encode([""], _NO_LIMIT).mask.sum())  # special tokens of any text
    cut: dict[str, None] = {}
    unreadable: dict[str, None] = {}
    captions = list(owners)
    for start in range(0, len(captions), _TEXTS_AT_ONCE):
        texts = captions[start : start + _TEXTS_AT_ONCE]
        tokens = tokenizer.encode(texts, _NO_LIMIT)
        lengths = tokens.mask.sum(axis=1)
        strange = np.count_nonzero(tokens.ids == unknown, axis=1)
        for text, length, count in zip(texts, lengths.tolist(), strange.tolist(), strict=True):
            if length > max_tokens:
                cut |= owners[text]
            pieces = length - around
            if count > _UNREADABLE_SHARE * pieces or not pieces:
                unreadable |= owners[text]
    return CaptionSurvey(len(owners), max_tokens, tuple(cut), tuple(unreadable))
