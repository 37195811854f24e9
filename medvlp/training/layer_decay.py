"""Smaller learning rates for earlier layers of a tower, found from the tower's own blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medvlp.errors import UsageError
from medvlp.training.sharded.units import transformer_blocks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

__all__ = ["layer_shares"]


def layer_shares(
    network: nn.Module, towers: Mapping[str, nn.Module], decay: float
) -> dict[str, float]:
    """Return the share of the learning rate that each weight of the towers has.

    A tower of L blocks has layers 0 to L + 1: 0 is what stands before the blocks (patches, tokens,
    positions), k the k-th block with what leads to it, L + 1 what follows the blocks. A weight of
    layer k has ``decay ** (L + 1 - k)``. Weights beside the towers are not named: they have 1.

    Args:
        network: What is trained.
        towers: Its towers.
        decay: Share from layer to layer, above 0.

    Raises:
        UsageError: MV1870 if a tower has no blocks.

    Source:
        Bao et al. 2022, arXiv:2106.08254, section 3.3 (BEiT), as in its published code.
    """
    layers: dict[int, float] = {}
    for name, tower in towers.items():
        blocks = transformer_blocks(tower)
        if not blocks:
            raise UsageError(
                "MV1870",
                f"{name} is a {type(tower).__name__}, in which no repeated blocks were found",
                expected="a tower with a list of blocks of one class",
                hint="leave model.optimizer.layer_decay out, and use model.optimizer.rates",
            )
        layers |= {
            weight: decay ** (len(blocks) + 1 - layer)
            for weight, layer in _layers(tower, blocks).items()
        }
    return {
        name: layers[id(weight)]
        for name, weight in network.named_parameters()
        if id(weight) in layers
    }


def _layers(tower: nn.Module, blocks: list[nn.Module]) -> dict[int, int]:
    """Return the layer of each weight of a tower, by the weight's id."""
    inside = {id(p): at for at, block in enumerate(blocks, 1) for p in block.parameters()}
    layers: dict[int, int] = {}
    reached = 0
    for weight in tower.parameters():  # in the order in which they stand
        if id(weight) in inside:
            reached = inside[id(weight)]
        layers[id(weight)] = inside.get(id(weight), reached + 1 if reached else 0)
    return layers
