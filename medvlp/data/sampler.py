"""The order of samples: a function of seed, epoch and settings, sliced by batch and by rank.

Global batch k of an epoch is ``order[k B : (k + 1) B]``, whatever the number of ranks; each rank
takes its slice of it. So the state of a run is an epoch and how many samples were consumed, and it
can be taken up on any number of ranks and workers.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvlp.data.blocks import EpochOrder, block_epoch, block_starts
from medvlp.data.groups import group_batch_order
from medvlp.data.order import (
    OrderSettings,
    SamplerState,
    check_groups,
    check_state,
    describe_order,
    hash_order,
)
from medvlp.data.randomness import random_words
from medvlp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

__all__ = ["BatchShare", "Draw", "GlobalOrderSampler", "rank_slice"]

SHUFFLE = 0


@dataclass(frozen=True)
class Draw:
    """One sample asked for.

    Attributes:
        epoch: Number of the epoch, from 0, for the sample's augmentation.
        index: Row of the sample in the manifest.
        repeat: Which of the sample's appearances in the global batch this is, from 0.
    """

    epoch: int
    index: int
    repeat: int = 0


class BatchShare(list[Draw]):
    """What one rank loads of a global batch: its draws.

    Args:
        draws: This rank's samples.
        global_index: Rows of the samples of all ranks in the manifest, shape ``(B,)``, int64: what
            a table of related concepts is built from.
        rows: Where this rank's draws stand among them.
    """

    def __init__(self, draws: Iterable[Draw], global_index: Ints, rows: slice) -> None:
        super().__init__(draws)
        self.global_index = global_index
        self.rows = rows


def rank_slice(num_samples: int, rank: int, num_ranks: int) -> slice:
    """Return a rank's part of a global batch, sizes differing by one at most.

    Args:
        num_samples: Samples in the batch.
        rank: In ``[0, num_ranks)``.
        num_ranks: Number of ranks.
    """
    return slice(rank * num_samples // num_ranks, (rank + 1) * num_samples // num_ranks)


class GlobalOrderSampler:
    """Yield one rank's share of every global batch; a ``batch_sampler`` for a data loader.

    Iterating yields what is left of the current epoch and changes nothing, since loaders read
    ahead: the training loop calls :meth:`advance` after each step it has finished, and
    :meth:`state` then says where to go on.

    Args:
        num_samples: Rows of the manifest, >= 1.
        settings: What decides the order.
        group_id: Group of each sample, shape ``(num_samples,)``, int64; for batches of groups.
        is_anchor: Whether a sample is its group's anchor, shape ``(num_samples,)``, bool.
        shard_number: Shard of each sample, shape ``(num_samples,)``, int64, which blocks keep to.
        data_hash: Hash of the manifest, so that a state is refused on other data.
        rank: This process's rank.
        num_ranks: Number of ranks; must divide ``batch_size``.

    Raises:
        DataError: If the ranks do not divide the batch (MV1750), or the groups do not belong to
            the samples (MV1751).
    """

    def __init__(
        self,
        num_samples: int,
        settings: OrderSettings,
        *,
        group_id: Ints | None = None,
        is_anchor: NDArray[np.bool_] | None = None,
        shard_number: Ints | None = None,
        data_hash: str = "",
        rank: int = 0,
        num_ranks: int = 1,
    ) -> None:
        _check_ranks(settings.batch_size, rank, num_ranks)
        check_groups(num_samples, settings, group_id, is_anchor)
        self.settings = settings
        self.epoch = 0
        self.samples_consumed = 0
        self._num_samples = num_samples
        self._group_id = group_id
        self._is_anchor = is_anchor
        self._rank = rank
        self._num_ranks = num_ranks
        self._cached: tuple[int, EpochOrder] | None = None
        self._begin_at: tuple[int, int] | None = None
        self._starts: Ints | None = None
        if settings.blocks is not None:
            self._starts = block_starts(num_samples, settings.blocks.samples, shard_number)
        self._order = describe_order(
            num_samples,
            settings,
            group_id=group_id,
            is_anchor=is_anchor,
            data_hash=data_hash,
            starts=self._starts,
        )

    @property
    def order_hash(self) -> str:
        """Hash of all that decides the order; the number of ranks is no part of it."""
        return hash_order(self._order)

    def num_batches(self, epoch: int) -> int:
        """Return how many global batches an epoch has."""
        full, rest = divmod(len(self._epoch_order(epoch)), self.settings.batch_size)
        return full + (1 if rest and self.settings.last_batch == "keep" else 0)

    def global_batch(self, epoch: int, number: int) -> Ints:
        """Return the samples of one global batch, over all ranks, shape ``(<= batch_size,)``."""
        if not 0 <= number < self.num_batches(epoch):
            msg = f"epoch {epoch} has {self.num_batches(epoch)} batches, got number {number}"
            raise IndexError(msg)
        size = self.settings.batch_size
        return self._epoch_order(epoch).part(number * size, (number + 1) * size)

    def __len__(self) -> int:
        """Return how many batches are left in this epoch."""
        return self.num_batches(self.epoch) - self._batches_done()

    def __iter__(self) -> Iterator[BatchShare]:
        """Yield this rank's share of what is left of this epoch, batch by batch."""
        return self.shares(*(self._begin_at or (self.epoch, self._batches_done())))

    @contextmanager
    def beginning_at(self, epoch: int, number: int) -> Iterator[None]:
        """Let iterations that start within the block begin at a batch, wherever the run stands.

        Args:
            epoch: Number of the epoch.
            number: Number of the batch in the epoch.
        """
        self._begin_at = (epoch, number)
        try:
            yield
        finally:
            self._begin_at = None

    def shares(self, epoch: int, first: int) -> Iterator[BatchShare]:
        """Yield this rank's share of the batches of an epoch from one on.

        Args:
            epoch: Number of the epoch.
            first: Number of the first batch.
        """
        for number in range(first, self.num_batches(epoch)):
            batch = self.global_batch(epoch, number)
            mine = rank_slice(len(batch), self._rank, self._num_ranks)
            refs = zip(batch[mine].tolist(), _repeats(batch)[mine].tolist(), strict=True)
            yield BatchShare((Draw(epoch, *ref) for ref in refs), batch, mine)

    def advance(self, num_batches: int = 1) -> None:
        """Note that batches were trained on; after the last of an epoch, the next one begins."""
        for _ in range(num_batches):
            done = self._batches_done() + 1
            self.samples_consumed = min(
                done * self.settings.batch_size, len(self._epoch_order(self.epoch))
            )
            if done >= self.num_batches(self.epoch):
                self.epoch += 1
                self.samples_consumed = 0

    def set_epoch(self, epoch: int) -> None:
        """Go to the start of an epoch, as trainers do before each; no effect where it is current.

        Args:
            epoch: Number of the epoch, from 0.
        """
        if epoch != self.epoch:
            self.epoch, self.samples_consumed = epoch, 0

    @property
    def sampler(self) -> GlobalOrderSampler:
        """This object: Lightning sets the epoch of a batch sampler's ``sampler``."""
        return self

    def state(self) -> SamplerState:
        """Return where the run stands."""
        return SamplerState(
            epoch=self.epoch,
            samples_consumed=self.samples_consumed,
            order_hash=self.order_hash,
            order=json.loads(json.dumps(self._order)),
        )

    def load_state(self, state: SamplerState) -> None:
        """Go on where another run of the same order stood, on any number of ranks.

        Raises:
            DataError: If the state belongs to another order (MV1752), naming what differs, or does
                not stand between two batches (MV1753).
        """
        check_state(state, self.state().order)
        self.epoch, self.samples_consumed = state.epoch, state.samples_consumed

    def _batches_done(self) -> int:
        return self.samples_consumed // self.settings.batch_size

    def _epoch_order(self, epoch: int) -> EpochOrder:
        if self._cached is None or self._cached[0] != epoch:
            self._cached = (epoch, self._compute_order(epoch))
        return self._cached[1]

    def _compute_order(self, epoch: int) -> EpochOrder:
        settings = self.settings
        if settings.blocks is not None and self._starts is not None:
            return block_epoch(self._starts, settings.blocks, seed=settings.seed, epoch=epoch)
        if settings.groups is not None and self._group_id is not None:
            grouped = group_batch_order(
                self._group_id,
                settings.groups,
                seed=settings.seed,
                epoch=epoch,
                is_anchor=self._is_anchor,
            )
            return EpochOrder(grouped)
        if not settings.shuffle:
            return EpochOrder(np.arange(self._num_samples))
        words = random_words(settings.seed, epoch, SHUFFLE, self._num_samples)
        return EpochOrder(np.argsort(words, kind="stable"))


def _repeats(batch: Ints) -> Ints:
    """Return how often each sample stood earlier in the batch."""
    by_sample = np.argsort(batch, kind="stable")
    in_order = batch[by_sample]
    first = np.searchsorted(in_order, in_order)
    repeats = np.empty_like(batch)
    repeats[by_sample] = np.arange(len(batch)) - first
    return repeats


def _check_ranks(batch_size: int, rank: int, num_ranks: int) -> None:
    if not 0 <= rank < num_ranks:
        msg = f"rank must be in [0, {num_ranks}), got {rank}"
        raise ValueError(msg)
    if batch_size % num_ranks:
        below = batch_size // num_ranks * num_ranks
        nearest = f"{below} or {below + num_ranks} are nearest" if below else "one sample each"
        raise DataError(
            "MV1750",
            f"batch_size={batch_size} does not divide over {num_ranks} ranks",
            expected=f"a multiple of {num_ranks}: {nearest}",
        )
