"""How ranks share weights: each has all of them, or they are divided and gathered when used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from medvlp.training.sharded.choice import FSDP2
from medvlp.training.sharded.strategy import FullySharded
from medvlp.training.sharded.units import transformer_blocks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import nn

__all__ = ["Sharing", "largest_unit", "sharing_of"]

_FP32 = 4


@dataclass(frozen=True)
class Sharing:
    """How ranks share weights.

    Attributes:
        over: Number of ranks that weights, gradients and moments are divided over; 1 for none.
        is_divided: Whether they are divided at all, which a single rank can be told too.
        reshards: Whether gathered weights are let go until the backward pass.
        has_buckets: Whether gradients are copied to be averaged.
    """

    over: int = 1
    is_divided: bool = False
    reshards: bool = True
    has_buckets: bool = False

    def moved_bytes(self, weights: int, trained: int, *, width: int, gathered: int) -> int:
        """Return the bytes of weights and gradients that the ranks exchange in a step.

        Each is sent on by every rank but one, so that ``(W - 1) / W`` of it passes a rank's link.

        Args:
            weights: Number of weights.
            trained: Number of those that are trained.
            width: Bytes of a weight and of its gradient.
            gathered: Bytes of a weight while it is gathered.
        """
        if not self.is_divided:
            return 2 * trained * width
        times = 2 if self.reshards else 1
        return times * weights * gathered + trained * _FP32


def sharing_of(strategy: object, *, ranks: int, gpus_per_node: int) -> Sharing:
    """Return how a value of ``trainer.strategy`` shares weights.

    Args:
        strategy: A name, or the import path of a strategy with its settings.
        ranks: Number of ranks.
        gpus_per_node: GPUs of a node.
    """
    if strategy == FSDP2:
        return Sharing(over=ranks, is_divided=True)
    arguments: Mapping[str, Any] = {}
    if isinstance(strategy, dict):
        arguments = strategy.get("init_args") or {}
        arguments = {**arguments, **(strategy.get("dict_kwargs") or {})}
        if str(strategy.get("class_path", "")).endswith(FullySharded.__name__):
            over = gpus_per_node if arguments.get("shard_over") == "node" else ranks
            return Sharing(over, True, bool(arguments.get("reshard_after_forward", True)))
    views = bool(arguments.get("gradient_as_bucket_view", True))  # as JoinRanks tells DDP
    return Sharing(has_buckets=ranks > 1 and not views)


def largest_unit(networks: Iterable[nn.Module]) -> int:
    """Return the number of weights of the largest part that is gathered at once.

    A part is a block of a transformer, or what a tower has beside its blocks.

    Args:
        networks: The towers.
    """
    sizes = [0]
    for network in networks:
        blocks = [_size(block) for block in transformer_blocks(network)]
        sizes += [*blocks, _size(network) - sum(blocks)]
    return max(sizes)


def _size(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())
