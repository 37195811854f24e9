"""Which strategy a configuration asks for by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medvlp.errors import ConfigError
from medvlp.training.sharded.strategy import FullySharded

if TYPE_CHECKING:
    from lightning.pytorch.strategies import Strategy

__all__ = ["FSDP2", "chosen_strategy"]

FSDP2 = "fsdp2"
"""What ``trainer.strategy`` is called that divides the weights among the ranks."""

_OTHERS = ("fsdp", "deepspeed", "model_parallel")


def chosen_strategy(chosen: str | Strategy) -> str | Strategy:
    """Return the strategy for the trainer.

    Args:
        chosen: ``trainer.strategy``: a name, or a strategy with its own settings.

    Raises:
        ConfigError: MV1860 for a way to divide weights whose states and results could not be read.
    """
    if chosen == FSDP2:
        return FullySharded()
    name = chosen if isinstance(chosen, str) else type(chosen).__name__
    if name.lower().replace("modelparallel", "model_parallel").startswith(_OTHERS):
        raise ConfigError(
            "MV1860",
            f"trainer.strategy={name} keeps its state and its weights in files of its own",
            expected=f"{FSDP2}, which divides the weights among the ranks too",
        )
    return chosen
