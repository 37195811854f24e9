"""Batches of groups: several samples of each of several groups, as knowledge pretraining needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from medvlp.data.randomness import random_below, random_words
from medvlp.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

__all__ = ["GroupBatches", "group_batch_order"]

SHUFFLE, REFILL, COMPOSE = 1, 2, 3


@dataclass(frozen=True, kw_only=True)
class GroupBatches:
    """How a batch is made of groups."""

    groups_per_batch: int
    """Distinct groups in a batch, >= 1."""
    samples_per_group: int
    """Samples of each group in a batch (K), >= 1; a smaller group repeats samples."""
    coverage: Literal["every_sample", "one_chunk"] = "every_sample"
    """What an epoch holds: every member of every group once, in chunks of K (KEP); or one chunk of
    each group, whatever its size (KEEP's second stage)."""
    with_anchor: bool = False
    """Whether every chunk of a group of at least K members holds the group's anchor, its name among
    its attributes, beside K - 1 others (KEP)."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.groups_per_batch < 1 or self.samples_per_group < 1 + self.with_anchor:
            msg = (
                f"groups_per_batch={self.groups_per_batch} and samples_per_group="
                f"{self.samples_per_group} must be >= 1, and samples_per_group >= 2 with an anchor"
            )
            raise ValueError(msg)


@dataclass(frozen=True)
class _Groups:
    """Members of all groups side by side, shuffled within each group, anchors last.

    ``pool`` is how many members of a group fill its chunks: all, or all but the anchor.
    """

    members: Ints
    start: Ints
    size: Ints
    pool: Ints


def group_batch_order(
    group_id: Ints,
    settings: GroupBatches,
    *,
    seed: int,
    epoch: int,
    is_anchor: NDArray[np.bool_] | None = None,
) -> Ints:
    """Return the order of one epoch, as a function of the arguments alone.

    Each group's members are shuffled and cut into chunks of K; a chunk that is not full is filled
    with members drawn with replacement. While enough groups have chunks left, a batch draws its
    groups without replacement, each with equal chance, and takes one chunk of each. Chunks left
    over when fewer groups remain are dropped.

    Args:
        group_id: Group of each sample, shape ``(N,)``, int64.
        settings: Sizes and rules.
        seed: Seed of the run, in ``[0, 2**64)``.
        epoch: Epoch, >= 0.
        is_anchor: Whether a sample is its group's anchor, shape ``(N,)``, bool; needed for
            ``with_anchor``. A group without one is treated as without ``with_anchor``.

    Returns:
        Samples of all batches one after the other, shape ``(num_batches * G * K,)``, int64; the K
        samples of a group are neighbours.

    Raises:
        DataError: If a group has two anchors (MV1765).
    """
    groups = _shuffled_groups(group_id, settings, seed, epoch, is_anchor)
    width = np.where(groups.pool < groups.size, settings.samples_per_group - 1, 0)
    width[width == 0] = settings.samples_per_group
    num_chunks = -(-groups.pool // width)
    if settings.coverage == "one_chunk":
        num_chunks = np.minimum(num_chunks, 1)
    chunks = _fill_chunks(groups, width, num_chunks, settings.samples_per_group, (seed, epoch))
    words = random_words(seed, epoch, COMPOSE, len(chunks))
    chosen = _compose_batches(num_chunks.tolist(), settings.groups_per_batch, words)
    return chunks[chosen].reshape(-1)


def _shuffled_groups(
    group_id: Ints,
    settings: GroupBatches,
    seed: int,
    epoch: int,
    is_anchor: NDArray[np.bool_] | None,
) -> _Groups:
    keys = random_words(seed, epoch, SHUFFLE, len(group_id))
    if settings.with_anchor and is_anchor is not None:
        keys = np.where(is_anchor, np.iinfo(np.uint64).max, keys >> np.uint64(1))
    by_key = np.argsort(keys, kind="stable")
    members = by_key[np.argsort(group_id[by_key], kind="stable")]
    _, start, size = np.unique(group_id[members], return_index=True, return_counts=True)
    pool = size.copy()
    if settings.with_anchor and is_anchor is not None and len(size):
        num_anchors = np.add.reduceat(is_anchor[members].astype(np.int64), start)
        if num_anchors.max() > 1:
            culprit = group_id[members[start[num_anchors.argmax()]]]
            raise DataError(
                "MV1765",
                f"group {culprit} has {num_anchors.max()} anchors",
                expected="one anchor per group at most",
            )
        pool -= (num_anchors == 1) & (size >= settings.samples_per_group)
    return _Groups(members, start, size, pool)


def _fill_chunks(
    groups: _Groups, width: Ints, num_chunks: Ints, size: int, place: tuple[int, int]
) -> Ints:
    """Return the samples of every chunk, group by group, shape ``(num_chunks.sum(), size)``.

    ``place`` is (seed, epoch).
    """
    owner = np.repeat(np.arange(len(num_chunks)), num_chunks)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(num_chunks) - num_chunks, num_chunks)
    slots = np.arange(size)
    position = within[:, None] * width[owner, None] + slots
    is_missing = position >= groups.pool[owner, None]
    bounds = np.broadcast_to(groups.pool[owner, None], position.shape)[is_missing]
    words = random_words(*place, REFILL, int(is_missing.sum()))
    position[is_missing] = random_below(words, bounds)
    has_anchor = width < size
    position[has_anchor[owner], -1] = (groups.size - 1)[owner[has_anchor[owner]]]
    filled: Ints = groups.members[groups.start[owner, None] + position]
    return filled


def _compose_batches(chunks_left: list[int], num_groups: int, words: NDArray[np.uint64]) -> Ints:
    """Draw chunks batch by batch; chunk numbers count group by group.

    ``chunks_left`` is used up. One word per draw: a partial Fisher-Yates shuffle over the groups
    that have chunks left.
    """
    next_chunk = np.concatenate([[0], np.cumsum(chunks_left)[:-1]]).astype(int).tolist()
    draws = (words >> np.uint64(32)).tolist()
    alive = [group for group, left in enumerate(chunks_left) if left]
    chosen: list[int] = []
    while len(alive) >= num_groups:
        for place in range(num_groups):
            other = place + (draws[len(chosen) + place] * (len(alive) - place) >> 32)
            alive[place], alive[other] = alive[other], alive[place]
        batch = alive[:num_groups]
        for place in reversed(range(num_groups)):
            group = batch[place]
            chunks_left[group] -= 1
            if not chunks_left[group]:
                alive[place] = alive[-1]
                alive.pop()
        for group in batch:
            chosen.append(next_chunk[group])
            next_chunk[group] += 1
    return np.array(chosen, dtype=np.int64)
