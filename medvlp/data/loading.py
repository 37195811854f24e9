"""Loaders whose order can be resumed: one global order, sliced by rank."""

from __future__ import annotations

import signal
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from torch.utils.data import DataLoader

from medvlp.data.order import SamplerState
from medvlp.data.sampler import GlobalOrderSampler

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch.utils.data import Dataset

    from medvlp.data.order import OrderSettings

__all__ = ["OrderedLoader", "Ranked", "ordered_loader"]

SampleT = TypeVar("SampleT")
SampleT_co = TypeVar("SampleT_co", covariant=True)
BatchT = TypeVar("BatchT")

_STOPPING = (signal.SIGUSR1, signal.SIGTERM)


class Ranked(Protocol):
    """A trainer, as far as a loader asks it."""

    @property
    def global_rank(self) -> int:
        """Which of the processes this is."""

    @property
    def world_size(self) -> int:
        """How many processes there are."""


class OrderedLoader(DataLoader[SampleT_co]):
    """A loader of one rank's share of every global batch, which can be taken up within an epoch.

    Its length is that of a whole epoch, wherever it stands; iterating yields what is left of it.
    The state says which batches were trained on, not which were read ahead: whoever trains calls
    ``order.advance()`` after each.

    Args:
        dataset: Gives a sample for each :class:`medvlp.data.sampler.Draw`.
        order: The order of the samples.
        collate: Makes a batch of samples.
        num_workers: Number of loader processes; 0 loads in this one.
    """

    def __init__(
        self,
        dataset: Dataset[SampleT_co],
        order: GlobalOrderSampler,
        collate: Callable[[Sequence[Any]], object],
        *,
        num_workers: int,
    ) -> None:
        super().__init__(
            dataset,
            batch_sampler=order,
            collate_fn=collate,
            num_workers=num_workers,
            persistent_workers=num_workers > 0,
            multiprocessing_context="forkserver" if num_workers else None,
        )

    @property
    def order(self) -> GlobalOrderSampler:
        """The order of the samples, and where the run stands in it."""
        if not isinstance(self.batch_sampler, GlobalOrderSampler):
            msg = f"the order was replaced by {type(self.batch_sampler).__name__}"
            raise TypeError(msg)
        return self.batch_sampler

    def __iter__(self) -> Any:  # noqa: ANN401  # torch's iterator, which has no public type
        """Return an iterator over what is left of the epoch.

        Loader processes, and the server that they come from, start with the signals blocked that
        ask a run to stop: a batch system sends them to all processes, and only the main one may
        act. What comes to it meanwhile is delivered afterwards.
        """
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING if self.num_workers else ())
        try:
            return super().__iter__()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def __len__(self) -> int:
        """Return how many batches a whole epoch has."""
        return self.order.num_batches(self.order.epoch)

    def state_dict(self) -> dict[str, Any]:
        """Return where the run stands, as plain values."""
        return asdict(self.order.state())

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another run of the same order stood, on any number of ranks and workers.

        Args:
            state: What :meth:`state_dict` returned.

        Raises:
            DataError: MV1752 or MV1753 if the state belongs to another order.
        """
        self.order.load_state(SamplerState(**state))


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
) -> OrderedLoader[SampleT]:
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
    return OrderedLoader(dataset, sampler, collate, num_workers=num_workers)
