"""Memory that loader processes hand images over in, used again for later batches.

The kernel clears fresh shared memory page by page when it is written, and gives it back page by
page: for batches of images that takes as long as a good part of their decoding. Here a loader
process keeps a few pieces of shared memory. The process that trains maps a piece for as long as a
batch lies in it; then it marks the piece as free by the last of its bytes, which both see.
"""

from __future__ import annotations

import weakref
from math import prod
from multiprocessing.reduction import ForkingPickler
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.multiprocessing import reductions
from torch.utils.data import get_worker_info

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

__all__ = ["new_images"]

_MOST_PIECES = 4
"""Of a loader process: two batches read ahead, the one trained on, and the one fetched next."""

_FREE, _TAKEN = 0, 1


def new_images(shape: Sequence[int]) -> Tensor:
    """Return memory for images, uint8, whose values may be anything.

    In a loader process it is shared with the process that trains, so that a batch need not be
    copied on its way there; it serves again once the tensors that lie in it are gone on both sides.
    A tensor that begins elsewhere in it, or that is sent a second time, travels as a copy.

    Args:
        shape: Its shape.
    """
    if get_worker_info() is None:
        return torch.from_numpy(np.empty(shape, dtype=np.uint8))  # in large pages where there are
    return _PIECES.take(shape) if prod(shape) else torch.empty(tuple(shape), dtype=torch.uint8)


class _Piece:
    """A piece of shared memory, and its last byte: whether images lie in it."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.memory = _shared(size + 1)
        self.values: NDArray[np.uint8] = self.memory.numpy()
        self.lease: _Lease | None = None


class _Lease:
    """One use of a piece; this process ends it unless it has handed the images on."""

    def __init__(self, values: NDArray[np.uint8]) -> None:
        self._values = values
        self.is_sent = False
        values[-1] = _TAKEN

    def end(self) -> None:
        if not self.is_sent:
            _set_free(self._values)


class _Pieces:
    """The pieces of a loader process, made when they are needed."""

    def __init__(self) -> None:
        self._pieces: list[_Piece] = []

    def take(self, shape: Sequence[int]) -> Tensor:
        """Return images in a free piece, or in fresh shared memory where none is left."""
        size = prod(shape)
        piece = self._free_piece(size)
        if piece is None:
            return _shared(size).view(*shape)
        piece.lease = _Lease(piece.values)
        return _lent(piece.values, shape, piece.lease.end)

    def sent(self, tensor: Tensor) -> _Piece | None:
        """Return the piece whose images these are, from now on the receiver's; None for others."""
        address = tensor.data_ptr()
        for piece in self._pieces:
            lease = piece.lease
            if lease and not lease.is_sent and address == piece.memory.data_ptr():
                lease.is_sent = True
                return piece
        return None

    def _free_piece(self, size: int) -> _Piece | None:
        free = [piece for piece in self._pieces if piece.values[-1] == _FREE]
        for piece in free:
            if piece.size >= size:
                return piece
        if len(self._pieces) == _MOST_PIECES:
            if not free:
                return None
            self._pieces.remove(free[0])
        if not self._pieces:
            ForkingPickler.register(Tensor, _reduce)
        self._pieces.append(_Piece(size))
        return self._pieces[-1]


_PIECES = _Pieces()


def _shared(size: int) -> Tensor:
    storage = torch.UntypedStorage._new_shared(size)  # type: ignore[no-untyped-call]
    return torch.empty(0, dtype=torch.uint8).set_(storage)


def _lent(values: NDArray[np.uint8], shape: Sequence[int], end: Callable[[], None]) -> Tensor:
    """Return the images in a piece; ``end`` is called when no tensor or array holds them."""
    images = values[: prod(shape)].reshape(tuple(shape))
    weakref.finalize(images, end).atexit = False
    return torch.from_numpy(images)


def _set_free(values: NDArray[np.uint8]) -> None:
    values[-1] = _FREE


def _reduce(tensor: Tensor) -> Any:  # noqa: ANN401  # as pickle has it
    whole = tensor.dtype == torch.uint8 and tensor.is_contiguous() and tensor.numel() > 0
    piece = _PIECES.sent(tensor) if whole else None
    if piece is None:
        return reductions.reduce_tensor(tensor)  # type: ignore[no-untyped-call]
    return _received, (piece.memory, tuple(tensor.shape))


def _received(memory: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return the images of a piece, in the process that trains."""
    values: NDArray[np.uint8] = memory.numpy()
    return _lent(values, shape, lambda: _set_free(values))
