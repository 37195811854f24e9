"""Run networks as if on a GPU, without one: shapes and types are real, values and memory are not.

A network built on the meta device gets weights that pretend to lie on a device (fake tensors of
torch). What its forward pass then keeps for the backward pass is what it would keep there: the same
operations are chosen, with the same types under autocast. Attention is the exception: which kernel
runs cannot be asked without a GPU. It is taken to be a fused one, which keeps queries, keys,
values, result, one fp32 number per query and head, and the mask in the type of the queries.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from medvlp.models.flops import UnknownValues

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["SavedBytes", "count_saved_bytes", "pretend_on"]


@dataclass(frozen=True)
class SavedBytes:
    """What a forward pass keeps for the backward pass.

    Attributes:
        activations: Bytes of what was computed from samples.
        weight_copies: Bytes of weights in the type of autocast.
    """

    activations: int
    weight_copies: int


@contextmanager
def pretend_on(device: str, *networks: torch.nn.Module) -> Iterator[None]:
    """Let networks pretend to lie on a device, for good; tensors made within pretend so too.

    Args:
        device: ``cuda`` or ``cpu``; it need not exist.
        networks: Networks, on the meta device.
    """
    with FakeTensorMode(allow_non_fake_inputs=True), torch.device(device):
        for network in networks:
            for module in network.modules():
                _replace(module._parameters, device)
                _replace(module._buffers, device)
        yield


def _replace(tensors: dict[str, Any], device: str) -> None:
    for name, tensor in tensors.items():
        if tensor is None:
            continue
        fake = torch.empty(tensor.shape, dtype=tensor.dtype, device=device)
        if isinstance(tensor, torch.nn.Parameter):
            fake = torch.nn.Parameter(fake, requires_grad=tensor.requires_grad)
        tensors[name] = fake


def count_saved_bytes(
    call: Callable[[], object],
    networks: Sequence[torch.nn.Module],
    *,
    device: str,
    autocast: torch.dtype | None = None,
) -> SavedBytes:
    """Count what a computation keeps for its backward pass.

    Every piece of memory counts once and whole, however many tensors look into it; weights and
    buffers themselves do not count. Of the gradients nothing is counted, nor what is used and given
    back within the forward pass.

    Args:
        call: Computes something with gradients.
        networks: Whose weights are used.
        device: Where they are, or pretend to be.
        autocast: Type of autocast; None for none.
    """
    counter = _Counter(networks)
    with ExitStack() as stack:
        stack.enter_context(_autocast(device, autocast))
        stack.enter_context(torch.autograd.graph.saved_tensors_hooks(counter.pack, _unpack))
        if device == "cuda":
            stack.enter_context(_FusedAttention())
        stack.enter_context(UnknownValues())
        stack.enter_context(_WatchCasts(counter))
        result = call()  # noqa: F841  # what it made must live until all is counted
        return counter.total()


class _Counter:
    """Sums the memory of saved tensors."""

    def __init__(self, networks: Sequence[torch.nn.Module]) -> None:
        own = [t for n in networks for t in (*n.parameters(), *n.buffers())]
        self._own = {_place(tensor) for tensor in own}
        self._casts: set[int] = set()
        self._sizes: dict[int, int] = {}
        self._alive: list[torch.Tensor] = []  # so that no place is given to another tensor

    def pack(self, tensor: torch.Tensor) -> torch.Tensor:
        """Count a tensor that is saved."""
        place = _place(tensor)
        if place not in self._own and place not in self._sizes:
            self._sizes[place] = tensor.untyped_storage().nbytes()
            self._alive.append(tensor)
        return tensor

    def note_cast(self, source: object, result: object) -> None:
        """Remember weights in another type."""
        if isinstance(source, torch.Tensor) and isinstance(result, torch.Tensor):
            if _place(source) in self._own:
                self._casts.add(_place(result))
                self._alive.append(result)

    def total(self) -> SavedBytes:
        """Return the sums."""
        casts = sum(size for place, size in self._sizes.items() if place in self._casts)
        return SavedBytes(sum(self._sizes.values()) - casts, casts)


def _place(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _unpack(tensor: torch.Tensor) -> torch.Tensor:
    return tensor


@contextmanager
def _autocast(device: str, dtype: torch.dtype | None) -> Iterator[None]:
    """Switch autocast on as ``torch.autocast`` does, which refuses a GPU that is not there."""
    if dtype is None:
        yield
        return
    before = torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)
    torch.set_autocast_enabled(device, True)
    torch.set_autocast_dtype(device, dtype)
    try:
        yield
    finally:
        torch.clear_autocast_cache()
        torch.set_autocast_enabled(device, before[0])
        torch.set_autocast_dtype(device, before[1])


class _WatchCasts(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch states no types
    """Tells a counter of weights that are brought into another type."""

    def __init__(self, counter: _Counter) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch states no types
        self._counter = counter

    def __torch_dispatch__(
        self,
        func: Callable[..., object],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> object:
        """Call an operation and look at what it was."""
        result = func(*args, **(kwargs or {}))
        if func is torch.ops.aten._to_copy.default:
            self._counter.note_cast(args[0], result)
        return result


class _FusedAttention(TorchFunctionMode):
    """Lets attention keep what a fused kernel keeps."""

    def __torch_function__(
        self,
        func: Callable[..., object],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> object:
        """Call a function, or stand in for attention."""
        if func is functional.scaled_dot_product_attention:
            return _attend(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def _attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    **_: object,
) -> torch.Tensor:
    device = query.device.type
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        query, key, value = query.to(dtype), key.to(dtype), value.to(dtype)
    bias = None if attn_mask is None else attn_mask.to(query.dtype)
    attended: torch.Tensor = _Attention.apply(query, key, value, bias)
    return attended


class _Attention(torch.autograd.Function):
    """Attention of a fused kernel, as far as memory and shapes go."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401  # torch's context has no public type
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        bias: torch.Tensor | None,
    ) -> torch.Tensor:
        """Return something of the right shape, and save what the kernel saves."""
        *batch, heads, length, _ = query.shape
        # kernels write heads side by side, so that what follows needs no copy
        result = query.new_empty((*batch, length, heads, value.shape[-1])).transpose(-3, -2)
        sums = query.new_empty(query.shape[:-1], dtype=torch.float32)
        ctx.save_for_backward(query, key, value, result, sums, bias)
        return result

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:  # noqa: ANN401
        """Return gradients of the right shapes."""
        query, key, value, *_ = ctx.saved_tensors
        return torch.empty_like(query), torch.empty_like(key), torch.empty_like(value), None
