"""How towers compute: compiled or not, and what they hold for the way back.

Everything is done to the modules in place, so that weights keep their names: states and bundles are
those of plain towers.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from pydantic import Field, model_validator
from torch.utils.checkpoint import checkpoint

from medvlp.config.strict import StrictModel, rule_error
from medvlp.errors import UsageError
from medvlp.training.recomputing import recompute_cheap_values
from medvlp.training.sharded.units import transformer_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from torch import nn

__all__ = ["TowerSettings", "prepare_towers", "towers_of"]


class TowerSettings(StrictModel):
    """How towers compute.

    Attributes:
        compile: ``blocks`` compiles each transformer block, which takes less time at the start;
            ``whole`` each tower as one; ``none`` neither. The first steps are slower.
        backend: Name of the compiler, as ``torch.compile`` knows it.
        checkpoint_activations: Hold only the input of every block and compute the block again on
            the way back: less memory, about a third more time. A number n does so for every n-th
            block only.
        recompute_cheap: Make outputs of norms and activations that linear layers read again on the
            way back, instead of holding them: less memory, and the same result in every bit. Not
            done where blocks are compiled, where the compiler decides, or checkpointed, which
            holds less without it.
    """

    compile: Literal["none", "blocks", "whole"] = "none"
    backend: Annotated[str, Field(min_length=1)] = "inductor"
    checkpoint_activations: bool | Annotated[int, Field(ge=1)] = False
    recompute_cheap: bool = True

    @model_validator(mode="after")
    def _check_compile(self) -> TowerSettings:
        if self.compile == "whole" and self.checkpoint_activations:
            raise rule_error(
                "MV1002",
                "compile=whole and checkpoint_activations are both given",
                expected="compile=blocks, which goes with checkpoint_activations",
            )
        return self

    @property
    def block_stride(self) -> int:
        """Every how many blocks one is checkpointed; 0 for none."""
        return int(self.checkpoint_activations)


def towers_of(network: nn.Module) -> dict[str, nn.Module]:
    """Return the towers of a network by name: its children called so, else the network itself.

    Args:
        network: What is trained.
    """
    found = {name: child for name, child in network.named_children() if name.endswith("_tower")}
    return found or {"network": network}


def prepare_towers(towers: Mapping[str, nn.Module], settings: TowerSettings) -> None:
    """Make towers compute as the settings say; to be called once, before the first step.

    Args:
        towers: The towers by name; changed in place.
        settings: How they compute.

    Raises:
        UsageError: MV1870 if blocks are asked for and a tower has none.
    """
    for name, tower in towers.items():
        if settings.recompute_cheap and settings.compile == "none" and not settings.block_stride:
            recompute_cheap_values(tower)
        if settings.compile == "whole":
            _compile([tower], settings, name)
        if settings.compile == "blocks" or settings.block_stride:
            _prepare_blocks(tower, settings, name)


def _prepare_blocks(tower: nn.Module, settings: TowerSettings, name: str) -> None:
    blocks = transformer_blocks(tower)
    if not blocks:
        raise UsageError(
            "MV1870",
            f"{name} is a {type(tower).__name__}, in which no repeated blocks were found",
            expected="a tower with a list of blocks of one class",
            hint="leave model.towers.checkpoint_activations out, and compile the tower as a whole",
        )
    if settings.compile == "blocks":
        _compile(blocks, settings, name)
    if settings.block_stride:
        for block in blocks[:: settings.block_stride]:
            block.forward = partial(_checkpointed, block, block.forward)


def _compile(modules: Iterable[nn.Module], settings: TowerSettings, name: str) -> None:
    """Compile what modules do; texts come in many lengths, images in one."""
    is_dynamic = name.startswith("text")
    for module in modules:
        module.forward = torch.compile(module.forward, backend=settings.backend, dynamic=is_dynamic)


def _checkpointed(
    block: nn.Module,
    forward: Callable[..., Any],
    *args: Any,  # noqa: ANN401  # whatever the block takes
    **kwargs: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401  # whatever the block returns
    """Compute a block, and again on the way back, with the same random numbers."""
    if not (block.training and torch.is_grad_enabled()):
        return forward(*args, **kwargs)
    return checkpoint(forward, *args, use_reentrant=False, **kwargs)
