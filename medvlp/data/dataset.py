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
from medvlp.data.image_codec import decode_image
from medvlp.data.quarantine import BadSample
from medvlp.data.randomness import augmentation_seed
from medvlp.data.sampler import BatchShare
from medvlp.data.shared_images import new_images
from medvlp.errors import DataError, MedvlpError
from medvlp.pixels import fit_image

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from medvlp.data.augment import AugmentSettings
    from medvlp.data.concepts import ConceptNumbers
    from medvlp.data.pairs import PairRow, PairsManifest
    from medvlp.data.sampler import Draw
    from medvlp.data.shards import Place
    from medvlp.knowledge.captions import CaptionAugmenter
    from medvlp.text.file_tokenizer import ReportTokenizer
    from medvlp.types import ImagePreprocessing

__all__ = ["PairCollator", "PairSample", "PairShare", "PairsDataset"]

_NETWORK = frozenset({"MV1820", "MV1821"})
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
        concept_ids: Concepts of the samples of all ranks, in the order of the ranks, those that
            cannot be read included.
        rows: Where this rank's samples stand among them.
        images: The images of the samples, one after the other, shape ``(B, H, W, 3)``, uint8.
        absent: This rank's samples that cannot be read.
    """

    def __init__(
        self,
        samples: Iterable[PairSample],
        concept_ids: Sequence[tuple[str, ...]],
        rows: slice | list[int],
        *,
        images: torch.Tensor | None = None,
        absent: tuple[BadSample, ...] = (),
    ) -> None:
        super().__init__(samples)
        self.concept_ids = concept_ids
        self.rows = rows
        self.images = images
        self.absent = absent


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
        leave_out: Whether samples that cannot be read are left out of a share of a batch; otherwise
            they are errors, as a network that fails is in any case.
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
        leave_out: bool = False,
    ) -> None:
        self.rows = manifest.rows(split)
        self._reader = manifest.open_shards()
        self._leave_out = leave_out
        self._augment = augment
        self._input_px = preprocessing.input_px
        if augment is not None and augment.random_crop:
            preprocessing = replace(preprocessing, input_px=preprocessing.resize_px)
        self._preprocessing = preprocessing
        self._seed = seed
        self._captions = captions
        self._cache: dict[int, NDArray[np.uint8]] = {}
        self._cache_bytes = self._cache_left = cache_bytes

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.rows)

    def __getitem__(self, draw: Draw) -> PairSample:
        """Make one sample.

        Args:
            draw: Which pair, in which epoch.

        Raises:
            MedvlpError: As :meth:`__getitems__`.
        """
        return self.__getitems__([draw])[0]

    def __getitems__(self, draws: Sequence[Draw]) -> list[PairSample]:
        """Make the samples of a batch, or of this rank's share of it; loaders call this.

        All images are read in the order in which they lie in the shards.

        Args:
            draws: Which pairs, in which epoch.

        Raises:
            MedvlpError: If an image cannot be read (MV1702), is not the one that was written
                (MV1813), or does not decode (MV1702); or its shard is missing or of another size
                (MV1702, MV1812).
        """
        leave_out = self._leave_out and isinstance(draws, BatchShare)
        contents = self._read(draw.index for draw in draws)
        images = new_images((len(draws), self._input_px, self._input_px, 3))
        pixels: NDArray[np.uint8] = images.numpy()
        samples: list[PairSample] = []
        present: list[int] = []
        absent: dict[int, BadSample] = {}
        for number, draw in enumerate(draws):
            row, place = self.rows[draw.index], len(samples)
            try:
                image = self._image(draw.index, row.place, contents)
            except MedvlpError as error:
                if not leave_out or error.code in _NETWORK:
                    raise _named(row.sample_id, error) from error
                absent[draw.index] = BadSample(row.sample_id, error.code, error.reason)
                continue
            pixels[place], caption = self._changed(row, image, draw)
            samples.append(PairSample(row, pixels[place], caption))
            present.append(number)
        if not isinstance(draws, BatchShare):
            return samples
        concepts = [self.rows.concepts(index) for index in draws.global_index.tolist()]
        first = draws.rows.start or 0
        return PairShare(
            samples,
            concepts,
            [first + number for number in present] if absent else draws.rows,
            images=images[: len(samples)],
            absent=tuple(absent.values()),
        )

    def __getstate__(self) -> dict[str, object]:
        """Leave images behind when this travels to a loader process."""
        return {**self.__dict__, "_cache": {}, "_cache_left": self._cache_bytes}

    def _changed(
        self, row: PairRow, image: NDArray[np.uint8], draw: Draw
    ) -> tuple[NDArray[np.uint8], str]:
        """Return image and caption as they are drawn this time."""
        if self._augment is None:
            return image, row.captions[0]
        seed = augmentation_seed(self._seed, draw.epoch, draw.index, draw.repeat)
        if self._augment.random_crop:
            image = crop_tile(image, self._input_px, np.random.default_rng((seed, _CROP_STREAM)))
        image = augment_tile(image, self._augment, np.random.default_rng((seed, _AUGMENT_STREAM)))
        return image, self._caption(row, np.random.default_rng((seed, _CAPTION_STREAM)))

    def _caption(self, row: PairRow, rng: np.random.Generator) -> str:
        if self._captions is not None:
            return self._captions(row.captions, row.concept_ids, rng)
        return row.captions[int(rng.integers(len(row.captions)))]

    def _read(self, indices: Iterable[int]) -> dict[int, bytes | DataError]:
        """Return the bytes of the images that are not cached."""
        missing = [index for index in dict.fromkeys(indices) if index not in self._cache]
        contents = self._reader.read_many([self.rows.place(index) for index in missing])
        return dict(zip(missing, contents, strict=True))

    def _image(
        self, index: int, place: Place, contents: Mapping[int, bytes | DataError]
    ) -> NDArray[np.uint8]:
        if index in self._cache:
            return self._cache[index]
        content = contents[index]
        if isinstance(content, DataError):
            content = self._reader.read(place)  # once more: a network drive may have slipped
        rgb = decode_image(content, f"at {place.offset} of {place.shard}")
        image = fit_image(rgb, self._preprocessing)
        if image.nbytes <= self._cache_left:
            self._cache[index] = image = np.ascontiguousarray(image)
            self._cache_left -= image.nbytes
        return image


def _named(sample: str, error: MedvlpError) -> DataError:
    what = f"sample {sample}: {error.what}"
    return DataError(error.code, what, expected=error.expected, hint=error.hint)


class PairCollator:
    """Puts samples into a batch.

    Args:
        tokenizer: Turns captions into tokens.
        max_tokens: Largest number of tokens of a caption.
        concepts: Numbers of the concepts; where a relation is among them, every batch brings the
            table of its related concepts, built here, in the loader.
    """

    def __init__(
        self, tokenizer: ReportTokenizer, max_tokens: int, concepts: ConceptNumbers
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
        mine: slice | list[int] = slice(None)
        concept_ids = [sample.row.concept_ids for sample in samples]
        images: torch.Tensor | None = None
        if isinstance(samples, PairShare):
            concept_ids, mine = list(samples.concept_ids), samples.rows
            images = samples.images
        if images is None:
            images = torch.from_numpy(np.stack([sample.image for sample in samples]))
        sets = [self._concepts.of(concepts) for concepts in concept_ids]
        concept_id, related = torch.tensor([min(numbers, default=-1) for numbers in sets]), None
        if self._concepts.relation is not None:
            table = self._concepts.table(sets)
            concept_id, related = torch.from_numpy(table.index), torch.from_numpy(table.related)
        concept_id = concept_id[mine]
        return Batch(
            image=images,
            text=TextTokens(ids=torch.from_numpy(tokens.ids), mask=torch.from_numpy(tokens.mask)),
            group_id=torch.tensor([sample.row.group_id for sample in samples]),
            concept_id=concept_id,
            related=related,
            sample_id=tuple(sample.row.sample_id for sample in samples),
            weight=torch.ones(len(samples)),
        )
