"""Stage 1: a text tower trained on what the graph says about its terms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from medvlp.data.groups import GroupBatches, group_batch_order
from medvlp.losses.metric import adasp_loss
from medvlp.losses.relations import PairRelation
from medvlp.training.optimization import (
    OptimizerSettings,
    ScheduleSettings,
    build_optimizer,
    learning_rate_factor,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.keep_experiment.words import Words
    from medvlp.models.dual_encoder import DualEncoder

__all__ = ["KnowledgeBatches", "knowledge_loss", "train_knowledge"]

TEXT_SIDE = ("text_tower.", "text_projection.")


class KnowledgeBatches:
    """Batches of attributes, without end: several texts of each of several terms.

    Args:
        words: The texts.
        seed: Seed of the order.
        concepts_per_batch: Terms in a batch.
    """

    def __init__(self, words: Words, seed: int, concepts_per_batch: int) -> None:
        self._words = words
        self._seed = seed
        self._batches = GroupBatches(
            groups_per_batch=concepts_per_batch,
            samples_per_group=words.recipe.knowledge.texts_per_concept,
            with_anchor=True,
        )

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor, PairRelation]]:
        """Yield token ids ``(b, T)``, their mask, and who belongs together."""
        words, tokens = self._words, self._words.attribute_tokens
        size = self._batches.groups_per_batch * self._batches.samples_per_group
        epoch = 0
        while True:
            order = group_batch_order(
                words.attribute_group,
                self._batches,
                seed=self._seed,
                epoch=epoch,
                is_anchor=words.attribute_is_name,
            )
            for start in range(0, len(order), size):
                rows = order[start : start + size]
                width = int(tokens.mask[rows].sum(axis=1).max())
                yield (
                    torch.from_numpy(tokens.ids[rows, :width]),
                    torch.from_numpy(tokens.mask[rows, :width]),
                    self._relation(words.attribute_group[rows]),
                )
            epoch += 1

    def _relation(self, group: np.ndarray) -> PairRelation:
        if self._words.recipe.knowledge.related_apart:
            return PairRelation(group=torch.from_numpy(group))
        table = self._words.relation.table(group)
        return PairRelation(
            group=torch.from_numpy(group),
            concept=torch.from_numpy(table.index),
            related=torch.from_numpy(table.related),
        )


def knowledge_loss(
    model: DualEncoder,
    batch: tuple[torch.Tensor, torch.Tensor, PairRelation],
    temperature: float,
) -> torch.Tensor:
    """Return AdaSP's loss of a batch of attributes.

    Args:
        model: Whose text side is trained.
        batch: From :class:`KnowledgeBatches`.
        temperature: Its temperature.
    """
    ids, mask, relation = batch
    scale = torch.tensor(1.0 / temperature)
    return adasp_loss(model.project_text(ids, mask), scale, relation).total


def train_knowledge(model: DualEncoder, words: Words, seed: int) -> list[float]:
    """Train the text side of a dual encoder on the graph; the image side stays as it is.

    Args:
        model: The dual encoder, changed in place.
        words: The texts.
        seed: Seed of the order.

    Returns:
        Loss of every 20th step.
    """
    knowledge = words.recipe.knowledge
    side = torch.nn.ModuleDict({"tower": model.text_tower, "projection": model.text_projection})
    side.train()
    optimizer = build_optimizer(
        side,
        OptimizerSettings(
            learning_rate=knowledge.learning_rate, weight_decay=words.recipe.weight_decay
        ),
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: learning_rate_factor(
            min(step, knowledge.steps - 1), knowledge.steps, ScheduleSettings()
        ),
    )
    losses = []
    batches = KnowledgeBatches(words, seed, knowledge.concepts_per_batch)
    for step, batch in zip(range(knowledge.steps), batches, strict=False):
        optimizer.zero_grad(set_to_none=True)
        loss = knowledge_loss(model, batch, knowledge.temperature)
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        if step % 20 == 0:
            losses.append(float(loss.detach()))
    return losses
