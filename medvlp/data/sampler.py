"""The order of samples: a function of seed and epoch over one global index.

Global batch k of an epoch is a slice of one permutation, and a rank takes its slice of that. So the
order depends neither on the number of ranks nor on that of loader workers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from torch.utils.data import Sampler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["Draw", "GlobalOrderSampler", "epoch_order"]


@dataclass(frozen=True)
class Draw:
    """One sample asked for: what it is and in which epoch, so that its randomness is its own.

    Attributes:
        epoch: Number of the epoch, from 0.
        index: Row of the sample in its data set.
    """

    epoch: int
    index: int


def epoch_order(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the order of an epoch.

    Args:
        count: Number of samples.
        seed: Seed of the run.
        epoch: Number of the epoch, from 0.

    Returns:
        A permutation of 0 ... count - 1, shape ``(count,)``, int64.
    """
    return np.random.default_rng((seed, epoch)).permutation(count)


class GlobalOrderSampler(Sampler[Draw]):
    """Yields what one rank reads in an epoch; the last, incomplete global batch is left out.

    Args:
        count: Number of samples in the data set.
        batch_size: Number of samples of a global batch, over all ranks.
        seed: Seed of the run.
        rank: Which slice of a global batch.
        num_ranks: Number of slices.

    Raises:
        ValueError: If the ranks do not divide the batch, or there is no complete batch.
    """

    def __init__(
        self, count: int, batch_size: int, seed: int, *, rank: int = 0, num_ranks: int = 1
    ) -> None:
        if batch_size < 1 or batch_size % num_ranks or not 0 <= rank < num_ranks:
            msg = f"rank {rank} of {num_ranks} cannot take an equal part of batch_size {batch_size}"
            raise ValueError(msg)
        if count < batch_size:
            msg = f"{count} samples do not fill one batch of {batch_size}"
            raise ValueError(msg)
        self.count = count
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0
        self._rank = rank
        self._num_ranks = num_ranks

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next pass; the trainer calls this.

        Args:
            epoch: Number of the epoch, from 0.
        """
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the number of samples that this rank reads in an epoch."""
        return self.count // self.batch_size * (self.batch_size // self._num_ranks)

    def __iter__(self) -> Iterator[Draw]:
        """Yield this rank's part of each global batch, in order."""
        order = epoch_order(self.count, self.seed, self.epoch)
        part = self.batch_size // self._num_ranks
        for start in range(0, self.count - self.batch_size + 1, self.batch_size):
            first = start + self._rank * part
            for index in order[first : first + part].tolist():
                yield Draw(self.epoch, index)
