"""Random numbers that depend on what they are for, and on nothing that happened before.

All come from the counter-based Philox generator of numpy, read as raw 64-bit words: numpy promises
that the words of a bit generator never change, which it does not promise for ``permutation`` or
``choice``. So orders and augmentations stay the same over versions, ranks and workers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["augmentation_seed", "random_below", "random_words", "step_seed"]

ORDER_STREAM = 0
AUGMENTATION_STREAM = 1
STEP_STREAM = 2


def random_words(seed: int, epoch: int, purpose: int, count: int) -> NDArray[np.uint64]:
    """Return random 64-bit words for one purpose of one epoch.

    Args:
        seed: In ``[0, 2**64)``.
        epoch: In ``[0, 2**64)``.
        purpose: In ``[0, 2**64)``; words of different purposes are independent.
        count: How many, >= 0.

    Returns:
        Shape ``(count,)``, uint64. The first words do not depend on ``count``.
    """
    generator = np.random.Philox(
        key=np.array([seed, epoch], dtype=np.uint64),
        counter=np.array([0, 0, purpose, ORDER_STREAM], dtype=np.uint64),
    )
    return np.asarray(generator.random_raw(count), dtype=np.uint64)


def random_below(words: NDArray[np.uint64], bounds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Turn words into integers from 0 to a bound.

    Takes the upper half of ``upper 32 bits * bound``; a value is off its fair share by less than
    ``bound / 2**32``.

    Args:
        words: From :func:`random_words`, shape ``(n,)``.
        bounds: Exclusive upper bounds, in ``[1, 2**31]``, shape ``(n,)``.

    Returns:
        Shape ``(n,)``, int64.
    """
    upper = words >> np.uint64(32)
    return ((upper * bounds.astype(np.uint64)) >> np.uint64(32)).astype(np.int64)


def augmentation_seed(seed: int, epoch: int, index: int, repeat: int = 0) -> int:
    """Return the seed of the augmentation of one sample in one epoch.

    It does not depend on the rank, the worker or the order of loading, so that a resumed run on
    other hardware augments every sample as the uninterrupted run would have.

    Args:
        seed: Seed of the run, in ``[0, 2**64)``.
        epoch: Epoch, >= 0.
        index: Row of the sample in the manifest, >= 0.
        repeat: Which of the sample's appearances in the batch this is, from 0.

    Returns:
        In ``[0, 2**63)``, fit for ``torch.Generator.manual_seed`` and ``numpy.random.default_rng``.
    """
    generator = np.random.Philox(
        key=np.array([seed, epoch], dtype=np.uint64),
        counter=np.array([0, index, repeat, AUGMENTATION_STREAM], dtype=np.uint64),
    )
    return int(generator.random_raw()) >> 1


def step_seed(seed: int, step: int, rank: int) -> int:
    """Return the seed of the random numbers that one rank draws in one training step.

    Args:
        seed: Seed of the run, in ``[0, 2**64)``.
        step: Number of the batch since the run began, >= 0.
        rank: The rank, >= 0.

    Returns:
        In ``[0, 2**63)``, fit for ``torch.manual_seed``.
    """
    generator = np.random.Philox(
        key=np.array([seed, step], dtype=np.uint64),
        counter=np.array([0, rank, 0, STEP_STREAM], dtype=np.uint64),
    )
    return int(generator.random_raw()) >> 1
