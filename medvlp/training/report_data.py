"""Reports for the trainer: with tokens hidden, or whole, in an order that a seed fixes."""

from __future__ import annotations

import hashlib
import logging
from functools import cached_property
from typing import Literal

import lightning.pytorch as pl
from torch.utils.data import DataLoader

from medvlp.data.loading import OrderedLoader
from medvlp.data.masking import MaskingSettings
from medvlp.data.modules import TokenizerSettings, read_tokenizer
from medvlp.data.order import OrderSettings
from medvlp.data.report_batch import MaskingCollator, ReportCollator, ReportsDataset
from medvlp.data.report_table import (
    ReportParts,
    ReportSource,
    clean_reports,
    part_reports,
    read_reports,
)
from medvlp.data.sampler import Draw, GlobalOrderSampler
from medvlp.errors import ConfigError, UsageError
from medvlp.text.file_tokenizer import ReportTokenizer, load_report_tokenizer
from medvlp.text.tokenizer import train_tokenizer

__all__ = ["ReportPhase", "ReportsDataModule"]

ReportPhase = Literal["mlm", "simcse"]
_TOKENIZER = TokenizerSettings()
_VALIDATION_SEED_SHIFT = 1

logger = logging.getLogger(__name__)


class ReportsDataModule(pl.LightningDataModule):
    """Loads reports.

    What a batch holds depends on ``phase``, which the module sets: reports with tokens hidden, or
    whole ones.

    Args:
        source: Where reports are.
        batch_size: Number of reports of a batch.
        tokenizer: The tokenizer: a file, of a decoder too, or how one is trained on the reports.
        max_tokens: Largest number of tokens of a report.
        masking: Which tokens are hidden; None for BERT's way. Only where tokens are hidden.
        second_view: What the second embedding of a report in SimCSE is of: the ``same`` text under
            other dropout, as published; or the text with its sentences ``shuffled``, since the
            order of findings means nothing and alignment shuffles them too.
        template: What a report is put into before it is cut into tokens, with one ``{}``; such as
            the chat form that a decoder was instructed with.
        validation_share: Share of patients to hold out, where the table states no split.
        seed: Seed of the order, of what is hidden and of what is held out.
        num_workers: Number of loader processes; 0 loads in the main process.

    Attributes:
        phase: What the reports are for.
        max_tokens: Largest number of tokens of a report.
        template: What a report is put into.
    """

    def __init__(
        self,
        *,
        source: ReportSource,
        batch_size: int,
        tokenizer: TokenizerSettings = _TOKENIZER,
        max_tokens: int = 128,
        masking: MaskingSettings | None = None,
        second_view: Literal["same", "shuffled"] = "same",
        template: str = "{}",
        validation_share: float = 0.1,
        seed: int = 0,
        num_workers: int = 0,
    ) -> None:
        super().__init__()
        if not 0 <= validation_share < 1:
            raise UsageError(
                "MV1002",
                f"data.validation_share={validation_share} is not valid",
                expected="a number of at least 0 and below 1",
            )
        if template.count("{}") != 1 or template.count("{") + template.count("}") != 2:
            raise UsageError(
                "MV1002",
                f"data.template={template!r} is not valid",
                expected="a text with one {} and no other brace",
            )
        self.phase: ReportPhase = "mlm"
        self.max_tokens = max_tokens
        self.template = template
        self._source = source
        self._batch_size = batch_size
        self._tokenizer_settings = tokenizer
        self._masking = masking
        self._second_view = second_view
        self._validation_share = validation_share
        self._seed = seed
        self._num_workers = num_workers

    @cached_property
    def parts(self) -> ReportParts:
        """The reports, cleaned; read once, when first asked for.

        Raises:
            DataError: If they cannot be read (MV1754, MV1757), or none is left (MV1758).
        """
        kept, refused = clean_reports(read_reports(self._source), by_side=self._source.by_side)
        parts = part_reports(kept, self._validation_share, self._seed)
        name = self._source.file.name
        for code, count in sorted(refused.items()):
            logger.warning("%s: %d reports are left out by %s", name, count, code)
        if parts.seen:
            logger.warning(
                "%s: %d reports held out are also trained on, word by word; they are not validated",
                name,
                parts.seen,
            )
        return parts

    @cached_property
    def tokenizer(self) -> ReportTokenizer:
        """The tokenizer: read from a file, or trained on the reports to train on.

        Raises:
            MedvlpError: If there is no such file, or it is no tokenizer (MV1410).
        """
        file = self._tokenizer_settings.file
        if file is None:
            return train_tokenizer(self.parts.training, self._tokenizer_settings.vocab_size)
        return read_tokenizer(file) if file.suffix == ".txt" else load_report_tokenizer(file)

    def content_hash(self) -> str:
        """Return 16 hex digits of the SHA-256 of the reports to train on, in their order."""
        digest = hashlib.sha256()
        for text in self.parts.training:
            digest.update(text.encode("utf-8", "surrogatepass") + b"\0")
        return digest.hexdigest()[:16]

    def setup(self, stage: str) -> None:
        """Read the reports and check that a batch can be filled.

        Args:
            stage: What the trainer is about to do.

        Raises:
            DataError: If the reports cannot be used (MV1754, MV1757, MV1758), or do not fill a
                batch (MV1751).
        """
        self._sampler()

    def train_dataloader(self) -> DataLoader[Draw]:
        """Return the loader of the reports to train on."""
        return self._loader(ReportsDataset(self.parts.training), self._sampler(), is_training=True)

    def val_dataloader(self) -> DataLoader[Draw] | list[DataLoader[Draw]]:
        """Return the loader of the reports held out; an empty list where there is none."""
        texts = self.parts.validation
        if not texts:
            return []
        settings = OrderSettings(
            seed=self._seed, batch_size=self._batch_size, shuffle=False, last_batch="keep"
        )
        rank, num_ranks = self._place()
        sampler = GlobalOrderSampler(len(texts), settings, rank=rank, num_ranks=num_ranks)
        return self._loader(ReportsDataset(texts), sampler, is_training=False)

    def _sampler(self) -> GlobalOrderSampler:
        settings = OrderSettings(seed=self._seed, batch_size=self._batch_size)
        texts = self.parts.training
        rank, num_ranks = self._place()
        return GlobalOrderSampler(
            len(texts),
            settings,
            data_hash=self.content_hash(),
            rank=rank,
            num_ranks=num_ranks,
        )

    def _place(self) -> tuple[int, int]:
        """Return which of how many ranks this is."""
        if self.trainer is None:
            return 0, 1
        return self.trainer.global_rank, self.trainer.world_size

    def _loader(
        self, reports: ReportsDataset, sampler: GlobalOrderSampler, *, is_training: bool
    ) -> DataLoader[Draw]:
        collate = self._collator(reports, is_training=is_training)
        return OrderedLoader(reports, sampler, collate, num_workers=self._num_workers)

    def _collator(self, reports: ReportsDataset, *, is_training: bool) -> ReportCollator:
        if self.phase == "mlm":
            if self._second_view != "same":
                raise _without_effect("data.second_view", "simcse, which embeds a report twice")
            return MaskingCollator(
                reports,
                self.tokenizer,
                self.max_tokens,
                self._masking or MaskingSettings(),
                seed=self._seed if is_training else self._seed + _VALIDATION_SEED_SHIFT,
                template=self.template,
                is_fixed=not is_training,
            )
        if self._masking is not None:
            raise _without_effect("data.masking", "mlm, which hides tokens")
        shuffles = not is_training or self._second_view == "shuffled"
        return ReportCollator(
            reports,
            self.tokenizer,
            self.max_tokens,
            template=self.template,
            shuffle_seed=self._seed if shuffles else None,
            is_fixed=not is_training,
        )


def _without_effect(key: str, phase: str) -> ConfigError:
    return ConfigError(
        "MV1002",
        f"{key} is set, and would have no effect",
        expected=f"{key} only with model.phase={phase}",
    )
