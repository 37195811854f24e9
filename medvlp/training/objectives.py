"""Objectives by name: what a training step descends.

An objective takes what the model made of a batch and the batch itself, and returns a
:class:`~medvlp.losses.report.LossReport`. A new recipe registers its own; nothing else changes. An
objective with weights of its own is a module, and these are trained with those of the model.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, Protocol, cast, get_args

import torch
from torch import nn

from medvlp.errors import ConfigError, nearest_name
from medvlp.losses.contrastive import Positives, info_nce_loss
from medvlp.losses.duplicates import knowledge_clip_loss, masked_clip_loss
from medvlp.losses.groups import GroupVariant, semantic_group_loss
from medvlp.losses.relations import PairRelation
from medvlp.losses.sigmoid import sigmoid_loss
from medvlp.losses.temperature import Bias
from medvlp.registry import Registry

if TYPE_CHECKING:
    from medvlp.data.batch import Batch
    from medvlp.losses.report import LossReport
    from medvlp.models.dual_encoder import DualOutput

__all__ = [
    "OBJECTIVES",
    "ClipObjective",
    "GroupedObjective",
    "KeepObjective",
    "KepObjective",
    "MaskedClipObjective",
    "Objective",
    "OptionValue",
    "SiglipObjective",
    "SupconObjective",
    "build_objective",
]

OptionValue = bool | int | float | str
Label = Literal["group", "concept"]
Ignored = Literal["remove", "replace"]


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
        self._positives = cast(
            "Positives", _word("grouped", "positives", positives, get_args(Positives))
        )

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


@OBJECTIVES.register("keep")
class KeepObjective:
    """KEEP's loss between semantic groups, without false negatives.

    Pairs of related concepts in different groups are no negatives where the batch brings the table
    of them.

    Args:
        variant: Which positive and which negative: ``lhp-hn`` (KEEP's), ``hp-hn``, ``hp-lhn`` or
            ``lhp-lhn``.
        ignored: ``remove`` false negatives, or ``replace`` their cosine by -1 as published.

    Raises:
        ConfigError: MV1002 for another word.
    """

    def __init__(self, variant: str = "lhp-hn", ignored: str = "remove") -> None:
        self._variant = cast(
            "GroupVariant", _word("keep", "variant", variant, get_args(GroupVariant))
        )
        self._ignored = cast("Ignored", _word("keep", "ignored", ignored, get_args(Ignored)))

    def __call__(self, outputs: DualOutput, batch: Batch) -> LossReport:
        """Return the loss; the batch's groups, related concepts and weights decide.

        Args:
            outputs: What the model made of the batch.
            batch: The batch.
        """
        return semantic_group_loss(
            outputs.image,
            outputs.text,
            outputs.logit_scale,
            batch.relation(),
            variant=self._variant,
            ignored=self._ignored,
        )


@OBJECTIVES.register("supcon")
class SupconObjective:
    """Supervised contrast: all pairs with one label are positives of each other.

    Args:
        label: What the label is: the pair's ``concept``, or its ``group``. A pair without a concept
            is its own only positive.

    Raises:
        ConfigError: MV1002 for another word.
    """

    def __init__(self, label: str = "concept") -> None:
        self._label = cast("Label", _word("supcon", "label", label, get_args(Label)))

    def __call__(self, outputs: DualOutput, batch: Batch) -> LossReport:
        """Return the loss; related concepts that differ are negatives.

        Args:
            outputs: What the model made of the batch.
            batch: The batch.
        """
        relation = PairRelation(group=_labels(batch, self._label), weight=batch.weight)
        return info_nce_loss(outputs.image, outputs.text, outputs.logit_scale, relation)


@OBJECTIVES.register("clip-masked")
class MaskedClipObjective:
    """CLIP's loss without the negatives that share the anchor's label.

    Args:
        label: As for supervised contrast.

    Raises:
        ConfigError: MV1002 for another word.
    """

    def __init__(self, label: str = "group") -> None:
        self._label = cast("Label", _word("clip-masked", "label", label, get_args(Label)))

    def __call__(self, outputs: DualOutput, batch: Batch) -> LossReport:
        """Return the loss.

        Args:
            outputs: What the model made of the batch.
            batch: The batch.
        """
        label = _labels(batch, self._label)
        return masked_clip_loss(outputs.image, outputs.text, outputs.logit_scale, label)


@OBJECTIVES.register("siglip")
class SiglipObjective(nn.Module):
    """The pairwise sigmoid loss, with a learned offset.

    Args:
        bias: First value of the offset. Published with a temperature of 0.1 to begin with.
        with_groups: Whether pairs of one group are positives too, and related concepts ignored.
    """

    def __init__(self, bias: float = -10.0, with_groups: bool = False) -> None:
        super().__init__()
        self.bias = Bias(bias)
        self._with_groups = with_groups

    def forward(self, outputs: DualOutput, batch: Batch) -> LossReport:
        """Return the loss.

        Args:
            outputs: What the model made of the batch.
            batch: The batch.
        """
        relation = batch.relation() if self._with_groups else None
        return sigmoid_loss(outputs.image, outputs.text, outputs.logit_scale, self.bias(), relation)


@OBJECTIVES.register("kep")
class KepObjective:
    """KEP's loss: images to texts, and texts to what the knowledge encoder makes of them.

    The module keeps the text tower as it was before the first step for the second part.

    Args:
        image_weight: Weight of the first part.
        knowledge_weight: Weight of the second.
    """

    needs_knowledge = True

    def __init__(self, image_weight: float = 1.0, knowledge_weight: float = 0.3) -> None:
        self._weights = (image_weight, knowledge_weight)

    def __call__(self, outputs: DualOutput, batch: Batch) -> LossReport:
        """Return the loss; groups of the batch are not used.

        Args:
            outputs: What the model made of the batch, the knowledge encoder's view among it.
            batch: The batch.
        """
        if outputs.knowledge is None:
            msg = "objective 'kep' needs the texts' embeddings by the frozen knowledge encoder"
            raise ValueError(msg)
        return knowledge_clip_loss(
            outputs.image,
            outputs.text,
            outputs.knowledge,
            outputs.logit_scale,
            weights=self._weights,
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


def _labels(batch: Batch, label: Label) -> torch.Tensor:
    """Return a label per pair; one without a concept has a label of its own, below 0."""
    if label == "group":
        return batch.group_id
    own = -1 - torch.arange(len(batch), device=batch.concept_id.device)
    return torch.where(batch.concept_id < 0, own, batch.concept_id)


def _word(objective: str, option: str, value: str, valid: tuple[str, ...]) -> str:
    if value not in valid:
        raise ConfigError(
            "MV1002",
            f"objective {objective!r}: {option}={value!r} is not valid{nearest_name(value, valid)}",
            expected=f"one of {valid}",
        )
    return value
