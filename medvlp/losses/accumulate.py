"""Gradient accumulation for losses over pairs: a large batch through a small memory, exactly.

A loss over pairs cannot be summed over micro-batches. Every micro-batch is first encoded without a
graph, the loss of all embeddings is computed once, and its gradient by the embeddings is then sent
through a second encoding of each micro-batch, with the random state of the first.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import torch

from medvlp.losses.report import LossReport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from torch import Tensor

__all__ = ["GradCache"]

Inputs = TypeVar("Inputs")


class GradCache(Generic[Inputs]):
    """Accumulate the exact gradient of a batch that is encoded in micro-batches.

    Random numbers of the second encoding are those of the first, so dropout and augmentation on
    the device agree; the random state after a step is that of one encoding. Modules that change
    buffers while they encode (batch norm) see every micro-batch twice.

    Source:
        Gao et al. 2021, arXiv:2101.06983 (GradCache). Changed: parameters of the loss take part,
        and with DDP all gradients meet in the one synchronised backward pass of the last
        micro-batch.

    Args:
        encode: Maps the inputs of a micro-batch to its embeddings, one tensor per set, rows along
            the first axis. It must not reach parameters in ``shared``.
        shared: Parameters that the loss itself uses, as those of temperature and bias.
        no_sync: Context in which DDP does not synchronise, ``DistributedDataParallel.no_sync``.
    """

    def __init__(
        self,
        encode: Callable[[Inputs], Sequence[Tensor]],
        *,
        shared: Iterable[Tensor] = (),
        no_sync: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._encode = encode
        self._shared = [each for each in shared if each.requires_grad]
        self._no_sync = no_sync

    def step(self, chunks: Sequence[Inputs], loss: Callable[..., LossReport]) -> LossReport:
        """Add the gradient of the loss of all micro-batches to the parameters' ``grad``.

        Args:
            chunks: Inputs of the micro-batches of this rank, at least one, as many on every rank.
            loss: Takes the joined embeddings, one tensor per set in the order of ``encode``, rows
                in the order of the micro-batches; called once.

        Returns:
            The report of the whole batch, without gradient.

        Raises:
            ValueError: If there is no micro-batch.
        """
        if not chunks:
            msg = "accumulation needs at least one micro-batch, got none"
            raise ValueError(msg)
        states, encoded, is_trained = self._encode_all(chunks)
        report, by_chunk, by_shared = self._loss_gradients(encoded, is_trained, loss)
        for number, (inputs, state) in enumerate(zip(chunks, states, strict=True)):
            is_last = number == len(chunks) - 1
            with nullcontext() if is_last else self._no_sync():
                with _replayed(state):
                    again = self._encode(inputs)
                roots = [each for each, trained in zip(again, is_trained, strict=True) if trained]
                grads = by_chunk[number]
                if is_last:
                    roots += [each for each, _ in by_shared]
                    grads += [grad for _, grad in by_shared]
                torch.autograd.backward(roots, grads)
        return report

    def _encode_all(
        self, chunks: Sequence[Inputs]
    ) -> tuple[list[_RandomState], list[list[Tensor]], list[bool]]:
        """Return random states and embeddings per micro-batch, and which sets are trained."""
        states: list[_RandomState] = []
        encoded: list[list[Tensor]] = []
        is_trained: list[bool] = []
        for inputs in chunks:
            states.append(_random_state())
            # only the first, to see which sets have a graph; it is dropped at once
            with self._no_sync(), torch.set_grad_enabled(not encoded):
                features = self._encode(inputs)
            is_trained = is_trained or [each.requires_grad for each in features]
            encoded.append([each.detach() for each in features])
        return states, encoded, is_trained

    def _loss_gradients(
        self, encoded: list[list[Tensor]], is_trained: list[bool], loss: Callable[..., LossReport]
    ) -> tuple[LossReport, list[list[Tensor]], list[tuple[Tensor, Tensor]]]:
        """Compute the loss once; return its gradients per micro-batch and per shared parameter."""
        joined = [torch.cat(parts) for parts in zip(*encoded, strict=True)]
        leaves = [
            each.requires_grad_()
            for each, trained in zip(joined, is_trained, strict=True)
            if trained
        ]
        report = loss(*joined)
        grads = torch.autograd.grad(
            report.total, [*leaves, *self._shared], allow_unused=True, materialize_grads=True
        )
        trained_sets = [k for k, trained in enumerate(is_trained) if trained]
        by_set = [
            torch.split(grad, [len(chunk[k]) for chunk in encoded])
            for k, grad in zip(trained_sets, grads[: len(leaves)], strict=True)
        ]
        by_chunk = [[parts[number] for parts in by_set] for number in range(len(encoded))]
        by_shared = list(zip(self._shared, grads[len(leaves) :], strict=True))
        return LossReport(report.total.detach(), report.terms), by_chunk, by_shared


class _RandomState(NamedTuple):
    cpu: Tensor
    cuda: list[Tensor]


def _random_state() -> _RandomState:
    is_initialized: Callable[[], bool] = torch.cuda.is_initialized
    on_gpu = torch.cuda.get_rng_state_all() if is_initialized() else []
    return _RandomState(torch.get_rng_state(), on_gpu)


@contextmanager
def _replayed(state: _RandomState) -> Iterator[None]:
    """Run with the random state of the first encoding; what was current returns afterwards."""
    with torch.random.fork_rng(devices=range(len(state.cuda))):
        torch.set_rng_state(state.cpu)
        if state.cuda:
            torch.cuda.set_rng_state_all(state.cuda)
        yield
