"""An order for data beyond memory: blocks at random, and samples at random among a few blocks.

A full permutation reads every sample from anywhere. Here rows that lie together stay within reach:
blocks of successive rows are put in random order, a few of them at a time are mixed, and their
samples are put in random order. Nothing of the size of the data is ever computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvlp.data.randomness import random_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

__all__ = ["BlockShuffle", "EpochOrder", "block_epoch", "block_starts"]

_BLOCKS, _SAMPLES = 4, 2**32
"""Purposes of random words: the order of the blocks, and from here on that within each mixture."""


@dataclass(frozen=True, kw_only=True)
class BlockShuffle:
    """How samples are shuffled in blocks."""

    samples: int = 1024
    """Successive samples in a block, >= 1; a block never spans two shards."""
    mixed: int = 16
    """Blocks whose samples are mixed with each other, >= 1; at this many places data are read."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.samples < 1 or self.mixed < 1:
            msg = f"samples={self.samples} and mixed={self.mixed} must be 1 at least"
            raise ValueError(msg)


class EpochOrder:
    """The samples of one epoch in their order, of which a part can be asked for.

    Args:
        order: All samples, shape ``(N,)``, int64.
    """

    def __init__(self, order: Ints) -> None:
        self._order = order

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self._order)

    def part(self, first: int, last: int) -> Ints:
        """Return samples ``first`` to ``last - 1`` of the epoch, fewer at its end."""
        return self._order[first:last]


class _BlockEpoch(EpochOrder):
    """An epoch of shuffled blocks; one mixture of them is in memory at a time."""

    def __init__(self, starts: Ints, shuffle: BlockShuffle, seed: int, epoch: int) -> None:
        sizes = np.diff(starts)
        blocks = np.argsort(random_words(seed, epoch, _BLOCKS, len(sizes)), kind="stable")
        super().__init__(blocks)
        self._starts = starts
        self._mixed = shuffle.mixed
        self._seed, self._epoch = seed, epoch
        ends = np.cumsum(sizes[blocks])
        last = np.append(np.arange(shuffle.mixed, len(sizes), shuffle.mixed), len(sizes))
        self._bounds = np.concatenate([[0], ends[last - 1]])
        self._cached: tuple[int, Ints] = (-1, blocks[:0])

    def __len__(self) -> int:
        return int(self._bounds[-1])

    def part(self, first: int, last: int) -> Ints:
        last = min(last, len(self))
        found = [self._order[:0]]
        while first < last:
            mixture = int(np.searchsorted(self._bounds, first, side="right")) - 1
            begin, end = self._bounds[mixture : mixture + 2].tolist()
            found.append(self._mixture(mixture)[first - begin : last - begin])
            first = end
        return np.concatenate(found)

    def _mixture(self, number: int) -> Ints:
        if self._cached[0] != number:
            blocks = self._order[number * self._mixed : (number + 1) * self._mixed]
            rows = np.concatenate([np.arange(*self._starts[b : b + 2]) for b in blocks.tolist()])
            words = random_words(self._seed, self._epoch, _SAMPLES + number, len(rows))
            self._cached = (number, rows[np.argsort(words, kind="stable")])
        return self._cached[1]


def block_starts(num_samples: int, samples: int, shard_number: Ints | None = None) -> Ints:
    """Cut rows into blocks.

    Args:
        num_samples: Number of rows, >= 1.
        samples: Most rows in a block.
        shard_number: Shard of each row, shape ``(num_samples,)``; a new one begins a new block.

    Returns:
        First row of each block, and the number of rows: ascending, int64.
    """
    edges = np.array([0, num_samples], dtype=np.int64)
    if shard_number is not None:
        changes = np.flatnonzero(np.diff(shard_number)) + 1
        edges = np.concatenate([[0], changes, [num_samples]]).astype(np.int64)
    starts = [
        np.arange(first, last, samples, dtype=np.int64)
        for first, last in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    ]
    return np.concatenate([*starts, edges[-1:]])


def block_epoch(starts: Ints, shuffle: BlockShuffle, *, seed: int, epoch: int) -> EpochOrder:
    """Return the order of an epoch: a function of its arguments, computed as it is asked for.

    Args:
        starts: What :func:`block_starts` gave.
        shuffle: How blocks are mixed.
        seed: Seed of the run.
        epoch: Number of the epoch.
    """
    return _BlockEpoch(starts, shuffle, seed, epoch)
