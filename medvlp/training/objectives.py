"""Objectives by name: what a training step descends.

An objective takes what the model made of a batch and the batch itself, and returns a
:class:`~medvlp.losses.report.LossReport`. A new recipe registers its own; nothing else changes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol, cast, get_args

from medvlp.errors import ConfigError, nearest_name
from medvlp.losses.contrastive import Positives, info_nce_loss
from medvlp.registry import Registry

if TYPE_CHECKING:
    from medvlp.data.batch import Batch
    from medvlp.losses.report import LossReport
    from medvlp.models.dual_encoder import DualOutput

__all__ = [
    "OBJECTIVES",
    "ClipObjective",
    "GroupedObjective",
    "Objective",
    "OptionValue",
    "build_objective",
]

OptionValue = bool | int | float | str


class Objective(Protocol):
    """What a training step descends."""

    def __call__(self, outputs: DualOutput, batch: Batch) -> LossReport:
        """Return the loss of a batch.

        Args:
            outputs: What the model made of the batch.
            batch: The batch.
        """


OBJECTIVES: Registry[Callable[..., Objective]] = Registry("objective")
"""Objective name to the class that builds it."""


@OBJECTIVES.register("clip")
class ClipObjective:
    """Symmetric cross-entropy with one positive per pair."""

    def __call__(self, outputs: DualOutput, batch: Batch) -> LossReport:
        """Return the CLIP loss; groups and weights of the batch are not used.

        Args:
            outputs: What the model made of the batch.
            batch: The batch.
        """
        return info_nce_loss(outputs.image, outputs.text, outputs.logit_scale)


@OBJECTIVES.register("grouped")
class GroupedObjective:
    """InfoNCE in which all pairs of one semantic group are positives of each other.

    Pairs of related concepts are ignored where the batch brings the table of them.

    Args:
        positives: Where the positives stand: ``outside`` the logarithm, ``inside`` it, or
            ``decoupled`` from each other.

    Raises:
        ConfigError: MV1002 for another word.
    """

    def __init__(self, positives: str = "outside") -> None:
        valid = get_args(Positives)
        if positives not in valid:
            raise ConfigError(
                "MV1002",
                f"objective 'grouped': positives={positives!r} is not valid"
                f"{nearest_name(positives, valid)}",
                expected=f"one of {valid}",
            )
        self._positives = cast("Positives", positives)

    def __call__(self, outputs: DualOutput, batch: Batch) -> LossReport:
        """Return the loss; the batch's group ids and weights decide.

        Args:
            outputs: What the model made of the batch.
            batch: The batch.
        """
        return info_nce_loss(
            outputs.image,
            outputs.text,
            outputs.logit_scale,
            batch.relation(),
            positives=self._positives,
        )


def build_objective(name: str, options: Mapping[str, OptionValue]) -> Objective:
    """Build an objective.

    Args:
        name: Its name.
        options: Arguments of its constructor.

    Raises:
        ConfigError: If the name (MV1003) or an option (MV1001) is unknown.
    """
    kind = OBJECTIVES.get(name)
    valid = sorted(inspect.signature(kind).parameters)
    for option in options:
        if option not in valid:
            raise ConfigError(
                "MV1001",
                f"objective {name!r} has no option {option!r}{nearest_name(option, valid)}",
                expected=f"one of {valid}" if valid else "no options",
            )
    return kind(**options)
