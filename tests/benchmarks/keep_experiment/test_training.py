from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.keep_experiment.concepts import Concepts
from benchmarks.keep_experiment.evaluation import colour_scores, score_tiles, targets_of
from benchmarks.keep_experiment.folds import split
from benchmarks.keep_experiment.settings import ARMS, KnowledgeSettings
from benchmarks.keep_experiment.stage1 import KnowledgeBatches, train_knowledge
from benchmarks.keep_experiment.stage2 import PairBatches, train_pairs
from benchmarks.keep_experiment.tiles import TileSet, load_sets
from benchmarks.keep_experiment.words import Words
from medvlp.data.batch import Batch
from medvlp.models.dual_encoder import DualEncoder


@pytest.fixture
def sets(small_root: Path, concepts: Concepts) -> dict[str, TileSet]:
    return load_sets(small_root, concepts, 32, lambda _: None)


def batches(sets: dict[str, TileSet], words: Words, arm: str) -> list[Batch]:
    return list(islice(PairBatches(sets, words, ARMS[arm], 5), 4))


def model_of(words: Words, arm: str) -> DualEncoder:
    return DualEncoder(words.recipe.encoder(ARMS[arm]), words.tokenizer.vocab_size, seed=5)


def test_pair_batches__are_the_same_in_every_arm_without_knowledge(
    sets: dict[str, TileSet], words: Words
) -> None:
    first = batches(sets, words, "clip")
    for arm in ("siglip", "supcon", "keep-loss"):
        for expected, actual in zip(first, batches(sets, words, arm), strict=True):
            assert torch.equal(expected.pixels, actual.pixels)
            assert torch.equal(expected.tokens.ids, actual.tokens.ids)
            assert torch.equal(expected.group_id, actual.group_id)


def test_pair_batches__show_the_same_tiles_with_knowledge(
    sets: dict[str, TileSet], words: Words
) -> None:
    for expected, actual in zip(
        batches(sets, words, "clip"), batches(sets, words, "keep"), strict=True
    ):
        assert torch.equal(expected.pixels, actual.pixels)
        assert expected.related is None
        assert actual.related is not None


def test_pair_batches__hold_several_tiles_of_each_class(
    sets: dict[str, TileSet], words: Words
) -> None:
    for batch in batches(sets, words, "keep"):
        _, counts = torch.unique(batch.group_id, return_counts=True)
        assert counts.tolist() == [2, 2, 2, 2]


def test_knowledge_batches__hold_the_name_of_every_term_drawn(words: Words) -> None:
    ids, mask, relation = next(iter(KnowledgeBatches(words, 0, 4)))
    assert ids.shape == mask.shape
    assert relation.group is not None
    assert len(relation.group) == 8
    assert relation.related is not None


def test_train_knowledge__leaves_the_image_side_alone(words: Words) -> None:
    model = model_of(words, "keep")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    train_knowledge(model, words, 0)
    changed = {n for n, value in model.state_dict().items() if not torch.equal(value, before[n])}
    assert changed
    assert all(name.startswith("text_") for name in changed)


def test_train_pairs__can_freeze_the_text_side(
    sets: dict[str, TileSet], concepts: Concepts, words: Words
) -> None:
    frozen = words.recipe.model_copy(
        update={"knowledge": KnowledgeSettings(steps=2, text_rate=0.0)}
    )
    of_frozen = Words(concepts, words.captions, frozen)
    model = model_of(of_frozen, "keep")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    train_pairs(model, sets, of_frozen, ARMS["keep"], 0)
    after = model.state_dict()
    assert all(torch.equal(after[n], v) for n, v in before.items() if n.startswith("text_"))
    assert not torch.equal(after["image_projection.weight"], before["image_projection.weight"])


@pytest.mark.parametrize("replay", [0.0, 0.5])
def test_train_pairs__descends_every_step(
    sets: dict[str, TileSet], concepts: Concepts, words: Words, replay: float
) -> None:
    knowledge = words.recipe.knowledge.model_copy(
        update={"replay_weight": replay, "replay_concepts": 4}
    )
    recipe = words.recipe.model_copy(update={"knowledge": knowledge})
    chosen = Words(concepts, words.captions, recipe)
    (loss,) = train_pairs(model_of(chosen, "keep"), sets, chosen, ARMS["keep"], 0)
    assert np.isfinite(loss)


def test_score_tiles__gives_probabilities_of_distinct_parents(
    sets: dict[str, TileSet], words: Words
) -> None:
    scores = score_tiles(model_of(words, "clip"), sets, words)
    found = scores["lc25000"]
    assert found["names"].shape == (24, 3)
    assert found["parents"].shape == (24, 2)
    np.testing.assert_allclose(found["parents"].sum(axis=1), 1.0, rtol=0, atol=1e-5)


def test_targets_of__join_classes_that_share_a_parent(
    sets: dict[str, TileSet], words: Words
) -> None:
    targets = targets_of(words, sets["lc25000"], "parents")
    assert targets.names == ("lung non-small cell carcinoma", "colon carcinoma")
    assert targets.of_class.tolist() == [0, 0, 1]
    assert targets.is_disease.tolist() == [True, True]


def test_colour_scores__tell_apart_what_differs_in_colour(sets: dict[str, TileSet]) -> None:
    train, test = split(sets, 0)
    scores = colour_scores(train["lc25000"], test["lc25000"])
    assert np.mean(scores.argmax(axis=1) == test["lc25000"].label) > 0.9
