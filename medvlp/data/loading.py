"""Loaders whose order can be resumed: one global order, sliced by rank."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from torch.utils.data import DataLoader

from medvlp.data.sampler import GlobalOrderSampler

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch.utils.data import Dataset

    from medvlp.data.order import OrderSettings

__all__ = ["Ranked", "ordered_loader"]

SampleT = TypeVar("SampleT")
BatchT = TypeVar("BatchT")


class Ranked(Protocol):
    """A trainer, as far as a loader asks it."""

    @property
    def global_rank(self) -> int:
        """Which of the processes this is."""

    @property
    def world_size(self) -> int:
        """How many processes there are."""


def ordered_loader(
    dataset: Dataset[SampleT],
    order: OrderSettings,
    collate: Callable[[Sequence[SampleT]], BatchT],
    *,
    num_samples: int,
    data_hash: str,
    num_workers: int,
    trainer: Ranked | None,
    group_id: NDArray[np.int64] | None = None,
) -> DataLoader[SampleT]:
    """Return a loader of this rank's share of every global batch.

    Args:
        dataset: Gives a sample for each :class:`medvlp.data.sampler.Draw`.
        order: What decides the order.
        collate: Makes a batch of samples.
        num_samples: How many samples there are.
        data_hash: Hash of the data, so that a state is refused on other data.
        num_workers: Number of loader processes; 0 loads in this one.
        trainer: Knows rank and number of ranks; None is a single process.
        group_id: Group of each sample, for batches of groups, shape ``(num_samples,)``, int64.

    Raises:
        DataError: If the ranks do not divide the batch (MV1750), or samples and groups do not fit
            the order (MV1751).
    """
    sampler = GlobalOrderSampler(
        num_samples,
        order,
        group_id=group_id,
        data_hash=data_hash,
        rank=trainer.global_rank if trainer is not None else 0,
        num_ranks=trainer.world_size if trainer is not None else 1,
    )
    return DataLoader(
        dataset,
        batch_sampler=sampler,
        collate_fn=collate,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        multiprocessing_context="forkserver" if num_workers else None,
    )
