"""Reports as training batches: with tokens hidden, or with their sentences shuffled beside them.

Letters: B reports, T tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.utils.data import Dataset

from medvlp.data.batch import TensorRecord, TextTokens
from medvlp.data.masking import MaskingSettings, TokenMasker
from medvlp.data.randomness import augmentation_seed
from medvlp.data.sampler import Draw
from medvlp.text.reports.cleaning import shuffle_sentences

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medvlp.text.file_tokenizer import ReportTokenizer

__all__ = [
    "MaskedReports",
    "MaskingCollator",
    "ReportBatch",
    "ReportCollator",
    "ReportsDataset",
    "ShuffledReports",
]


@dataclass(frozen=True, kw_only=True)
class ReportBatch(TensorRecord):
    """Reports.

    Attributes:
        text: The reports.
        text_id: Number of each text, equal for equal words, shape ``(B,)``, int64.
        sample_id: Row of each text, shape ``(B,)``, int64.
    """

    text: TextTokens
    text_id: torch.Tensor
    sample_id: torch.Tensor

    def __len__(self) -> int:
        """Return the number of reports B."""
        return len(self.text_id)


@dataclass(frozen=True, kw_only=True)
class MaskedReports(ReportBatch):
    """Reports whose ids have some tokens hidden.

    Attributes:
        targets: What stood at hidden places, -100 elsewhere, shape ``(B, T)``, int64.
    """

    targets: torch.Tensor


@dataclass(frozen=True, kw_only=True)
class ShuffledReports(ReportBatch):
    """Reports, and the same with their sentences in another order.

    Attributes:
        shuffled: The reports shuffled.
        is_changed: Whether that changed the words, shape ``(B,)``, bool.
    """

    shuffled: TextTokens
    is_changed: torch.Tensor


class ReportsDataset(Dataset[Draw]):
    """The rows of reports; a sample is the draw that asks for it.

    Args:
        texts: The reports.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = tuple(texts)
        numbers: dict[str, int] = {}
        self.text_id = [numbers.setdefault(text, len(numbers)) for text in self.texts]

    def __len__(self) -> int:
        """Return the number of reports."""
        return len(self.texts)

    def __getitem__(self, draw: Draw) -> Draw:
        """Return the draw: what becomes of a text depends on the epoch too."""
        return draw


class ReportCollator:
    """Puts reports into a batch, and beside them, where asked for, the same shuffled.

    Args:
        reports: The reports.
        tokenizer: Turns them into tokens.
        max_tokens: Largest number of tokens of a text.
        template: What a text is put into, with one ``{}``.
        shuffle_seed: Seed of shuffled sentences; None for none.
        is_fixed: Shuffle alike in every epoch, as validation does.
    """

    def __init__(
        self,
        reports: ReportsDataset,
        tokenizer: ReportTokenizer,
        max_tokens: int,
        *,
        template: str = "{}",
        shuffle_seed: int | None = None,
        is_fixed: bool = True,
    ) -> None:
        self._reports = reports
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens
        self._template = template
        self._shuffle_seed = shuffle_seed
        self._is_fixed = is_fixed

    def __call__(self, draws: Sequence[Draw]) -> ReportBatch:
        """Return the batch of some draws.

        Args:
            draws: B draws.
        """
        words = [self._reports.texts[draw.index] for draw in draws]
        text, text_id, rows = self.tokens(words), self.numbers(draws), self.rows(draws)
        if self._shuffle_seed is None:
            return ReportBatch(text=text, text_id=text_id, sample_id=rows)
        seeds = self.seeds(draws, self._shuffle_seed)
        others = [shuffle_sentences(*pair) for pair in zip(words, seeds, strict=True)]
        changed = [new != old for new, old in zip(others, words, strict=True)]
        return ShuffledReports(
            text=text,
            text_id=text_id,
            sample_id=rows,
            shuffled=self.tokens(others),
            is_changed=torch.tensor(changed, dtype=torch.bool),
        )

    def tokens(self, texts: Sequence[str]) -> TextTokens:
        """Return texts in the template as tokens."""
        framed = [self._template.replace("{}", text) for text in texts]
        tokens = self._tokenizer.encode(framed, self._max_tokens)
        return TextTokens(ids=torch.from_numpy(tokens.ids), mask=torch.from_numpy(tokens.mask))

    def numbers(self, draws: Sequence[Draw]) -> torch.Tensor:
        """Return the numbers of the texts of draws, shape ``(B,)``, int64."""
        return torch.tensor([self._reports.text_id[d.index] for d in draws], dtype=torch.int64)

    def rows(self, draws: Sequence[Draw]) -> torch.Tensor:
        """Return the rows that draws ask for, shape ``(B,)``, int64."""
        return torch.tensor([draw.index for draw in draws], dtype=torch.int64)

    def seeds(self, draws: Sequence[Draw], seed: int) -> list[int]:
        """Return a seed for each draw, which no other draw of the batch changes."""
        return [
            augmentation_seed(seed, 0 if self._is_fixed else d.epoch, d.index, d.repeat)
            for d in draws
        ]


class MaskingCollator(ReportCollator):
    """Puts reports into a batch with some tokens hidden.

    Which ones follows from the seed, the epoch and the row alone, whatever the worker.

    Args:
        reports: The reports.
        tokenizer: Turns them into tokens.
        max_tokens: Largest number of tokens of a text.
        settings: What is hidden.
        seed: Seed of what is hidden.
        template: What a text is put into, with one ``{}``.
        is_fixed: Hide the same in every epoch, as validation does.

    Raises:
        ConfigError: If the tokenizer has no such mask piece (MV1002).
    """

    def __init__(
        self,
        reports: ReportsDataset,
        tokenizer: ReportTokenizer,
        max_tokens: int,
        settings: MaskingSettings,
        *,
        seed: int,
        template: str = "{}",
        is_fixed: bool = False,
    ) -> None:
        super().__init__(reports, tokenizer, max_tokens, template=template, is_fixed=is_fixed)
        self._masker = TokenMasker(tokenizer, settings)
        self._seed = seed

    def __call__(self, draws: Sequence[Draw]) -> MaskedReports:
        """Return the batch of some draws.

        Args:
            draws: B draws.
        """
        whole = self.tokens([self._reports.texts[draw.index] for draw in draws])
        hidden = self._masker(whole.ids.numpy(), whole.mask.numpy(), self.seeds(draws, self._seed))
        return MaskedReports(
            text=TextTokens(ids=torch.from_numpy(hidden.ids), mask=whole.mask),
            text_id=self.numbers(draws),
            sample_id=self.rows(draws),
            targets=torch.from_numpy(hidden.targets),
        )
