"""Weights of a divided module gathered for its result, never whole on a device."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor

from medvlp.distributed import rank
from medvlp.training.sharded.tensors import made_whole

if TYPE_CHECKING:
    import lightning.pytorch as pl

__all__ = ["gather_weights"]


@torch.no_grad()
def gather_weights(module: pl.LightningModule) -> None:
    """Put whole weights in place of divided ones on rank 0's processor; every rank must call this.

    One weight after the other is gathered, so a device holds one of them at most beside its own
    part, and rank 0's machine holds all of them. The other ranks keep their parts. The module
    cannot be trained any more. Where nothing is divided, nothing is done.

    Args:
        module: The module that was trained.
    """
    for part in module.modules():
        if isinstance(part, FSDPModule):
            part.reshard()
    for part in module.modules():
        for name, parameter in part.named_parameters(recurse=False):
            if isinstance(parameter, DTensor):
                whole = made_whole(parameter)
                if rank() == 0:
                    gathered = whole.to("cpu")
                    setattr(part, name, nn.Parameter(gathered, parameter.requires_grad))
