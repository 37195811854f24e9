"""Radiographs and their masks for the trainer, changed alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lightning.pytorch as pl

from medvlp.data.loading import OrderedLoader, ordered_loader
from medvlp.data.order import OrderSettings
from medvlp.data.radiograph_augment import RadiographAugmentSettings
from medvlp.data.radiograph_masks import (
    MaskedRadiographs,
    MaskSample,
    collate_masks,
    read_masks_info,
)
from medvlp.data.radiograph_pairs import read_radiograph_pairs
from medvlp.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from medvlp.data.radiograph_manifest import RadiographPairsManifest
    from medvlp.data.radiograph_masks import MasksInfo

__all__ = ["RadiographMasksDataModule"]

TRAIN, VALIDATION = "train", "validation"
_AUGMENT = RadiographAugmentSettings()


class RadiographMasksDataModule(pl.LightningDataModule):
    """Loads pictures and masks, changed alike.

    Args:
        folder: The folder of radiographs with masks beside them.
        batch_size: Number of pictures of a global batch.
        augment: How pictures are changed in training; None leaves them.
        seed: Seed of order and augmentation.
        num_workers: Number of loader processes; 0 loads in the main process.

    Raises:
        UsageError: If pictures are to be turned over: what of a mask has a side is not known
            (MV1835).
    """

    def __init__(
        self,
        *,
        folder: Path,
        batch_size: int,
        augment: RadiographAugmentSettings | None = _AUGMENT,
        seed: int = 0,
        num_workers: int = 0,
    ) -> None:
        super().__init__()
        if augment is not None and augment.flip != "never":
            raise UsageError(
                "MV1835",
                f"data.augment.flip={augment.flip} with masks, whose classes may have a side",
                expected="flip: never",
            )
        self._folder = folder
        self._order = OrderSettings(seed=seed, batch_size=batch_size)
        self._augment = augment
        self._seed = seed
        self._num_workers = num_workers
        self._manifest: RadiographPairsManifest | None = None
        self._masks: MasksInfo | None = None

    @property
    def manifest(self) -> RadiographPairsManifest:
        """The folder of radiographs, read once.

        Raises:
            DataError: If it is not one (MV1790, MV1792).
        """
        if self._manifest is None:
            self._manifest = read_radiograph_pairs(self._folder)
        return self._manifest

    @property
    def input_px(self) -> int:
        """Side of the pictures of a batch."""
        return self.manifest.info.size_px

    @property
    def masks(self) -> MasksInfo:
        """What is said of the masks, read once.

        Raises:
            DataError: If there are none, or they are of another table (MV1837).
        """
        if self._masks is None:
            self._masks = read_masks_info(self._folder, self.manifest)
        return self._masks

    def setup(self, stage: str) -> None:
        """Check that a batch can be filled.

        Args:
            stage: What the trainer is about to do.

        Raises:
            DataError: If the folder cannot be used (MV1790 to MV1792, MV1837).
            UsageError: If the training split is smaller than a batch (MV1002).
        """
        pictures = len(self.dataset(TRAIN))
        if pictures < self._order.batch_size:
            raise UsageError(
                "MV1002",
                f"batch_size={self._order.batch_size} is more than the {pictures} training "
                f"pictures of {self._folder}",
                expected=f"a batch_size of at most {pictures}",
            )

    def dataset(self, split: str, *, is_training: bool = False) -> MaskedRadiographs:
        """Return the pictures and masks of a split.

        Args:
            split: Part of the folder.
            is_training: Whether they are changed at random.

        Raises:
            DataError: If there is none (MV1791).
        """
        augment = self._augment if is_training else None
        return MaskedRadiographs(self.manifest, self.masks, split, augment, self._seed)

    def train_dataloader(self) -> OrderedLoader[MaskSample]:
        """Return the loader of the training split."""
        return self._loader(self.dataset(TRAIN, is_training=True), self._order)

    def val_dataloader(
        self,
    ) -> OrderedLoader[MaskSample] | list[OrderedLoader[MaskSample]]:
        """Return the loader of the validation split; an empty list where there is none."""
        return self.loader(VALIDATION) if self.manifest.splits.get(VALIDATION) else []

    def loader(self, split: str) -> OrderedLoader[MaskSample]:
        """Return a loader of every sample of a split, in order and unchanged.

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
        self, dataset: MaskedRadiographs, order: OrderSettings
    ) -> OrderedLoader[MaskSample]:
        return ordered_loader(
            dataset,
            order,
            collate_masks,
            num_samples=len(dataset),
            data_hash=self.manifest.info.samples_sha256,
            num_workers=self._num_workers,
            trainer=self.trainer,
        )
