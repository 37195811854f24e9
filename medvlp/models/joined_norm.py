"""Batch norms whose statistics are those of the rows of all ranks.

Letters: N rows of this rank, C channels, W ranks.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, cast

import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from medvlp.distributed import all_gather_with_grad, world_size
from medvlp.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

__all__ = ["JoinedBatchNorm", "join_batch_norms", "part_batch_norms", "rows_are_copies"]

_are_copies: ContextVar[bool] = ContextVar("_are_copies", default=False)

_KINDS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, BatchNormAct2d)


class JoinedBatchNorm(_BatchNorm):
    """A batch norm that trains on the statistics of all ranks; weights and buffers are shared.

    On a GPU the work is torch's, which does not run on a processor; there the same is computed from
    the ranks' means and squared deviations, which travel in one exchange. What follows within the
    norm's own layer (timm's dropout and activation) follows here too.

    Args:
        norm: The batch norm that this one stands for.

    Attributes:
        norm: The batch norm, no part of this one.
    """

    def __init__(self, norm: _BatchNorm) -> None:
        super().__init__(norm.num_features, norm.eps, norm.momentum, affine=False)
        self.affine, self.track_running_stats = norm.affine, norm.track_running_stats
        self.process_group = None
        self._parameters, self._buffers = norm._parameters, norm._buffers
        for name, child in norm.named_children():
            self.add_module(name, child)
        self.training = norm.training
        self.__dict__["norm"] = norm  # not as a part, whose weights would be counted twice

    def forward(self, input: Tensor) -> Tensor:  # torch's name
        """Normalise.

        Args:
            input: Shape ``(N, C, ...)``, float.

        Returns:
            Same shape and dtype.
        """
        if not self.training or world_size() == 1:
            x = super().forward(input)
        elif input.is_cuda and not _are_copies.get():
            x = nn.SyncBatchNorm.forward(cast("nn.SyncBatchNorm", self), input)
        else:
            x = self._normalize(input)
        for follows in self.children():
            x = follows(x)
        return x

    def _check_input_dim(self, input: Tensor) -> None:
        """Take any number of axes, as the norm that this one stands for has looked at them."""

    def _check_non_zero_input_channels(self, input: Tensor) -> None:
        """Take any number of channels."""

    def _normalize(self, x: Tensor) -> Tensor:
        wide = x.float() if x.dtype in {torch.float16, torch.bfloat16} else x
        mean, variance, count = _joined_moments(wide)
        if self.track_running_stats:
            number = count / world_size() if _are_copies.get() else count
            self._remember(mean.detach(), variance.detach() * number / (number - 1))
        shape = (1, -1, *[1] * (x.ndim - 2))
        scale = torch.rsqrt(variance + self.eps)
        scale = scale if self.weight is None else scale * self.weight
        shift = -mean * scale
        shift = shift if self.bias is None else shift + self.bias
        return (wide * scale.view(shape) + shift.view(shape)).to(x.dtype)

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        share = self.momentum or 0.0
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            share = 1 / float(self.num_batches_tracked) if self.momentum is None else share
        with torch.no_grad():
            for kept, new in ((self.running_mean, mean), (self.running_var, variance)):
                if kept is not None:
                    kept.lerp_(new.to(kept), share)


@contextmanager
def rows_are_copies() -> Iterator[None]:
    """Tell joined batch norms that all ranks hold the same rows, which count once."""
    token = _are_copies.set(True)
    try:
        yield
    finally:
        _are_copies.reset(token)


def _joined_moments(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean and biased variance of each channel over all ranks, and how many values each."""
    rows = x.transpose(0, 1).flatten(1)  # (C, values)
    number = rows.shape[1]
    mean = rows.sum(dim=1) / max(number, 1)
    deviation = (rows - mean.unsqueeze(1)).square().sum(dim=1)
    mine = torch.cat([mean, deviation, mean.new_tensor([number])]).unsqueeze(0)
    parts = all_gather_with_grad(mine, [1] * world_size())
    channels = len(mean)
    means, deviations, counts = torch.split(parts, [channels, channels, 1], dim=1)
    count = counts.sum()
    joined = (counts * means).sum(dim=0) / count
    spread = deviations + counts * (means - joined).square()
    return joined, spread.sum(dim=0) / count, count


def join_batch_norms(model: nn.Module) -> nn.Module:
    """Put a batch norm over all ranks in the place of each, in place.

    Args:
        model: A network; its weights stay the same objects under the same names.

    Returns:
        The network, or what stands for it where it is a batch norm itself.

    Raises:
        ModelError: For a batch norm of a kind that is not known here (MV1880).
    """
    _replace_children(model, join_batch_norms)
    if not isinstance(model, _BatchNorm) or isinstance(model, nn.SyncBatchNorm):
        return model
    if type(model) not in _KINDS:
        raise ModelError(
            "MV1880",
            f"the network has a {type(model).__name__}, whose statistics cannot be joined over "
            f"{world_size()} processes",
            expected=f"one of {[kind.__name__ for kind in _KINDS]}, or a norm without batches",
            hint="train on one process, or choose a network with layer norms",
        )
    return JoinedBatchNorm(model)


def part_batch_norms(model: nn.Module) -> nn.Module:
    """Undo :func:`join_batch_norms`.

    Args:
        model: The network.
    """
    _replace_children(model, part_batch_norms)
    if not isinstance(model, JoinedBatchNorm):
        return model
    norm = cast("_BatchNorm", model.__dict__["norm"])
    norm._parameters, norm._buffers = model._parameters, model._buffers
    return norm.train(model.training)


def _replace_children(model: nn.Module, change: Callable[[nn.Module], nn.Module]) -> None:
    for name, child in list(model.named_children()):
        changed = change(child)
        if changed is not child:
            setattr(model, name, changed)
