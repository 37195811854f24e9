"""Pairs for the trainer: who reads what, in which order, with which tokenizer."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import lightning.pytorch as pl
from pydantic import Field

from medvlp.config.strict import StrictModel
from medvlp.data.augment import AugmentSettings
from medvlp.data.blocks import BlockShuffle
from medvlp.data.caption_survey import survey_captions
from medvlp.data.concepts import (
    Related,
    check_group_labels,
    number_concepts,
    number_graph_concepts,
)
from medvlp.data.dataset import PairCollator, PairSample, PairsDataset
from medvlp.data.groups import GroupBatches
from medvlp.data.loading import ordered_loader
from medvlp.data.order_choice import pairs_order
from medvlp.data.quarantine import Quarantine
from medvlp.data.remote import ShardCacheSettings, is_remote, open_pairs
from medvlp.data.tokenizer_choice import TokenizerSettings, choose_any_tokenizer, read_tokenizer
from medvlp.errors import UsageError
from medvlp.knowledge.captions import CaptionAugmenter, CaptionSettings
from medvlp.knowledge.store import read_graph
from medvlp.types import ImagePreprocessing, Interpolation

if TYPE_CHECKING:
    from torch.utils.data import DataLoader

    from medvlp.data.concepts import ConceptNumbers
    from medvlp.data.pairs import PairsManifest
    from medvlp.knowledge.graph import KnowledgeGraph
    from medvlp.text.file_tokenizer import ReportTokenizer

__all__ = ["InputSettings", "PairsDataModule", "TokenizerSettings", "read_tokenizer"]

TRAIN, VALIDATION = "train", "validation"

logger = logging.getLogger(__name__)


class InputSettings(StrictModel):
    """How images are brought to the model's input.

    Attributes:
        input_px: Side of the square model input, in pixels.
        resize_px: Shorter side before the centre crop, in pixels; None for no crop.
        interpolation: Resampling filter.
        mean: Per-channel mean of pixels in [0, 1].
        std: Per-channel standard deviation of pixels in [0, 1].
    """

    input_px: Annotated[int, Field(ge=8, le=4096)]
    resize_px: Annotated[int, Field(ge=8, le=4096)] | None = None
    interpolation: Interpolation = "bilinear"
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.25, 0.25, 0.25)

    def to_preprocessing(self) -> ImagePreprocessing:
        """Return the record that readers and encoders use."""
        values = self.model_dump(exclude={"resize_px"})
        return ImagePreprocessing(resize_px=self.resize_px or self.input_px, **values)


_TOKENIZER = TokenizerSettings()
_AUGMENT = AugmentSettings()


class PairsDataModule(pl.LightningDataModule):
    """Loads a folder of pairs.

    Args:
        folder: The folder of pairs, or its address: ``s3://``, ``https://``.
        batch_size: Number of pairs of a global batch, over all ranks.
        inputs: How images are brought to the model's input.
        tokenizer: The text tower's tokenizer.
        max_tokens: Largest number of tokens of a caption.
        augment: How tiles are changed in training.
        seed: Seed of order, augmentation and choice of captions.
        num_workers: Number of loader processes; 0 loads in the main process.
        cache_gib: Decoded images are kept up to this many GiB, in each loader process.
        groups: Make training batches of groups; ``batch_size`` is then their product.
        graph: The knowledge graph that the pairs' concepts belong to.
        captions: How captions are changed with the graph's knowledge; None draws one as it is.
        related: Which pairs are false negatives of each other: those of ``concepts`` above and
            below each other; or ``concepts_and_normal``, pairs labelled ``normal`` too; or
            ``none``. Without a graph there are none.
        blocks: Shuffle blocks of pairs that lie together, for data beyond memory; None permutes
            all pairs.
        shard_cache: Keep whole shards of a remote folder on this machine.
        most_bad: How many pairs may be unreadable, over all ranks, before the run stops. They are
            left out of their batches and listed in ``quarantine.csv`` of the run.
    """

    def __init__(
        self,
        *,
        folder: str | Path,
        batch_size: int,
        inputs: InputSettings,
        tokenizer: TokenizerSettings = _TOKENIZER,
        max_tokens: int = 64,
        augment: AugmentSettings = _AUGMENT,
        seed: int = 0,
        num_workers: int = 0,
        cache_gib: float = 1.0,
        groups: GroupBatches | None = None,
        graph: Path | None = None,
        captions: CaptionSettings | None = None,
        related: Related = "concepts",
        blocks: BlockShuffle | None = None,
        shard_cache: ShardCacheSettings | None = None,
        most_bad: Annotated[int, Field(ge=0)] = 0,
    ) -> None:
        super().__init__()
        self._order = pairs_order(seed, batch_size, groups, blocks)
        self.quarantine = Quarantine(most_bad)
        self.num_workers = num_workers
        self._shard_cache = shard_cache
        if captions is not None and graph is None:
            raise UsageError(
                "MV1002",
                "data.captions is given without data.graph, whose names captions are made of",
                expected="data.graph: a file that `medvlp knowledge build` wrote",
            )
        self._graph_path = graph
        self._captions = captions
        self._related = related
        self._graph: KnowledgeGraph | None = None
        self.preprocessing = inputs.to_preprocessing()
        if augment.random_crop and self.preprocessing.resize_px == self.preprocessing.input_px:
            raise UsageError(
                "MV1002",
                "data.augment.random_crop is set, and there is nothing to cut off",
                expected=f"data.inputs.resize_px above input_px={self.preprocessing.input_px}",
            )
        self.max_tokens = max_tokens
        self._folder = folder if is_remote(folder) else Path(folder)
        self._tokenizer_settings = tokenizer
        self._augment = augment
        self._seed = seed
        self._cache_bytes = int(cache_gib * 2**30)
        self._manifest: PairsManifest | None = None
        self._tokenizer: ReportTokenizer | None = None

    @property
    def batch_size(self) -> int:
        """Number of pairs of a global batch."""
        return self._order.batch_size

    @property
    def manifest(self) -> PairsManifest:
        """The folder of pairs, read once.

        Raises:
            MedvlpError: If it is not one (MV1701).
        """
        if self._manifest is None:
            self._manifest = open_pairs(self._folder, self._shard_cache)
        return self._manifest

    @property
    def tokenizer(self) -> ReportTokenizer:
        """The tokenizer: read from the file in the settings, else trained on the training captions.

        Raises:
            MedvlpError: If there are no pairs (MV1701, MV1705) or no such file (MV1410).
        """
        if self._tokenizer is None:
            self._tokenizer = choose_any_tokenizer(
                self._tokenizer_settings,
                lambda: (caption for row in self.manifest.rows(TRAIN) for caption in row.captions),
            )
        return self._tokenizer

    @property
    def graph(self) -> KnowledgeGraph | None:
        """The knowledge graph, read once; None where the settings name none.

        Raises:
            KnowledgeError: If the file is not one (MV2000, MV2008).
        """
        if self._graph is None and self._graph_path is not None:
            self._graph = read_graph(self._graph_path)
        return self._graph

    def setup(self, stage: str) -> None:
        """Read the manifest, check that a batch can be filled, and look at all captions.

        Args:
            stage: What the trainer is about to do.

        Raises:
            MedvlpError: If the folder cannot be used (MV1701, MV1705).
            UsageError: If the training split is smaller than a batch (MV1002).
            DataError: If a concept is not in the graph (MV1775), or members of one group have
                different concepts (MV1776).
        """
        rows = self.manifest.rows(TRAIN)
        if len(rows) < self._order.batch_size and self._order.groups is None:
            raise UsageError(
                "MV1002",
                f"batch_size={self._order.batch_size} is more than the {len(rows)} training pairs "
                f"of {self._folder}",
                expected=f"a batch_size of at most {len(rows)}",
            )
        if self._order.groups is not None:
            check_group_labels(rows)
        self._concept_numbers()
        left = len(self.manifest.splits.get(VALIDATION, ()))
        if 0 < left < self._order.batch_size:
            logger.warning(
                "%s: the %d validation pairs do not fill a batch of %d; nothing is validated",
                Path(self._folder).name,
                left,
                self._order.batch_size,
            )
        for line in survey_captions(rows, self.tokenizer, self.max_tokens).lines():
            logger.warning("%s: %s", Path(self._folder).name, line)

    def train_dataloader(self) -> DataLoader[PairSample]:
        """Return the loader of the training split."""
        return self._loader(TRAIN, self._augment)

    def val_dataloader(self) -> DataLoader[PairSample] | list[DataLoader[PairSample]]:
        """Return the loader of the validation split; an empty list where it fills no batch."""
        if len(self.manifest.splits.get(VALIDATION, ())) < self._order.batch_size:
            return []
        return self._loader(VALIDATION, None)

    def loader(self, split: str) -> DataLoader[PairSample]:
        """Return a loader of a split, with images and captions unchanged; the last may be short.

        Args:
            split: Part of the folder.

        Raises:
            MedvlpError: If there is none (MV1705).
            UsageError: If it fills no batch (MV1002).
        """
        count, least = len(self.manifest.rows(split)), self._order.batch_size
        if count < least:
            raise UsageError(
                "MV1002",
                f"batch_size={least} is more than the {count} pairs of split {split!r}",
                expected=f"a batch_size of at most {count}",
            )
        return self._loader(split, None)

    def _loader(self, split: str, augment: AugmentSettings | None) -> DataLoader[PairSample]:
        is_training = split == TRAIN
        dataset = PairsDataset(
            self.manifest,
            split,
            self.preprocessing,
            augment=augment,
            seed=self._seed,
            cache_bytes=self._cache_bytes,
            captions=self._augmenter() if is_training else None,
            leave_out=self.quarantine.most > 0,
        )
        measured = replace(self._order, groups=None, blocks=None, last_batch="keep")
        settings = self._order if is_training else measured
        rows = dataset.rows
        return ordered_loader(
            dataset,
            settings,
            PairCollator(self.tokenizer, self.max_tokens, self._concept_numbers()),
            num_samples=len(dataset),
            data_hash=self.manifest.info.manifest_sha256,
            num_workers=self.num_workers,
            trainer=self.trainer,
            group_id=rows.group_id if settings.groups is not None else None,
            shard_number=rows.shard_number if settings.blocks is not None else None,
            quarantine=self.quarantine,
        )

    def _concept_numbers(self) -> ConceptNumbers:
        rows = (row for split in self.manifest.splits.values() for row in split)
        if self.graph is None:
            return number_concepts(rows)
        return number_graph_concepts(self.graph, rows, self._related)

    def _augmenter(self) -> CaptionAugmenter | None:
        if self._captions is None or self.graph is None:
            return None
        augmenter = CaptionAugmenter(self.graph, self._captions)
        augmenter.check({c for row in self.manifest.rows(TRAIN) for c in row.concept_ids})
        return augmenter
