"""Zero-shot scores of tiles under every prompt condition, and the figures made of them.

Under ``parents`` a prompt is a parent term: classes that share one are one class there, its tiles
the positives, one against the rest over the distinct parents.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from sklearn.neighbors import KNeighborsClassifier

from benchmarks.keep_experiment.captions import class_prompts
from benchmarks.keep_experiment.concepts import CONDITIONS, Condition
from benchmarks.keep_experiment.stage2 import MEAN, STD
from medvlp.models.preprocessing import normalize_pixels
from medvlp.models.text_encoder import TextEncoder
from medvlp.zeroshot.classifier import class_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from benchmarks.keep_experiment.tiles import TileSet
    from benchmarks.keep_experiment.words import Words
    from medvlp.models.dual_encoder import DualEncoder

__all__ = ["Targets", "colour_scores", "score_tiles", "targets_of"]

_NEIGHBOURS = 5
_TILES_PER_BATCH = 256


@dataclass(frozen=True)
class Targets:
    """What is told apart under a condition.

    Attributes:
        names: Labels, or names of parents; K of them.
        of_class: Index of each class of the set, shape ``(classes,)``, int64.
        is_disease: Whether the Disease Ontology has it, shape ``(K,)``, bool.
        prompts: Prompts of each, ``[text][template]``.
    """

    names: tuple[str, ...]
    of_class: NDArray[np.int64]
    is_disease: NDArray[np.bool_]
    prompts: tuple[tuple[tuple[str, ...], ...], ...]


def targets_of(words: Words, tiles: TileSet, condition: Condition) -> Targets:
    """Return what a set's tiles are told apart as.

    Args:
        words: The texts.
        tiles: The set.
        condition: Which words are prompts.
    """
    texts = [words.concepts.texts(tiles.name, label) for label in tiles.classes]
    keys = [
        found.parent_name if condition == "parents" else label
        for found, label in zip(texts, tiles.classes, strict=True)
    ]
    names = tuple(dict.fromkeys(keys))
    first = [keys.index(name) for name in names]
    return Targets(
        names=names,
        of_class=np.array([names.index(key) for key in keys], dtype=np.int64),
        is_disease=np.array([texts[index].is_disease for index in first]),
        prompts=tuple(class_prompts(words.captions, texts[index], condition) for index in first),
    )


def score_tiles(
    model: DualEncoder, sets: Mapping[str, TileSet], words: Words
) -> dict[str, dict[Condition, NDArray[np.float32]]]:
    """Return the probabilities of every tile, under every condition.

    Args:
        model: The trained dual encoder.
        sets: The tiles to judge.
        words: The texts.

    Returns:
        Set to condition to probabilities, shape ``(N, K)``, float32: the softmax over the set's
        targets of the cosines times the model's logit scale.
    """
    model.eval()
    encoder = TextEncoder(
        name="trained here", tower=model.text_side(), tokenize=lambda texts: _tokens(words, texts)
    )
    scale = float(model.logit_scale.detach().exp())
    scores: dict[str, dict[Condition, NDArray[np.float32]]] = {}
    for name, tiles in sets.items():
        images = _embed_images(model, tiles.images)
        scores[name] = {}
        for condition in CONDITIONS:
            targets = targets_of(words, tiles, condition)
            logits = scale * images @ _columns(encoder, targets)
            exponential = np.exp(logits - logits.max(axis=1, keepdims=True))
            scores[name][condition] = np.asarray(
                exponential / exponential.sum(axis=1, keepdims=True), dtype=np.float32
            )
    return scores


def colour_scores(train: TileSet, test: TileSet) -> NDArray[np.float32]:
    """Return class probabilities of 5 nearest neighbours on mean colours, shape ``(N, classes)``.

    Args:
        train: Training tiles of a set.
        test: Test tiles of the same set.
    """
    count = min(_NEIGHBOURS, len(train))
    neighbours = KNeighborsClassifier(count).fit(train.colours, train.label)
    scores = np.zeros((len(test), len(test.classes)), dtype=np.float32)
    scores[:, neighbours.classes_] = neighbours.predict_proba(test.colours)
    return scores


def _columns(encoder: TextEncoder, targets: Targets) -> NDArray[np.float64]:
    embedded = []
    for prompts in targets.prompts:
        flat = [text for row in prompts for text in row]
        vectors = encoder.embed(flat)
        embedded.append(vectors.reshape(len(prompts), len(prompts[0]), -1))
    return class_columns(embedded)


@torch.inference_mode()
def _embed_images(model: DualEncoder, images: NDArray[np.uint8]) -> NDArray[np.float64]:
    found = []
    for start in range(0, len(images), _TILES_PER_BATCH):
        rgb = torch.from_numpy(images[start : start + _TILES_PER_BATCH])
        projected = model.project_image(normalize_pixels(rgb, MEAN, STD))
        found.append(torch.nn.functional.normalize(projected.float(), dim=-1).numpy())
    return np.concatenate(found).astype(np.float64)


def _tokens(words: Words, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
    tokens = words.encode(list(texts))
    return torch.from_numpy(tokens.ids), torch.from_numpy(tokens.mask)
