"""Crops of scans as samples and batches: one phase of each kidney, changed at random in training.

All randomness of a sample comes from (seed, epoch, index), so a sample is the same whichever
process makes it. Letters: B crops, Z Y X crop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import Dataset

from medvlp.data.batch import Embeddings, TextTokens
from medvlp.data.randomness import augmentation_seed
from medvlp.data.scan_augment import augment_crop, centre_crop
from medvlp.data.scan_batch import ScanBatch
from medvlp.data.scan_manifest import CROPS_FILE, PHASES
from medvlp.data.scan_store import CropStore
from medvlp.data.scan_texts import variants_of
from medvlp.data.shares import chosen_share
from medvlp.text.reports.cleaning import shuffle_sentences

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from medvlp.data.batch import TextInput
    from medvlp.data.sampler import Draw
    from medvlp.data.scan_augment import ScanAugmentSettings
    from medvlp.data.scan_manifest import ScanPairsManifest, ScanRow
    from medvlp.data.scan_texts import TextFeatures
    from medvlp.text.tokenizer import CaptionTokenizer

__all__ = ["ScanCollator", "ScanPairsDataset", "ScanSample", "share_of_patients"]

_AUGMENT_STREAM, _PHASE_STREAM, _TEXT_STREAM = 1, 2, 3


@dataclass(frozen=True)
class ScanSample:
    """One crop, ready to be put into a batch.

    Attributes:
        row: The crop as the table lists it.
        volume: Hounsfield units at the model's input size, shape ``(Z, Y, X)``, float32.
        text: The report of this side, as chosen this time.
    """

    row: ScanRow
    volume: NDArray[np.float32]
    text: str


class ScanPairsDataset(Dataset[ScanSample]):
    """The kidneys of a split: a sample is one side of one patient, in one of its phases.

    Args:
        manifest: The folder of crops.
        split: Which part of it.
        augment: How crops are changed; None takes their middle, the preferred phase and the report
            as it is.
        shuffle: What becomes of reports in training: ``sentences`` shuffles them anew each time,
            ``variants`` takes one of the texts that vectors are computed of, ``none`` leaves them.
        phases: Phases in the order of preference; those not listed come last.
        share: Which patients of the split: a share, see :func:`share_of_patients`.
        seed: Seed of phases, augmentation and texts.
        share_seed: Seed of the choice of patients.
        cache_bytes: Stored crops are kept up to this many bytes, in each process.
        is_training: Whether phase and text are drawn.
    """

    def __init__(
        self,
        manifest: ScanPairsManifest,
        split: str,
        *,
        augment: ScanAugmentSettings | None = None,
        shuffle: str = "none",
        phases: Sequence[str] = PHASES,
        share: float = 1.0,
        seed: int = 0,
        share_seed: int | None = None,
        cache_bytes: int = 0,
        is_training: bool = False,
    ) -> None:
        info = manifest.info
        kept = share_of_patients(
            manifest.rows(split), share, seed if share_seed is None else share_seed
        )
        rank = {phase: place for place, phase in enumerate(phases)}
        self.kidneys: tuple[tuple[ScanRow, ...], ...] = tuple(
            tuple(sorted(rows, key=lambda r: (rank.get(r.phase, len(rank)), r.sample_id)))
            for rows in manifest.kidneys(split)
            if rows[0].patient in kept
        )
        count = sum(len(rows) for rows in manifest.splits.values())
        self._store = CropStore(manifest.folder / CROPS_FILE, count, info.stored_shape_zyx)
        self._info = info
        self._augment = augment
        self._shuffle = shuffle
        self._seed = seed
        self._is_training = is_training
        self._cache: dict[int, NDArray[np.int16]] = {}
        self._cache_left = cache_bytes

    def __len__(self) -> int:
        """Return the number of kidneys."""
        return len(self.kidneys)

    def __getitem__(self, draw: Draw) -> ScanSample:
        """Make one sample.

        Args:
            draw: Which kidney, in which epoch.

        Raises:
            DataError: If the crop cannot be read (MV1722).
        """
        rows = self.kidneys[draw.index]
        if not self._is_training:
            return ScanSample(
                rows[0], centre_crop(self._stored(rows[0]), self._info), rows[0].report
            )
        seed = augmentation_seed(self._seed, draw.epoch, draw.index, draw.repeat)
        row = rows[int(np.random.default_rng((seed, _PHASE_STREAM)).integers(len(rows)))]
        stored = self._stored(row)
        if self._augment is None:
            volume = centre_crop(stored, self._info)
        else:
            rng = np.random.default_rng((seed, _AUGMENT_STREAM))
            volume = augment_crop(stored, self._augment, self._info, rng)
        return ScanSample(row, volume, self._text(row.report, seed))

    def sample_name(self, draw: Draw) -> str:
        """Return the name of a kidney: that of its first crop.

        Args:
            draw: Which kidney.
        """
        return self.kidneys[draw.index][0].sample_id

    def _text(self, report: str, seed: int) -> str:
        if not report or self._shuffle == "none":
            return report
        number = int(np.random.default_rng((seed, _TEXT_STREAM)).integers(2**31))
        if self._shuffle == "sentences":
            return shuffle_sentences(report, number)
        texts = variants_of(report)
        return texts[number % len(texts)]

    def _stored(self, row: ScanRow) -> NDArray[np.int16]:
        crop = self._cache.get(row.crop)
        if crop is None:
            crop = self._store.read(row.crop, row.crop_crc32)
            if crop.nbytes <= self._cache_left:
                self._cache[row.crop] = crop
                self._cache_left -= crop.nbytes
        return crop


class ScanCollator:
    """Puts samples into a batch.

    Args:
        patients: Name of a patient -> number.
        tokenizer: Turns reports into tokens; None where a batch has no tokens.
        max_tokens: Largest number of tokens of a report.
        features: Vectors of the reports, instead of tokens.
    """

    def __init__(
        self,
        patients: Mapping[str, int],
        *,
        tokenizer: CaptionTokenizer | None = None,
        max_tokens: int = 0,
        features: TextFeatures | None = None,
    ) -> None:
        self._patients = patients
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens
        self._features = features

    def __call__(self, samples: Sequence[ScanSample]) -> ScanBatch:
        """Return the batch of some samples.

        Args:
            samples: B samples of one size.

        Raises:
            DataError: If there is no vector of a report (MV1724).
        """
        rows = [sample.row for sample in samples]
        attributes = np.array([row.attributes for row in rows], np.int64).reshape(len(rows), -1)
        return ScanBatch(
            volume=torch.from_numpy(np.stack([sample.volume for sample in samples])),
            text=self._text([sample.text for sample in samples]),
            report_group=torch.tensor([row.report_group for row in rows]),
            attributes=torch.from_numpy(attributes),
            malignant=torch.tensor([row.malignant for row in rows]),
            months=torch.tensor([row.months for row in rows], dtype=torch.float32),
            event=torch.tensor([row.event for row in rows]),
            patient=torch.tensor([self._patients[row.patient] for row in rows]),
            sample_id=tuple(row.sample_id for row in rows),
            side=tuple(row.side for row in rows),
            phase=tuple(row.phase for row in rows),
        )

    def _text(self, texts: list[str]) -> TextInput | None:
        if self._features is not None:
            features = self._features
            return Embeddings(vectors=torch.from_numpy(np.stack([features.of(t) for t in texts])))
        if self._tokenizer is None:
            return None
        tokens = self._tokenizer.encode(texts, self._max_tokens)
        return TextTokens(ids=torch.from_numpy(tokens.ids), mask=torch.from_numpy(tokens.mask))


def share_of_patients(rows: Sequence[ScanRow], share: float, seed: int) -> frozenset[str]:
    """Choose a share of the patients, of benign, malignant and other ones alike.

    A smaller share of the same seed is part of a larger one.

    Args:
        rows: The crops of a split.
        share: Share of the patients, above 0 to 1; at least one of each kind is taken.
        seed: Seed of the choice.

    Returns:
        Names of the patients.
    """
    kinds: dict[str, int] = {}
    for row in rows:
        kinds[row.patient] = max(kinds.get(row.patient, -1), row.malignant)
    return chosen_share(kinds, share, seed)
