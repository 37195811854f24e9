"""What Lightning is told so that a run on several processes is the run on one."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, cast

from lightning.pytorch.plugins.layer_sync import LayerSync
from lightning.pytorch.strategies import DDPStrategy
from torch.nn.parallel import DistributedDataParallel

from medvlp.distributed import world_size
from medvlp.models.joined_norm import join_batch_norms, part_batch_norms
from medvlp.training.learner import Learner

if TYPE_CHECKING:
    from torch import nn

__all__ = ["JoinRanks"]

_OPTIONS = inspect.signature(DistributedDataParallel).parameters
_BUFFERS = "forward_sync_buffers" if "forward_sync_buffers" in _OPTIONS else "broadcast_buffers"
_DDP = {_BUFFERS: False, "gradient_as_bucket_view": True}
"""Buffers are equal on all ranks, as statistics are joined; gradients are not held twice."""


class JoinRanks(LayerSync):
    """What is done to a module before it is spread over processes; on one nothing is.

    Batch norms train on the rows of all processes, always. Lightning's own option of that kind
    (``trainer.sync_batchnorm``) leaves out the activations that timm keeps in its batch norms, and
    does not work on processors. Towers that rest have no gradient, which DDP is told: it would wait
    for it.
    """

    def apply(self, model: nn.Module) -> nn.Module:
        """Join batch norms, and tell what rests.

        Args:
            model: The module in training.

        Raises:
            ModelError: MV1880.
        """
        if world_size() == 1:
            return model
        joined = join_batch_norms(model)
        if isinstance(joined, Learner):
            strategy = joined.trainer.strategy
            if isinstance(strategy, DDPStrategy):
                strategy._ddp_kwargs = {**_DDP, **strategy._ddp_kwargs}
            _tell_what_rests(joined)
        return joined

    def revert(self, model: nn.Module) -> nn.Module:
        """Part batch norms again, when training has ended.

        Args:
            model: The module that was trained.
        """
        return part_batch_norms(model)


def _tell_what_rests(module: Learner) -> None:
    """Let DDP pass over what rests for good, and look each step for what has no gradient in it."""
    strategy = module.trainer.strategy
    resting = [(tower, epochs) for tower, epochs in module.resting() if epochs]
    for_good = [tower for tower, epochs in resting if epochs == "all"]
    is_sometimes = module.leaves_unused or len(for_good) < len(resting)
    if is_sometimes and isinstance(strategy, DDPStrategy):
        strategy._ddp_kwargs["find_unused_parameters"] = True
    ids = {id(weight) for tower in for_good for weight in (*tower.parameters(), *tower.buffers())}
    named = (*module.named_parameters(), *module.named_buffers())
    ddp = cast("Any", DistributedDataParallel)  # what it has for this is not typed
    ddp._set_params_and_buffers_to_ignore_for_model(
        module, [name for name, weight in named if id(weight) in ids]
    )
