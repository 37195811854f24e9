"""Crops of scans for the trainer: who reads what, in which order, with which text."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated, Literal

import lightning.pytorch as pl
from pydantic import Field

from medvlp.data.caption_survey import survey_captions
from medvlp.data.loading import ordered_loader
from medvlp.data.order import OrderSettings
from medvlp.data.quarantine import Quarantine
from medvlp.data.scan_augment import ScanAugmentSettings
from medvlp.data.scan_dataset import ScanCollator, ScanPairsDataset, ScanSample
from medvlp.data.scan_labels import LabelledScans
from medvlp.data.scan_manifest import PHASES
from medvlp.data.scan_pairs import read_scan_pairs
from medvlp.data.scan_texts import read_text_features
from medvlp.data.tokenizer_choice import TokenizerSettings, choose_tokenizer
from medvlp.errors import DataError, UsageError
from medvlp.io import json_sha256

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch.utils.data import DataLoader

    from medvlp.data.scan_manifest import ScanPairsManifest, ScanRow
    from medvlp.data.scan_texts import TextFeatures
    from medvlp.text.tokenizer import CaptionTokenizer
    from medvlp.types import VolumePreprocessing

__all__ = ["ScanPairsDataModule"]

TRAIN, VALIDATION = "train", "validation"
_LEAST_SHARE = 0.05

logger = logging.getLogger(__name__)

_TOKENIZER = TokenizerSettings()
_AUGMENT = ScanAugmentSettings()


class ScanPairsDataModule(pl.LightningDataModule):
    """Loads a folder of crops; a sample is one side of one patient.

    In training each sample is one of its phases at random, changed at random, with the sentences
    of its report shuffled. Elsewhere it is the first phase of ``phases`` that it has, the middle
    of the crop, and the report as it is.

    Args:
        folder: The folder that ``preprocessing.crop_organs`` made.
        batch_size: Number of samples of a global batch, over all ranks.
        text: What of the report a batch holds: ``tokens``, ``features`` (vectors computed
            beforehand) or ``none``.
        tokenizer: The text tower's tokenizer, for tokens.
        max_tokens: Largest number of tokens of a report.
        text_features: The file of vectors, for features.
        shuffle_sentences: Whether the sentences of a report are shuffled in training; with
            features, whether one of the shuffled texts is taken.
        augment: How crops are changed in training; None leaves them.
        phases: Phases in the order of preference where one is wanted.
        train_share: Share of the training patients, 0.05 to 1; smaller shares of a seed are parts
            of larger ones.
        share_seed: Seed of the choice of patients; None takes ``seed``.
        seed: Seed of order, phases, augmentation and texts.
        num_workers: Number of loader processes; 0 loads in the main process.
        cache_gib: Stored crops are kept up to this many GiB, in each loader process.
        most_bad: How many kidneys may have a crop that cannot be read, over all ranks, before the
            run stops; they are left out and listed in ``quarantine.csv`` of the run.
    """

    def __init__(
        self,
        *,
        folder: Path,
        batch_size: int,
        text: Literal["tokens", "features", "none"] = "tokens",
        tokenizer: TokenizerSettings = _TOKENIZER,
        max_tokens: int = 256,
        text_features: Path | None = None,
        shuffle_sentences: bool = True,
        augment: ScanAugmentSettings | None = _AUGMENT,
        phases: tuple[str, ...] = PHASES,
        train_share: float = 1.0,
        share_seed: int | None = None,
        seed: int = 0,
        num_workers: int = 0,
        cache_gib: float = 1.0,
        most_bad: Annotated[int, Field(ge=0)] = 0,
    ) -> None:
        super().__init__()
        self.quarantine = Quarantine(most_bad)
        if (text == "features") != (text_features is not None):
            raise UsageError(
                "MV1002",
                f"data.text is {text!r} and data.text_features is {text_features}",
                expected="a file of vectors with text: features, and none otherwise",
            )
        if not _LEAST_SHARE <= train_share <= 1:
            raise UsageError(
                "MV1002",
                f"data.train_share is {train_share}",
                expected=f"a share of the training patients from {_LEAST_SHARE} to 1",
            )
        self.text = text
        self.max_tokens = max_tokens
        self._folder = folder
        self._order = OrderSettings(seed=seed, batch_size=batch_size)
        self._tokenizer_settings = tokenizer
        self._features_path = text_features
        self._shuffle_sentences = shuffle_sentences
        self._augment = augment
        self._phases = phases
        self._share = train_share
        self._share_seed = seed if share_seed is None else share_seed
        self._seed = seed
        self.num_workers = num_workers
        self._cache_bytes = int(cache_gib * 2**30)
        self._manifest: ScanPairsManifest | None = None
        self._tokenizer: CaptionTokenizer | None = None
        self._features: TextFeatures | None = None
        self._label_of: Callable[[ScanRow], int] | None = None
        self._is_balanced = False

    def train_on_labels(self, label_of: Callable[[ScanRow], int], *, is_balanced: bool) -> None:
        """Train on kidneys with a label only.

        Args:
            label_of: Gives the class of a crop, -1 where it is not known; alike for all phases.
            is_balanced: Whether classes are drawn equally often.
        """
        self._label_of, self._is_balanced = label_of, is_balanced

    @property
    def manifest(self) -> ScanPairsManifest:
        """The folder of crops, read once.

        Raises:
            DataError: If it is not one (MV1720, MV1722).
        """
        if self._manifest is None:
            self._manifest = read_scan_pairs(self._folder)
        return self._manifest

    @property
    def preprocessing(self) -> VolumePreprocessing:
        """How a scan becomes the volumes of a batch."""
        return self.manifest.info.preprocessing

    @property
    def attributes(self) -> dict[str, tuple[str, ...]]:
        """Attribute -> names of its classes, in the order of the columns of a batch."""
        return self.manifest.info.attributes

    @property
    def tokenizer(self) -> CaptionTokenizer:
        """The tokenizer: read from the file in the settings, else trained on training reports.

        Raises:
            DataError: If there are no crops or reports (MV1720, MV1721).
            ModelError: If there is no such file (MV1410).
        """
        if self._tokenizer is None:
            self._tokenizer = choose_tokenizer(self._tokenizer_settings, self._training_reports)
        return self._tokenizer

    def _training_reports(self) -> tuple[str, ...]:
        reports = self.manifest.reports(TRAIN)
        if not reports:
            raise _without_reports(self._folder)
        return reports

    @property
    def features(self) -> TextFeatures | None:
        """Vectors of the reports, read once; None where the settings name none.

        Raises:
            DataError: If the file holds none (MV1723).
        """
        if self._features is None and self._features_path is not None:
            self._features = read_text_features(self._features_path)
        return self._features

    def setup(self, stage: str) -> None:
        """Read the table and check that a batch can be filled with what it should hold.

        Args:
            stage: What the trainer is about to do.

        Raises:
            DataError: If the folder cannot be used (MV1720 to MV1724).
            ModelError: If there is no such tokenizer (MV1410).
            UsageError: If the training split is smaller than a batch (MV1002).
        """
        kidneys = len(self.dataset(TRAIN))
        if kidneys < self._order.batch_size:
            raise UsageError(
                "MV1002",
                f"batch_size={self._order.batch_size} is more than the {kidneys} training kidneys "
                f"of {self._folder}",
                expected=f"a batch_size of at most {kidneys}",
            )
        rows = [row for split in self.manifest.splits.values() for row in split]
        if self.text != "none" and not all(row.report for row in rows):
            raise _without_reports(self._folder)
        if self.features is not None:
            for report in dict.fromkeys(row.report for row in rows):
                self.features.of(report)
        if self.text == "tokens":
            survey = survey_captions(self.manifest.rows(TRAIN), self.tokenizer, self.max_tokens)
            for line in survey.lines():
                logger.warning("%s: %s", self._folder.name, line)

    def dataset(self, split: str, *, is_training: bool = False) -> ScanPairsDataset:
        """Return the samples of a split; the share of patients applies to the training split.

        Args:
            split: Part of the folder.
            is_training: Whether samples are drawn and changed at random.

        Raises:
            DataError: If there is none (MV1721).
        """
        shuffle = "variants" if self.text == "features" else "sentences"
        return ScanPairsDataset(
            self.manifest,
            split,
            augment=self._augment,
            shuffle=shuffle if self._shuffle_sentences and self.text != "none" else "none",
            phases=self._phases,
            share=self._share if split == TRAIN else 1.0,
            share_seed=self._share_seed,
            seed=self._seed,
            cache_bytes=self._cache_bytes,
            is_training=is_training,
        )

    def train_dataloader(self) -> DataLoader[ScanSample]:
        """Return the loader of the training split."""
        dataset = self.dataset(TRAIN, is_training=True)
        if self._label_of is None:
            return self._loader(dataset, self._order)
        labels = [self._label_of(rows[0]) for rows in dataset.kidneys]
        labelled = LabelledScans(dataset, labels, is_balanced=self._is_balanced, seed=self._seed)
        return self._loader(labelled, self._order)

    def val_dataloader(self) -> DataLoader[ScanSample] | list[DataLoader[ScanSample]]:
        """Return the loader of the validation split; an empty list where there is none."""
        return self.loader(VALIDATION) if self.manifest.splits.get(VALIDATION) else []

    def loader(self, split: str) -> DataLoader[ScanSample]:
        """Return a loader of every sample of a split, in order and unchanged; batches may be short.

        Args:
            split: Part of the folder.

        Raises:
            DataError: If there is none (MV1721).
        """
        order = OrderSettings(
            seed=self._seed, batch_size=self._order.batch_size, shuffle=False, last_batch="keep"
        )
        return self._loader(self.dataset(split), order)

    def _loader(
        self, dataset: ScanPairsDataset | LabelledScans, order: OrderSettings
    ) -> DataLoader[ScanSample]:
        share = {"share": self._share, "share_seed": self._share_seed}
        samples_sha256 = self.manifest.info.samples_sha256
        patients = {name: number for number, name in enumerate(self.manifest.patients)}
        collate = ScanCollator(
            patients,
            tokenizer=self.tokenizer if self.text == "tokens" else None,
            max_tokens=self.max_tokens,
            features=self.features,
        )
        return ordered_loader(
            dataset,
            order,
            collate,
            num_samples=len(dataset),
            data_hash=json_sha256({"samples": samples_sha256, **share}),
            num_workers=self.num_workers,
            trainer=self.trainer,
            quarantine=self.quarantine,
        )


def _without_reports(folder: Path) -> DataError:
    return DataError(
        "MV1721",
        f"{folder} has crops without a report, and batches should hold text",
        expected="a report of every crop, or text: none",
    )
