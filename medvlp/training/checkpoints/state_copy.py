"""The copy of a state that is written while training goes on: one block of memory, used again.

The block is laid out as the data of a safetensors file, so that it is written and hashed as it
lies, without another copy and without Python's lock. It is made at the first save and used for the
next ones as long as the tensors keep their names, types and shapes. Where a tensor lies on a GPU
the block is pinned: the transfer is queued behind the step that was made, and only whoever writes
waits for it.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from medvlp.training.checkpoints.state_tree import Document, refusal, split_state

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["StateBuffer", "StateCopy"]

_TYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
_Layout = tuple[tuple[str, torch.dtype, tuple[int, ...]], ...]


@dataclass(frozen=True)
class StateCopy:
    """A state as it was at one step, whatever happens to the tensors since.

    Attributes:
        document: What JSON holds.
        header: Beginning of the safetensors file.
        content: The rest of it, shape ``(bytes,)``, uint8, on the CPU.
        transfers: Events of the GPUs; the content is whole when all have come.
    """

    document: Document
    header: bytes
    content: torch.Tensor
    transfers: tuple[torch.cuda.Event, ...] = ()

    def wait(self) -> None:
        """Wait until what lies on a GPU has come over."""
        for transfer in self.transfers:
            transfer.synchronize()


class StateBuffer:
    """Memory for the copy of one state at a time."""

    def __init__(self) -> None:
        self._layout: _Layout = ()
        self._header = b""
        self._content = torch.empty(0, dtype=torch.uint8)
        self._places: dict[str, torch.Tensor] = {}

    def copy(self, state: Mapping[str, Any]) -> StateCopy:
        """Copy a state; the copy that was made before is overwritten.

        Args:
            state: Nested plain values and tensors.

        Raises:
            OutputError: MV1708 for a value that cannot be stored.
        """
        document, tensors = split_state(state)
        self._prepare(tensors)
        devices = {tensor.device for tensor in tensors.values() if tensor.is_cuda}
        for name, tensor in tensors.items():
            self._places[name].copy_(tensor, non_blocking=tensor.is_cuda)
        transfers = tuple(_mark(device) for device in devices)
        return StateCopy(document, self._header, self._content, transfers)

    def _prepare(self, tensors: Mapping[str, torch.Tensor]) -> None:
        named = sorted(tensors.items(), key=lambda item: (-item[1].element_size(), item[0]))
        layout = tuple((name, tensor.dtype, tuple(tensor.shape)) for name, tensor in named)
        if layout == self._layout:
            return
        self._layout, self._places = (), {}
        self._content = torch.empty(0, dtype=torch.uint8)  # freed before the next one is made
        header, num_bytes = _describe(layout)
        is_pinned = any(tensor.is_cuda for tensor in tensors.values())
        self._content = torch.empty(num_bytes, dtype=torch.uint8, pin_memory=is_pinned)
        begin = 0
        for name, dtype, shape in layout:
            end = begin + math.prod(shape) * dtype.itemsize
            self._places[name] = self._content[begin:end].view(dtype).view(shape)
            begin = end
        self._layout, self._header = layout, header


def _describe(layout: _Layout) -> tuple[bytes, int]:
    """Return the header of a safetensors file, its length before it, and the bytes that follow."""
    entries: dict[str, object] = {}
    begin = 0
    for name, dtype, shape in layout:
        if dtype not in _TYPES:
            raise refusal(name, f"a tensor of {dtype}")
        end = begin + math.prod(shape) * dtype.itemsize
        offsets = [begin, end]
        entries[name] = {"dtype": _TYPES[dtype], "shape": list(shape), "data_offsets": offsets}
        begin = end
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text, begin


def _mark(device: torch.device) -> torch.cuda.Event:
    event = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    event.record(torch.cuda.current_stream(device))
    return event
