"""What Lightning is told so that a run on several processes is the run on one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightning.pytorch.plugins.layer_sync import LayerSync

from medvlp.distributed import world_size
from medvlp.models.joined_norm import join_batch_norms, part_batch_norms

if TYPE_CHECKING:
    from torch import nn

__all__ = ["JoinBatchNorms"]


class JoinBatchNorms(LayerSync):
    """Batch norms that train on the rows of all processes, always; on one process nothing changes.

    Lightning's own option of that kind (``trainer.sync_batchnorm``) leaves out the activations that
    timm keeps in its batch norms, and does not work on processors.
    """

    def apply(self, model: nn.Module) -> nn.Module:
        """Join them, before the network is spread.

        Args:
            model: The module in training.

        Raises:
            ModelError: MV1880.
        """
        return join_batch_norms(model) if world_size() > 1 else model

    def revert(self, model: nn.Module) -> nn.Module:
        """Part them again, when training has ended.

        Args:
            model: The module that was trained.
        """
        return part_batch_norms(model)
