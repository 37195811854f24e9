"""Loaders whose order can be resumed: one global order, sliced by rank."""

from __future__ import annotations

import signal
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from itertools import islice
from multiprocessing import forkserver
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar, cast

import torch
from torch.utils.data import DataLoader, Dataset

from medvlp.data.leaving_out import LeavingOut
from medvlp.data.order import SamplerState
from medvlp.data.quarantine import Quarantine
from medvlp.data.sampler import GlobalOrderSampler
from medvlp.errors import DataError, MedvlpError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from medvlp.data.leaving_out import NamedSamples
    from medvlp.data.order import OrderSettings
    from medvlp.data.quarantine import BadSample

__all__ = ["OrderedLoader", "Ranked", "ordered_loader", "start_loader_server"]

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


class _Loaded(NamedTuple):
    """A batch, and what is absent from it."""

    batch: object
    absent: tuple[BadSample, ...]


class _Failed(NamedTuple):
    """Why there is no batch; torch would make another error of one that is raised in a worker."""

    error: MedvlpError


class _Guarded(Dataset[Any]):
    """Gives the samples of a batch, or why there are none."""

    def __init__(self, dataset: Dataset[Any]) -> None:
        self._dataset = dataset

    def __getitem__(self, draw: object) -> object:
        return self._dataset[draw]

    def __getitems__(self, draws: Sequence[Any]) -> Sequence[Any] | _Failed:
        several = getattr(self._dataset, "__getitems__", None)
        try:
            samples: Sequence[Any] = (
                several(draws) if several else [self._dataset[draw] for draw in draws]
            )
        except MedvlpError as error:
            return _Failed(error)
        return samples


class _Collated:
    """Makes a batch of samples, and None of no sample."""

    def __init__(self, collate: Callable[[Sequence[Any]], object]) -> None:
        self._collate = collate

    def __call__(self, samples: Sequence[Any] | _Failed) -> _Loaded | _Failed:
        if isinstance(samples, _Failed):
            return samples
        try:
            return self._loaded(samples)
        except MedvlpError as error:
            return _Failed(error)

    def _loaded(self, samples: Sequence[Any]) -> _Loaded:
        absent = tuple(getattr(samples, "absent", ()))
        if absent and not len(samples):
            raise DataError(
                "MV1814",
                f"none of the samples of a batch can be read, the first: {absent[0].reason}",
                expected="one sample at least on each rank",
                hint="mend the data; a whole shard may be damaged",
            )
        return _Loaded(self._collate(samples) if len(samples) else None, absent)


class OrderedLoader(DataLoader[SampleT_co]):
    """A loader of one rank's share of every global batch, which can be taken up within an epoch.

    Its length is that of a whole epoch, wherever it stands; iterating yields what is left of it.
    The state says which batches were trained on, not which were read ahead: whoever trains calls
    ``order.advance()`` after each.

    Args:
        dataset: Gives a sample for each :class:`medvlp.data.sampler.Draw`.
        order: The order of the samples.
        collate: Makes a batch of samples. A rank without a sample of a kept last batch gets None.
        num_workers: Number of loader processes; 0 loads in this one. While they start, this one
            loads the first batch.
        quarantine: Told of samples that are absent from a batch, before the batch is given out.
    """

    def __init__(
        self,
        dataset: Dataset[SampleT_co],
        order: GlobalOrderSampler,
        collate: Callable[[Sequence[Any]], object],
        *,
        num_workers: int,
        quarantine: Quarantine | None = None,
    ) -> None:
        self._guarded, self._collated = _Guarded(dataset), _Collated(collate)
        super().__init__(
            self._guarded,
            batch_sampler=order,
            collate_fn=self._collated,
            num_workers=num_workers,
            persistent_workers=num_workers > 0,
            multiprocessing_context="forkserver" if num_workers else None,
            generator=torch.Generator(),
        )
        self._quarantine = quarantine or Quarantine()

    @property
    def order(self) -> GlobalOrderSampler:
        """The order of the samples, and where the run stands in it."""
        if not isinstance(self.batch_sampler, GlobalOrderSampler):
            msg = f"the order was replaced by {type(self.batch_sampler).__name__}"
            raise TypeError(msg)
        return self.batch_sampler

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # not torch's own class
        """Yield what is left of the epoch.

        Loader processes, and the server that they come from, start with the signals blocked that
        ask a run to stop: a batch system sends them to all processes, and only the main one may
        act. What comes to it meanwhile is delivered afterwards.

        Raises:
            DataError: If none of the samples of a batch can be read (MV1814), or more in all than
                may be (MV1815).
            MedvlpError: As data set and collate, whichever process they run in.
        """
        order = self.order
        epoch, first = order.epoch, len(self) - len(order)
        if self.num_workers and self._iterator is None:
            for share in islice(order.shares(epoch, first), 1):
                yield self._noted(self._collated(self._guarded.__getitems__(share)))
                first += 1
        stopping = _unstopped() if self.num_workers else nullcontext()
        with order.beginning_at(epoch, first), stopping:
            batches = super().__iter__()
        for loaded in batches:
            yield self._noted(loaded)

    def _noted(self, loaded: _Loaded | _Failed) -> object:
        if isinstance(loaded, _Failed):
            raise loaded.error
        if loaded.absent:
            self._quarantine.note(loaded.absent)
        return loaded.batch

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


def start_loader_server(modules: Iterable[str] = ("medvlp.data.dataset",)) -> None:
    """Start the process that loader processes are forked from, and let it import what they need.

    They then share what is imported. It is not waited for; where it runs already, nothing happens.

    Args:
        modules: Names of modules to import beside torch and this one.
    """
    forkserver.set_forkserver_preload(["torch", __name__, *modules])
    with _unstopped():
        forkserver.ensure_running()


@contextmanager
def _unstopped() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


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
    shard_number: NDArray[np.int64] | None = None,
    quarantine: Quarantine | None = None,
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
        shard_number: Shard of each sample, shape ``(num_samples,)``, int64, which blocks keep to.
        quarantine: Told of samples that are absent from a batch; where it allows any, the data set
            leaves them out by itself, or names its samples.

    Raises:
        DataError: If the ranks do not divide the batch (MV1750), or samples and groups do not fit
            the order (MV1751).
    """
    sampler = GlobalOrderSampler(
        num_samples,
        order,
        group_id=group_id,
        shard_number=shard_number,
        data_hash=data_hash,
        rank=trainer.global_rank if trainer is not None else 0,
        num_ranks=trainer.world_size if trainer is not None else 1,
    )
    if quarantine is not None and quarantine.most and not hasattr(dataset, "__getitems__"):
        dataset = LeavingOut(cast("NamedSamples[SampleT]", dataset))
    return OrderedLoader(dataset, sampler, collate, num_workers=num_workers, quarantine=quarantine)
