"""Stage 2: a dual encoder trained on tiles and captions, by any arm, in the same order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from benchmarks.keep_experiment.captions import write_caption
from benchmarks.keep_experiment.stage1 import KnowledgeBatches, knowledge_loss
from medvlp.data.augment import augment_tile
from medvlp.data.batch import Batch, TextTokens
from medvlp.data.groups import GroupBatches, group_batch_order
from medvlp.data.randomness import augmentation_seed
from medvlp.models.preprocessing import normalize_pixels
from medvlp.training.objectives import build_objective
from medvlp.training.optimization import (
    OptimizerSettings,
    RateSettings,
    ScheduleSettings,
    build_optimizer,
    learning_rate_factor,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from benchmarks.keep_experiment.settings import ArmSettings
    from benchmarks.keep_experiment.tiles import TileSet
    from benchmarks.keep_experiment.words import Words
    from medvlp.models.dual_encoder import DualEncoder

__all__ = ["MEAN", "STD", "PairBatches", "descend", "train_pairs"]

MEAN, STD = torch.full((3,), 0.5), torch.full((3,), 0.25)
_TILE_STREAM, _CAPTION_STREAM = 1, 2


@dataclass(frozen=True)
class _Pair:
    set_name: str
    label: str
    row: int
    group: int


class PairBatches:
    """Batches of tiles and captions, without end; a group is a class of a set.

    Every arm sees the same tiles, changed the same way, in the same order. Captions are the same
    too, but that arms with knowledge may put others in their place.

    Args:
        sets: The training tiles.
        words: The texts.
        arm: Whether captions are augmented and related concepts are marked.
        seed: Seed of order, augmentation and captions.
    """

    def __init__(
        self, sets: Mapping[str, TileSet], words: Words, arm: ArmSettings, seed: int
    ) -> None:
        self._sets = sets
        self._words = words
        self._arm = arm
        self._seed = seed
        self._pairs: list[_Pair] = []
        group = 0
        for name, tiles in sets.items():
            for index, label in enumerate(tiles.classes):
                rows = np.flatnonzero(tiles.label == index)
                self._pairs += [_Pair(name, label, int(row), group) for row in rows]
                group += 1
        self._group = np.array([pair.group for pair in self._pairs], dtype=np.int64)
        place = {concept: index for index, concept in enumerate(words.part)}
        self._concept = np.array(
            [place[words.concepts.sets[pair.set_name][pair.label]] for pair in self._pairs]
        )
        self._texts = {
            (name, label): words.concepts.texts(name, label)
            for name, tiles in sets.items()
            for label in tiles.classes
        }
        self._augmenters = {name: words.augmenter(name) for name in sets}

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches."""
        recipe = self._words.recipe
        settings = GroupBatches(
            groups_per_batch=recipe.groups_per_batch, samples_per_group=recipe.samples_per_group
        )
        size = recipe.groups_per_batch * recipe.samples_per_group
        epoch = 0
        while True:
            order = group_batch_order(self._group, settings, seed=self._seed, epoch=epoch)
            for start in range(0, len(order), size):
                yield self._batch(order[start : start + size], epoch)
            epoch += 1

    def _batch(self, rows: np.ndarray, epoch: int) -> Batch:
        images, captions = [], []
        repeats: dict[int, int] = {}
        for row in rows.tolist():
            repeats[row] = repeats.get(row, -1) + 1
            seed = augmentation_seed(self._seed, epoch, row, repeats[row])
            images.append(self._tile(self._pairs[row], seed))
            captions.append(self._caption(self._pairs[row], seed))
        tokens = self._words.encode(captions)
        concept, related = torch.from_numpy(self._concept[rows]), None
        if self._arm.eliminates:
            table = self._words.relation.table(self._concept[rows])
            concept, related = torch.from_numpy(table.index), torch.from_numpy(table.related)
        return Batch(
            image=torch.from_numpy(np.stack(images)),
            text=TextTokens(ids=torch.from_numpy(tokens.ids), mask=torch.from_numpy(tokens.mask)),
            group_id=torch.from_numpy(self._group[rows]),
            concept_id=concept,
            sample_id=tuple(str(row) for row in rows),
            weight=torch.ones(len(rows)),
            related=related,
        )

    def _tile(self, pair: _Pair, seed: int) -> np.ndarray:
        image = self._sets[pair.set_name].images[pair.row]
        rng = np.random.default_rng((seed, _TILE_STREAM))
        return augment_tile(image, self._words.recipe.augment, rng)

    def _caption(self, pair: _Pair, seed: int) -> str:
        rng = np.random.default_rng((seed, _CAPTION_STREAM))
        texts = self._texts[pair.set_name, pair.label]
        caption = write_caption(self._words.captions, pair.set_name, texts, rng)
        if not self._arm.knows:
            return caption
        return self._augmenters[pair.set_name]([caption], [texts.concept], rng)


def train_pairs(
    model: DualEncoder,
    sets: Mapping[str, TileSet],
    words: Words,
    arm: ArmSettings,
    seed: int,
) -> list[float]:
    """Train a dual encoder on pairs.

    Args:
        model: The dual encoder, changed in place; of arms with knowledge its text side comes from
            stage 1.
        sets: The training tiles.
        words: The texts.
        arm: What is descended.
        seed: Seed of the order.

    Returns:
        Loss of every 20th step.
    """
    knowledge = words.recipe.knowledge
    replay: Callable[[], torch.Tensor] | None = None
    if arm.knows and knowledge.replay_weight > 0 and knowledge.text_rate > 0:
        replayed = iter(KnowledgeBatches(words, seed, knowledge.replay_concepts))

        def replay() -> torch.Tensor:
            loss = knowledge_loss(model, next(replayed), knowledge.temperature)
            return knowledge.replay_weight * loss

    return descend(
        model,
        PairBatches(sets, words, arm, seed),
        arm,
        _optimizer_settings(model, words, arm),
        words.recipe.steps,
        beside=replay,
    )


def descend(
    model: DualEncoder,
    batches: Iterable[Batch],
    arm: ArmSettings,
    settings: OptimizerSettings,
    steps: int,
    *,
    beside: Callable[[], torch.Tensor] | None = None,
) -> list[float]:
    """Train on batches of pairs.

    Args:
        model: The dual encoder, changed in place.
        batches: At least as many as there are steps.
        arm: Which objective.
        settings: How weights are changed.
        steps: Number of steps.
        beside: A loss that is added to that of every batch.

    Returns:
        Loss of every 20th step.
    """
    objective = build_objective(arm.objective, arm.options)
    further = list(objective.named_parameters()) if isinstance(objective, torch.nn.Module) else []
    optimizer = build_optimizer(model, settings, further=further)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: learning_rate_factor(min(step, steps - 1), steps, ScheduleSettings()),
    )
    model.train()
    losses = []
    for step, batch in zip(range(steps), batches, strict=False):
        optimizer.zero_grad(set_to_none=True)
        pixels = normalize_pixels(batch.pixels, MEAN, STD)
        outputs = model(pixels, batch.tokens.ids, batch.tokens.mask)
        loss = objective(outputs, batch).total
        if beside is not None:
            loss = loss + beside()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        model.clamp_logit_scale()
        if step % 20 == 0:
            losses.append(float(loss.detach()))
    return losses


def _optimizer_settings(model: DualEncoder, words: Words, arm: ArmSettings) -> OptimizerSettings:
    recipe = words.recipe
    rates: tuple[RateSettings, ...] = ()
    if arm.knows:
        share = recipe.knowledge.text_rate
        if share == 0:
            model.text_tower.requires_grad_(False)
            model.text_projection.requires_grad_(False)
        else:
            rates = tuple(
                RateSettings(pattern=pattern, learning_rate=share * recipe.learning_rate)
                for pattern in ("text_tower.*", "text_projection.*")
            )
    return OptimizerSettings(
        learning_rate=recipe.learning_rate, weight_decay=recipe.weight_decay, rates=rates
    )
