"""Crops that have a label, to learn classes from; all classes as often where that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from torch.utils.data import Dataset

from medvlp.data.scan_dataset import ScanPairsDataset, ScanSample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medvlp.data.sampler import Draw

__all__ = ["LabelledScans"]

_CHOICE_STREAM = 4


class LabelledScans(Dataset[ScanSample]):
    """The kidneys of a split that have a label.

    Balanced, each draw takes a class at random and one of its kidneys at random, as a sampler with
    weights inverse to the classes' numbers does. The choice follows from (seed, epoch, index), so
    that a resumed run makes the same.

    Args:
        scans: The kidneys of a split.
        labels: Class of each, -1 where not known.
        is_balanced: Whether classes are drawn equally often.
        seed: Seed of the choice.

    Raises:
        ValueError: If there is not one label for each kidney.
    """

    def __init__(
        self, scans: ScanPairsDataset, labels: Sequence[int], *, is_balanced: bool, seed: int
    ) -> None:
        if len(labels) != len(scans):
            msg = f"{len(scans)} kidneys and {len(labels)} labels"
            raise ValueError(msg)
        self._scans = scans
        self._seed = seed
        self._is_balanced = is_balanced
        known = sorted({label for label in labels if label >= 0})
        self._members = [
            [index for index, label in enumerate(labels) if label == each] for each in known
        ]
        self._labelled = [index for index, label in enumerate(labels) if label >= 0]

    def __len__(self) -> int:
        """Return the number of kidneys with a label."""
        return len(self._labelled)

    def __getitem__(self, draw: Draw) -> ScanSample:
        """Make one sample.

        Args:
            draw: Which of the kidneys with a label, in which epoch; balanced, any of them.

        Raises:
            DataError: If the crop cannot be read (MV1722).
        """
        return self._scans[self.chosen(draw)]

    def sample_name(self, draw: Draw) -> str:
        """Return the name of a kidney: that of its first crop.

        Args:
            draw: Which of the kidneys with a label, in which epoch.
        """
        return self._scans.sample_name(self.chosen(draw))

    def chosen(self, draw: Draw) -> Draw:
        """Return the draw of a kidney of the split that a draw becomes.

        Args:
            draw: Which of the kidneys with a label, in which epoch.
        """
        if not self._is_balanced:
            return type(draw)(draw.epoch, self._labelled[draw.index], draw.repeat)
        key = (self._seed, draw.epoch, draw.index, draw.repeat, _CHOICE_STREAM)
        rng = np.random.default_rng(key)
        members = self._members[int(rng.integers(len(self._members)))]
        index = members[int(rng.integers(len(members)))]
        # a kidney that is drawn twice is changed in two ways
        return type(draw)(draw.epoch, index, draw.index * 1009 + draw.repeat)
