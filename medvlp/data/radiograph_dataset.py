"""Radiographs as samples and batches: changed at random in training, text and labels with them.

All randomness of a sample comes from (seed, epoch, index), so a sample is the same whichever
process makes it. Letters: B pictures, C findings, S side of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from medvlp.data.radiograph_augment import change_picture, change_places, draw_change
from medvlp.data.radiograph_batch import NOT_MENTIONED, RadiographBatch
from medvlp.data.radiograph_pairs import open_images
from medvlp.data.radiograph_texts import choose_sentences, tokenize
from medvlp.data.randomness import augmentation_seed
from medvlp.data.shares import chosen_share
from medvlp.text.reports.side_words import swap_sides

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from medvlp.data.radiograph_augment import RadiographAugmentSettings
    from medvlp.data.radiograph_manifest import (
        FindingPlace,
        RadiographPairsManifest,
        RadiographRow,
    )
    from medvlp.data.radiograph_texts import SentenceChoice
    from medvlp.data.sampler import Draw
    from medvlp.text.tokenizer import CaptionTokenizer

__all__ = [
    "RadiographCollator",
    "RadiographDataset",
    "RadiographSample",
    "SampleSettings",
    "may_turn",
]

_AUGMENT_STREAM, _TEXT_STREAM = 1, 2
_FRONTAL = frozenset({"PA", "AP"})


@dataclass(frozen=True)
class RadiographSample:
    """One picture, ready to be put into a batch.

    Attributes:
        row: The picture as the table lists it.
        image: Gray levels in [0, 1], shape ``(S, S)``, float32.
        text: The report as chosen this time, left and right swapped where ``turned``.
        labels: Values as in a batch, shape ``(C,)``, int64; of the picture as it is now.
        places: Where findings are in the picture as it is now, if that is known.
        report_group: Number of the whole report's text, swapped where ``turned``.
        turned: Whether the picture was turned over.
    """

    row: RadiographRow
    image: NDArray[np.float32]
    text: str
    labels: NDArray[np.int64]
    places: tuple[FindingPlace, ...]
    report_group: int
    turned: bool = False


@dataclass(frozen=True, kw_only=True)
class SampleSettings:
    """What becomes of pictures and reports in training.

    Attributes:
        augment: How pictures are changed; None leaves them.
        sentences: What becomes of reports.
        most_sentences: Largest number of sentences of a subset.
        one_sided: Findings of which the book says something that is true of one side only:
            pictures that show one are not turned over.
    """

    augment: RadiographAugmentSettings | None = None
    sentences: SentenceChoice = "all"
    most_sentences: int = 3
    one_sided: frozenset[str] = field(default_factory=frozenset)


_UNCHANGED = SampleSettings()


class RadiographDataset(Dataset[RadiographSample]):
    """The pictures of a split.

    Args:
        manifest: The folder of radiographs.
        split: Which part of it.
        findings: Names of the columns of labels.
        input_px: Side S of the samples, at most that of the stored pictures; None takes theirs.
        training: What becomes of pictures and reports; without settings they stay as they are.
        share: Which patients of the split: a share, see :func:`medvlp.data.shares.chosen_share`.
        share_seed: Seed of the choice of patients.
        seed: Seed of augmentation and texts.
        cache_bytes: Stored pictures are kept up to this many bytes, in each process.
    """

    def __init__(
        self,
        manifest: RadiographPairsManifest,
        split: str,
        findings: Sequence[str],
        *,
        input_px: int | None = None,
        training: SampleSettings = _UNCHANGED,
        share: float = 1.0,
        share_seed: int = 0,
        seed: int = 0,
        cache_bytes: int = 0,
    ) -> None:
        rows = manifest.rows(split)
        kept = chosen_share(dict.fromkeys((row.patient for row in rows), 0), share, share_seed)
        self.rows = tuple(row for row in rows if row.patient in kept)
        self.findings = tuple(findings)
        self._info = manifest.info
        self._known = frozenset(manifest.info.findings)
        self._input_px = manifest.info.size_px if input_px is None else input_px
        self._store = open_images(manifest)
        self._training = training
        self._seed = seed
        self._cache: dict[int, NDArray[Any]] = {}
        self._cache_left = cache_bytes

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.rows)

    def __getitem__(self, draw: Draw) -> RadiographSample:
        """Make one sample.

        Args:
            draw: Which picture, in which epoch.

        Raises:
            DataError: If the picture cannot be read (MV1792).
        """
        row, settings = self.rows[draw.index], self._training
        image, places = self._picture(row), self._places(row)
        labels, text, group, turned = row.labels, row.report, row.report_group, False
        seed = augmentation_seed(self._seed, draw.epoch, draw.index, draw.repeat)
        if settings.augment is not None:
            rng = np.random.default_rng((seed, _AUGMENT_STREAM))
            can_turn = may_turn(row, self._known, settings.one_sided)
            change = draw_change(settings.augment, rng, may_turn=can_turn)
            image, turned = change_picture(image, change), change.turned
            places = change_places(places, change, self._input_px)
        if turned:
            labels = {swap_sides(name) or name: value for name, value in labels.items()}
            text, group = swap_sides(text) or text, row.turned_group
        if settings.sentences != "all":
            number = int(np.random.default_rng((seed, _TEXT_STREAM)).integers(2**31))
            text = choose_sentences(text, settings.sentences, number, settings.most_sentences)
        values = [labels.get(name, NOT_MENTIONED) for name in self.findings]
        return RadiographSample(row, image, text, np.array(values, np.int64), places, group, turned)

    def _picture(self, row: RadiographRow) -> NDArray[np.float32]:
        stored = self._cache.get(row.image)
        if stored is None:
            stored = self._store.read(row.image, row.image_crc32)
            if stored.nbytes <= self._cache_left:
                self._cache[row.image] = stored
                self._cache_left -= stored.nbytes
        values: NDArray[np.float32] = stored.astype(np.float32)
        values /= np.float32(2**self._info.bits - 1)
        if self._input_px == self._info.size_px:
            return values
        size = (self._input_px, self._input_px)
        return np.array(Image.fromarray(values).resize(size, Image.Resampling.BILINEAR))

    def _places(self, row: RadiographRow) -> tuple[FindingPlace, ...]:
        ratio = self._input_px / self._info.size_px
        if ratio == 1:
            return row.places
        scaled = []
        for place in row.places:
            r0, r1, c0, c1 = (edge * ratio for edge in place.box)
            scaled.append(replace(place, box=(r0, r1, c0, c1)))
        return tuple(scaled)


def may_turn(
    row: RadiographRow, findings: frozenset[str], one_sided: frozenset[str] = frozenset()
) -> bool:
    """Say whether a picture can be turned over, so that all that is known of it can turn with it.

    It is frontal; its report has a counterpart of the other side; so has every finding that it has
    a label of, among those of the folder; and it shows no finding that is told apart by its side.

    Args:
        row: The picture.
        findings: Names of the findings of the folder.
        one_sided: Findings of which the book says something that is true of one side only.
    """
    if row.view not in _FRONTAL or swap_sides(row.report) is None:
        return False
    if not all(swap_sides(name) in findings for name in row.labels):
        return False
    return not any(value != 0 and name in one_sided for name, value in row.labels.items())


class RadiographCollator:
    """Puts samples into a batch.

    Args:
        patients: Hash of a patient's name -> number.
        tokenizer: Turns reports into tokens; None where a batch has no tokens.
        max_tokens: Largest number of tokens of a report.
    """

    def __init__(
        self,
        patients: Mapping[str, int],
        *,
        tokenizer: CaptionTokenizer | None = None,
        max_tokens: int = 0,
    ) -> None:
        self._patients = patients
        self._tokenizer = tokenizer
        self._max_tokens = max_tokens

    def __call__(self, samples: Sequence[RadiographSample]) -> RadiographBatch:
        """Return the batch of some samples.

        Args:
            samples: B samples of one size.
        """
        rows = [sample.row for sample in samples]
        texts = [sample.text for sample in samples]
        text = (
            None if self._tokenizer is None else tokenize(self._tokenizer, texts, self._max_tokens)
        )
        return RadiographBatch(
            image=torch.from_numpy(np.stack([sample.image for sample in samples])[:, None]),
            text=text,
            labels=torch.from_numpy(np.stack([sample.labels for sample in samples])),
            report_group=torch.tensor([sample.report_group for sample in samples]),
            patient_id=torch.tensor([self._patients[row.patient] for row in rows]),
            sample_id=tuple(row.sample_id for row in rows),
            view=tuple(row.view for row in rows),
            turned=torch.tensor([sample.turned for sample in samples]),
        )
