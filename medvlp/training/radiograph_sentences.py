"""Sentences of tokenised reports, each made a text of its own.

Letters: B reports, L tokens of a report, S sentences of all reports, K most of one report, T tokens
of a sentence, D embedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn.utils.rnn import pad_sequence

if TYPE_CHECKING:
    from torch import Tensor

    from medvlp.text.tokenizer import CaptionTokenizer

__all__ = ["SentenceCutter", "Sentences"]

_START, _END, _PAD = "[CLS]", "[SEP]", "[PAD]"
_STOPS = (".", "!", ";")
_HEADINGS = (":",)


@dataclass(frozen=True)
class Sentences:
    """Sentences of several reports, one after the other.

    Attributes:
        ids: Tokens with the first and the last special one, shape ``(S, T)``, int64.
        mask: Whether a token is real, shape ``(S, T)``, bool.
        num_sentences: Number of sentences of each report, shape ``(B,)``, int64, at least 1.
    """

    ids: Tensor
    mask: Tensor
    num_sentences: Tensor

    def by_report(self, vectors: Tensor) -> Tensor:
        """Return vectors of sentences by report, padded with zeros.

        Args:
            vectors: One per sentence, shape ``(S, D)``.

        Returns:
            Shape ``(B, K, D)``; without reports ``(0, 1, D)``.
        """
        if not len(self.num_sentences):
            return vectors.unsqueeze(1)
        parts = torch.split(vectors, self.num_sentences.tolist())
        return pad_sequence(list(parts), batch_first=True)


class SentenceCutter:
    """Cuts tokenised reports where a sentence ends.

    A sentence ends at a full stop that no digits enclose, an exclamation mark or a semicolon. What
    stands before a colon at its beginning, such as a heading, is left out.

    Args:
        tokenizer: The reports' tokenizer.
    """

    def __init__(self, tokenizer: CaptionTokenizer) -> None:
        vocabulary = tokenizer.vocabulary
        self._start, self._end, self._pad = (vocabulary[piece] for piece in (_START, _END, _PAD))
        self._stops = {vocabulary[mark] for mark in _STOPS if mark in vocabulary}
        self._colons = {vocabulary[mark] for mark in _HEADINGS if mark in vocabulary}
        self._digits = {
            number for piece, number in vocabulary.items() if piece.removeprefix("##").isdigit()
        }

    def cut(self, ids: Tensor, mask: Tensor) -> Sentences:
        """Cut reports into sentences; a report without words is one sentence of nothing.

        Without reports there are no sentences, as a rank can have none that another rank has.

        Args:
            ids: Tokens of reports, shape ``(B, L)``, int64.
            mask: Whether a token is real, shape ``(B, L)``, bool.
        """
        rows: list[list[int]] = []
        counts = []
        for row, length in zip(ids.tolist(), mask.sum(1).tolist(), strict=True):
            found = self._of_report([i for i in row[:length] if i not in (self._start, self._end)])
            counts.append(len(found))
            rows.extend([self._start, *words, self._end] for words in found)
        longest = max((len(row) for row in rows), default=1)
        padded = [row + [self._pad] * (longest - len(row)) for row in rows]
        lengths = torch.tensor([len(row) for row in rows], dtype=torch.int64)
        return Sentences(
            ids=torch.tensor(padded, dtype=torch.int64, device=ids.device).view(-1, longest),
            mask=(torch.arange(longest) < lengths.unsqueeze(1)).to(ids.device),
            num_sentences=torch.tensor(counts, dtype=torch.int64, device=ids.device),
        )

    def _of_report(self, words: list[int]) -> list[list[int]]:
        sentences: list[list[int]] = []
        begun: list[int] = []
        for place, word in enumerate(words):
            if word in self._colons and len(begun) <= 2:
                begun = []
            elif word in self._stops and not self._within_number(words, place):
                sentences.append([*begun, word] if begun else [])
                begun = []
            else:
                begun.append(word)
        return [sentence for sentence in (*sentences, begun) if sentence] or [[]]

    def _within_number(self, words: list[int], place: int) -> bool:
        around = words[place - 1 : place] + words[place + 1 : place + 2]
        return len(around) == 2 and all(word in self._digits for word in around)
