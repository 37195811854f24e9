"""Samples that cannot be read are left out of a batch instead of ending the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from torch.utils.data import Dataset

from medvlp.data.quarantine import BadSample
from medvlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from medvlp.data.sampler import Draw

__all__ = ["LeavingOut", "NamedSamples", "ReadSamples"]

SampleT_co = TypeVar("SampleT_co", covariant=True)


class NamedSamples(Protocol[SampleT_co]):
    """A data set that can name a sample without reading it."""

    def __getitem__(self, draw: Draw) -> SampleT_co:
        """Make one sample."""

    def sample_name(self, draw: Draw) -> str:
        """Return the name of a sample."""


class ReadSamples(list[Any]):
    """The samples of a batch that could be read.

    Args:
        samples: The samples.
        absent: The others.
    """

    def __init__(self, samples: Sequence[Any], absent: tuple[BadSample, ...]) -> None:
        super().__init__(samples)
        self.absent = absent


class LeavingOut(Dataset[Any]):
    """Gives the samples of a batch that can be read, and the names of the others.

    Args:
        dataset: Makes the samples.
    """

    def __init__(self, dataset: NamedSamples[Any]) -> None:
        self._dataset = dataset

    def __getitem__(self, draw: Draw) -> object:
        """Make one sample, or fail as the data set does."""
        sample: object = self._dataset[draw]
        return sample

    def __getitems__(self, draws: Sequence[Draw]) -> ReadSamples:
        """Make the samples of a batch, or of this rank's share of it; loaders call this.

        Args:
            draws: Which samples, in which epoch.
        """
        samples: list[Any] = []
        absent: dict[str, BadSample] = {}
        for draw in draws:
            try:
                samples.append(self._dataset[draw])
            except DataError as error:
                name = self._dataset.sample_name(draw)
                absent[name] = BadSample(name, error.code, error.reason)
        return ReadSamples(samples, tuple(absent.values()))
