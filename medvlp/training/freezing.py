"""Towers that rest in the first epochs while what is new beside them finds its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from medvlp.config.strict import StrictModel

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Epochs", "FreezeSettings", "rest_tower"]

Epochs = Annotated[int, Field(ge=0)] | Literal["all"]


class FreezeSettings(StrictModel):
    """How long towers rest; projections and the logit scale are trained from the first step.

    Attributes:
        image_tower_epochs: Epochs in which the image tower rests, from the first; or ``all``.
        text_tower_epochs: Epochs in which the text tower rests, from the first; or ``all``.
    """

    image_tower_epochs: Epochs = 0
    text_tower_epochs: Epochs = 0


def rest_tower(tower: nn.Module, epochs: Epochs, epoch: int) -> None:
    """Put a tower to rest, or wake it up, as an epoch begins.

    A resting tower has no gradient, keeps its running statistics and drops no values. Its weights
    stay with the optimiser all the time, which passes over weights without a gradient. A tower that
    never rests is left alone.

    Args:
        tower: The tower.
        epochs: How long it rests.
        epoch: The epoch that begins, from 0.
    """
    if epochs:
        is_resting = epochs == "all" or epoch < epochs
        tower.requires_grad_(not is_resting)
        tower.train(not is_resting)
