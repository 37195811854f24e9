"""Pairs as samples and batches: decode, augment, choose a caption, tokenise.

All randomness of a sample comes from (seed, epoch, index), so a sample is the same whichever
process makes it. Letters: B pairs, H W image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import Dataset

from medvlp.data.augment import augment_tile, crop_tile
from medvlp.data.batch import Batch, TextTokens
from medvlp.data.randomness import augmentation_seed
from medvlp.data.sampler import BatchShare
from medvlp.data.shards import ShardReader, decode_image
from medvlp.pixels import prepare_image

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from medvlp.data.augment import AugmentSettings
    from medvlp.data.concepts import ConceptNumbers
    from medvlp.data.pairs import PairRow, PairsManifest
    from medvlp.data.sampler import Draw
    from medvlp.knowledge.captions import CaptionAugmenter
    from medvlp.text.tokenizer import CaptionTokenizer
    from medvlp.types import ImagePreprocessing

__all__ = ["PairCollator", "PairSample", "PairShare", "PairsDataset"]

_AUGMENT_STREAM, _CAPTION_STREAM, _CROP_STREAM = 1, 2, 3


@dataclass(frozen=True)
class PairSample:
    """One pair, ready to be put into a batch.

    Attributes:
        row: The pair as the manifest lists it.
        image: Pixels at the model's input size, shape ``(H, W, 3)``, uint8.
        caption: The caption chosen this time.
    """

    row: PairRow
    image: NDArray[np.uint8]
    caption: str


class PairShare(list[PairSample]):
    """What one rank has loaded of a global batch, with the concepts of the whole batch.

    Args:
        samples: This rank's samples.
        concept_ids: Concepts of the samples of all ranks, in the order of the ranks.
        rows: Where this rank's samples stand among them.
    """

    def __init__(
        self, samples: Iterable[PairSample], concept_ids: Sequence[tuple[str, ...]], rows: slice
    ) -> None:
        super().__init__(samples)
        self.concept_ids = concept_ids
        self.rows = rows


class PairsDataset(Dataset[PairSample]):
    """The pairs of a split.

    Args:
        manifest: The folder of pairs.
        split: Which part of it.
        preprocessing: The model's input size and resampling.
        augment: How tiles are changed; None leaves them, and takes the first caption each time.
        seed: Seed of augmentation and of the choice of captions.
        cache_bytes: Decoded images are kept up to this many bytes, in each process.
        captions: How captions are changed in training; None draws one of them as it is.
    """

    def __init__(
        self,
        manifest: PairsManifest,
        split: str,
        preprocessing: ImagePreprocessing,
        *,
        augment: AugmentSettings | None,
        seed: int,
        cache_bytes: int = 0,
        captions: CaptionAugmenter | None = None,
    ) -> None:
        self.rows = manifest.rows(split)
        self._reader = ShardReader(manifest.folder)
        self._augment = augment
        self._input_px = preprocessing.input_px
        if augment is not None and augment.random_crop:
            preprocessing = replace(preprocessing, input_px=preprocessing.resize_px)
        self._preprocessing = preprocessing
        self._seed = seed
        self._captions = captions
        self._cache: dict[int, NDArray[np.uint8]] = {}
        self._cache_left = cache_bytes

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.rows)

    def __getitem__(self, draw: Draw) -> PairSample:
        """Make one sample.

        Args:
            draw: Which pair, in which epoch.

        Raises:
            MedvlpError: If the image cannot be read or decoded (MV1702).
        """
        row = self.rows[draw.index]
        image = self._image(draw.index, row)
        caption = row.captions[0]
        if self._augment is not None:
            seed = augmentation_seed(self._seed, draw.epoch, draw.index, draw.repeat)
            if self._augment.random_crop:
                cropper = np.random.default_rng((seed, _CROP_STREAM))
                image = crop_tile(image, self._input_px, cropper)
            image = augment_tile(
                image, self._augment, np.random.default_rng((seed, _AUGMENT_STREAM))
            )
            chooser = np.random.default_rng((seed, _CAPTION_STREAM))
            caption = self._caption(row, chooser)
        return PairSample(row, image, caption)

    def __getitems__(self, draws: Sequence[Draw]) -> list[PairSample]:
        """Make the samples of a batch, or of this rank's share of it; loaders call this.

        Args:
            draws: Which pairs, in which epoch.

        Raises:
            MedvlpError: If an image cannot be read or decoded (MV1702).
        """
        samples = [self[draw] for draw in draws]
        if not isinstance(draws, BatchShare):
            return samples
        concepts = [self.rows[index].concept_ids for index in draws.global_index.tolist()]
        return PairShare(samples, concepts, draws.rows)

    def _caption(self, row: PairRow, rng: np.random.Generator) -> str:
        if self._captions is not None:
            return self._captions(row.captions, row.concept_ids, rng)
        return row.captions[int(rng.integers(len(row.captions)))]

    def _image(self, index: int, row: PairRow) -> NDArray[np.uint8]:
        image = self._cache.get(index)
        if image is None:
            rgb = decode_image(self._reader.read(row.place), row.sample_id)
            image = prepare_image(rgb, self._preprocessing)
            if image.nbytes <= self._cache_left:
                self._cache[index] = image
                self._cache_left -= image.nbytes
        return image


class PairCollator:
    """Puts samples into a batch.

    Args:
        tokenizer: Turns captions into tokens.
        max_tokens: Largest number of tokens of a caption.
        concepts: Numbers of the concepts; where a relation is among them, every batch brings the
            table of its related concepts, built here, in the loader.
    """

    def __init__(
        self, tokenizer: CaptionTokenizer, max_tokens: int, concepts: ConceptNumbers
    ) -> None:
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens
        self._concepts = concepts

    def __call__(self, samples: Sequence[PairSample]) -> Batch:
        """Return the batch of some samples.

        Args:
            samples: B samples with images of one size. A share of a global batch brings the
                concepts of all of it: the table of related concepts is the same on every rank.
        """
        tokens = self._tokenizer.encode([s.caption for s in samples], self._max_tokens)
        concept_ids, mine = [sample.row.concept_ids for sample in samples], slice(None)
        if isinstance(samples, PairShare):
            concept_ids, mine = list(samples.concept_ids), samples.rows
        sets = [self._concepts.of(concepts) for concepts in concept_ids]
        concept_id, related = torch.tensor([min(numbers, default=-1) for numbers in sets]), None
        if self._concepts.relation is not None:
            table = self._concepts.table(sets)
            concept_id, related = torch.from_numpy(table.index), torch.from_numpy(table.related)
        concept_id = concept_id[mine]
        return Batch(
            image=torch.from_numpy(np.stack([sample.image for sample in samples])),
            text=TextTokens(ids=torch.from_numpy(tokens.ids), mask=torch.from_numpy(tokens.mask)),
            group_id=torch.tensor([sample.row.group_id for sample in samples]),
            concept_id=concept_id,
            related=related,
            sample_id=tuple(sample.row.sample_id for sample in samples),
            weight=torch.ones(len(samples)),
        )
