"""Radiographs for the trainer: who reads what, in which order, with which text and labels."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal

import lightning.pytorch as pl

from medvlp.data.caption_survey import survey_captions
from medvlp.data.loading import ordered_loader
from medvlp.data.order import OrderSettings
from medvlp.data.radiograph_augment import RadiographAugmentSettings
from medvlp.data.radiograph_dataset import (
    RadiographCollator,
    RadiographDataset,
    RadiographSample,
    SampleSettings,
)
from medvlp.data.radiograph_source import RadiographSource
from medvlp.data.radiograph_texts import (
    SentenceChoice,
    other_side,
    sided_by_text,
)
from medvlp.data.tokenizer_choice import TokenizerSettings
from medvlp.errors import DataError, UsageError
from medvlp.io import json_sha256

if TYPE_CHECKING:
    from pathlib import Path

    from torch.utils.data import DataLoader

    from medvlp.data.radiograph_batch import FacetTexts
    from medvlp.data.radiograph_manifest import RadiographPairsManifest
    from medvlp.text.tokenizer import CaptionTokenizer

__all__ = ["RadiographDataModule"]

TRAIN, VALIDATION = "train", "validation"
_LEAST_SHARE = 0.05

logger = logging.getLogger(__name__)

_TOKENIZER = TokenizerSettings()
_AUGMENT = RadiographAugmentSettings()


class RadiographDataModule(pl.LightningDataModule):
    """Loads a folder of radiographs.

    In training pictures are changed at random, and reports are read whole, in another order or in
    part. Elsewhere both are as they are.

    Args:
        folder: The folder that ``preprocessing.prepare_radiographs`` made.
        batch_size: Number of pictures of a global batch, over all ranks.
        findings: Names of the findings that labels and facets are about, out of the folder's;
            None takes all.
        book: The book of findings that facets are from; None takes the folder's own where it has
            one, else the one that comes with the package.
        text: Whether a batch holds reports: ``tokens`` or ``none``.
        tokenizer: The text tower's tokenizer.
        max_tokens: Largest number of tokens of a report.
        max_facet_tokens: Largest number of tokens of a text of the book.
        sentences: What becomes of reports in training: ``all``, ``shuffle`` or ``subset``.
        most_sentences: Largest number of sentences of a subset.
        augment: How pictures are changed in training; None leaves them.
        input_px: Side of the pictures of a batch, at most that of the stored ones; None takes
            theirs.
        train_share: Share of the training patients, 0.05 to 1; smaller shares of a seed are parts
            of larger ones.
        share_seed: Seed of the choice of patients; None takes ``seed``.
        seed: Seed of order, augmentation and texts.
        num_workers: Number of loader processes; 0 loads in the main process.
        cache_gib: Stored pictures are kept up to this many GiB, in each loader process.

    Attributes:
        source: The folder, its findings, their book, and the tokenizer.
    """

    def __init__(
        self,
        *,
        folder: Path,
        batch_size: int,
        findings: tuple[str, ...] | None = None,
        book: Path | None = None,
        text: Literal["tokens", "none"] = "tokens",
        tokenizer: TokenizerSettings = _TOKENIZER,
        max_tokens: int = 128,
        max_facet_tokens: int = 64,
        sentences: SentenceChoice = "shuffle",
        most_sentences: int = 3,
        augment: RadiographAugmentSettings | None = _AUGMENT,
        input_px: int | None = None,
        train_share: float = 1.0,
        share_seed: int | None = None,
        seed: int = 0,
        num_workers: int = 0,
        cache_gib: float = 1.0,
    ) -> None:
        super().__init__()
        if not _LEAST_SHARE <= train_share <= 1:
            raise UsageError(
                "MV1002",
                f"data.train_share is {train_share}",
                expected=f"a share of the training patients from {_LEAST_SHARE} to 1",
            )
        self.text = text
        self.max_tokens = max_tokens
        self.source = RadiographSource(
            folder,
            findings=findings,
            book=book,
            tokenizer=tokenizer,
            max_facet_tokens=max_facet_tokens,
        )
        self._folder = folder
        self._order = OrderSettings(seed=seed, batch_size=batch_size)
        self._sentences: SentenceChoice = sentences
        self._most_sentences = most_sentences
        self._augment = augment
        self._input_px = input_px
        self._share = train_share
        self._share_seed = seed if share_seed is None else share_seed
        self._seed = seed
        self._num_workers = num_workers
        self._cache_bytes = int(cache_gib * 2**30)

    @property
    def manifest(self) -> RadiographPairsManifest:
        """The folder of radiographs, read once.

        Raises:
            DataError: If it is not one (MV1790, MV1792, MV1793).
        """
        return self.source.manifest

    @property
    def findings(self) -> tuple[str, ...]:
        """Names of the C findings, in the order of the columns of a batch's labels.

        Raises:
            DataError: If the folder knows no such finding (MV1795).
        """
        return self.source.findings

    @property
    def input_px(self) -> int:
        """Side of the pictures of a batch."""
        return self.manifest.info.size_px if self._input_px is None else self._input_px

    @property
    def tokenizer(self) -> CaptionTokenizer:
        """The tokenizer, see :attr:`RadiographSource.tokenizer`."""
        return self.source.tokenizer

    @property
    def facets(self) -> FacetTexts:
        """What the book says of the C findings, as tokens.

        Raises:
            DataError: If it does not know one of them (MV1796).
        """
        return self.source.facets

    def setup(self, stage: str) -> None:
        """Read the table and check that a batch can be filled with what it should hold.

        Args:
            stage: What the trainer is about to do.

        Raises:
            DataError: If the folder cannot be used (MV1790 to MV1796).
            ModelError: If there is no such tokenizer (MV1410).
            UsageError: If the training split is smaller than a batch, or the pictures are smaller
                than those of a batch (MV1002), or sides cannot be swapped (MV1810).
        """
        pictures = len(self.dataset(TRAIN))
        if pictures < self._order.batch_size:
            raise UsageError(
                "MV1002",
                f"batch_size={self._order.batch_size} is more than the {pictures} training "
                f"pictures of {self._folder}",
                expected=f"a batch_size of at most {pictures}",
            )
        if not 8 <= self.input_px <= self.manifest.info.size_px:
            raise UsageError(
                "MV1002",
                f"data.input_px is {self.input_px}",
                expected=f"8 to {self.manifest.info.size_px}, the side of the stored pictures",
            )
        self._check_sides()
        if self.text == "tokens":
            self._check_reports()
        if self.source.has_other_book:
            logger.warning(
                "%s was prepared with another book of findings than %r",
                self._folder.name,
                self.source.book.name,
            )

    def _check_reports(self) -> None:
        rows = [row for split in self.manifest.splits.values() for row in split]
        silent = sum(not row.report for row in rows)
        if silent:
            raise DataError(
                "MV1791",
                f"{silent} of {len(rows)} pictures of {self._folder} have no report, and batches "
                "should hold text",
                expected="a report of every picture, or text: none",
            )
        survey = survey_captions(self.manifest.rows(TRAIN), self.tokenizer, self.max_tokens)
        for line in survey.lines():
            logger.warning("%s: %s", self._folder.name, line)

    def _check_sides(self) -> None:
        if self._augment is None or self._augment.flip == "never":
            return
        for name, place in zip(self.findings, other_side(self.findings), strict=True):
            if place < 0:
                raise UsageError(
                    "MV1810",
                    f"data.augment.flip is swap-sides, and the finding {name!r} has no "
                    "counterpart of the other side among the findings",
                    expected="both sides of a finding, or flip: never",
                )

    def dataset(self, split: str, *, is_training: bool = False) -> RadiographDataset:
        """Return the samples of a split; the share of patients applies to the training split.

        Args:
            split: Part of the folder.
            is_training: Whether samples are changed at random.

        Raises:
            DataError: If there is none (MV1791), or the folder knows no such finding (MV1795).
        """
        training = SampleSettings()
        if is_training:
            known = [self.source.book.find(name) for name in self.manifest.info.findings]
            training = SampleSettings(
                augment=self._augment,
                sentences=self._sentences if self.text == "tokens" else "all",
                most_sentences=self._most_sentences,
                one_sided=sided_by_text([finding for finding in known if finding is not None]),
            )
        return RadiographDataset(
            self.manifest,
            split,
            self.findings,
            input_px=self._input_px,
            training=training,
            share=self._share if split == TRAIN else 1.0,
            share_seed=self._share_seed,
            seed=self._seed,
            cache_bytes=self._cache_bytes,
        )

    def train_dataloader(self) -> DataLoader[RadiographSample]:
        """Return the loader of the training split."""
        return self._loader(self.dataset(TRAIN, is_training=True), self._order)

    def val_dataloader(self) -> DataLoader[RadiographSample] | list[DataLoader[RadiographSample]]:
        """Return the loader of the validation split; an empty list where there is none."""
        return self.loader(VALIDATION) if self.manifest.splits.get(VALIDATION) else []

    def loader(self, split: str) -> DataLoader[RadiographSample]:
        """Return a loader of every sample of a split, in order and unchanged; batches may be short.

        Args:
            split: Part of the folder.

        Raises:
            DataError: If there is none (MV1791).
        """
        order = OrderSettings(
            seed=self._seed, batch_size=self._order.batch_size, shuffle=False, last_batch="keep"
        )
        return self._loader(self.dataset(split), order)

    def _loader(
        self, dataset: RadiographDataset, order: OrderSettings
    ) -> DataLoader[RadiographSample]:
        hashed = {
            "samples": self.manifest.info.samples_sha256,
            "share": self._share,
            "share_seed": self._share_seed,
        }
        patients = {name: number for number, name in enumerate(self.manifest.patients)}
        collate = RadiographCollator(
            patients,
            tokenizer=self.tokenizer if self.text == "tokens" else None,
            max_tokens=self.max_tokens,
        )
        return ordered_loader(
            dataset,
            order,
            collate,
            num_samples=len(dataset),
            data_hash=json_sha256(hashed),
            num_workers=self._num_workers,
            trainer=self.trainer,
        )
