"""One cell of the experiment: an arm, a seed and a fold; done once, found again afterwards."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.torch import load_file, save_file

from benchmarks.keep_experiment.concepts import CONDITIONS
from benchmarks.keep_experiment.evaluation import colour_scores, score_tiles, targets_of
from benchmarks.keep_experiment.settings import ARMS
from benchmarks.keep_experiment.stage1 import train_knowledge
from benchmarks.keep_experiment.stage2 import train_pairs
from benchmarks.keep_experiment.statistics import Judged, measure
from medvlp.io import json_sha256, publish_file, write_json
from medvlp.models.dual_encoder import DualEncoder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from benchmarks.keep_experiment.concepts import Condition
    from benchmarks.keep_experiment.tiles import TileSet
    from benchmarks.keep_experiment.words import Words

__all__ = ["Bench", "Cell", "colour_cell", "run_cell"]

_VERSION = 1
_TEXT_SIDE = ("text_tower.", "text_projection.")


@dataclass(frozen=True)
class Cell:
    """One training and its evaluation.

    Attributes:
        arm: Name of the arm, or ``colour`` for the baseline, which has no seed.
        seed: Seed of weights, order and augmentation.
        fold: Name of the fold.
    """

    arm: str
    seed: int
    fold: str

    @property
    def name(self) -> str:
        """Name of its files."""
        return f"{self.arm}_seed{self.seed}_fold{self.fold}"


@dataclass(frozen=True)
class Bench:
    """What all cells share.

    Attributes:
        out: Folder of results.
        words: The texts and the recipe.
        folds: Fold to training tiles and test tiles, by set.
        say: Told what is done.
    """

    out: Path
    words: Words
    folds: Mapping[str, tuple[Mapping[str, TileSet], Mapping[str, TileSet]]]
    say: Callable[[str], None] = field(repr=False)

    def settings(self, cell: Cell) -> dict[str, Any]:
        """Return all that decides a cell, for its hash."""
        train, test = self.folds[cell.fold]
        arm = ARMS[cell.arm].model_dump(mode="json") if cell.arm in ARMS else {"arm": cell.arm}
        return {
            "version": _VERSION,
            "arm": arm,
            "seed": cell.seed,
            "recipe": self.words.recipe.model_dump(mode="json"),
            "captions": self.words.captions.model_dump(mode="json"),
            "sets": {name: dict(labels) for name, labels in self.words.concepts.sets.items()},
            "graph": self.words.concepts.graph.content_sha256,
            "train": {name: list(tiles.paths) for name, tiles in train.items()},
            "test": {name: list(tiles.paths) for name, tiles in test.items()},
        }


def run_cell(bench: Bench, cell: Cell) -> dict[str, Any]:
    """Train and judge, unless that was done with the same settings.

    Args:
        bench: What cells share.
        cell: Which one.

    Returns:
        The cell's record, as its JSON holds it. The scores of the tiles lie beside it.
    """
    digest = json_sha256(bench.settings(cell))
    record = _done(bench, cell, digest)
    if record is not None:
        return record
    words, arm = bench.words, ARMS[cell.arm]
    train, test = bench.folds[cell.fold]
    started = time.monotonic()
    model = DualEncoder(words.recipe.encoder(arm), words.tokenizer.vocab_size, seed=cell.seed)
    stage1 = _take_knowledge(bench, model, cell.seed) if arm.knows else None
    between = time.monotonic()
    losses = train_pairs(model, train, words, arm, cell.seed)
    trained = time.monotonic()
    scores = score_tiles(model, test, words)
    judged = {
        f"{name}/{condition}": _judged(words, test[name], condition, scores[name][condition])
        for name in test
        for condition in CONDITIONS
    }
    seconds = {
        "stage1": round(between - started, 1),
        "stage2": round(trained - between, 1),
        "evaluation": round(time.monotonic() - trained, 1),
    }
    facts = {
        "logit_scale": round(float(model.logit_scale.detach().exp()), 3),
        "seconds": seconds,
        "losses": [round(loss, 4) for loss in losses],
        "stage1": stage1,
    }
    record = _publish(bench, cell, digest, judged, facts)
    bench.say(f"{cell.name}: {sum(seconds.values()):.0f} s")
    return record


def colour_cell(bench: Bench, fold: str) -> dict[str, Any]:
    """Judge the test tiles of a fold by their colour alone.

    Args:
        bench: What cells share.
        fold: The fold.
    """
    cell = Cell("colour", 0, fold)
    digest = json_sha256(bench.settings(cell))
    record = _done(bench, cell, digest)
    if record is not None:
        return record
    train, test = bench.folds[fold]
    judged = {
        f"{name}/names": _judged(bench.words, tiles, "names", colour_scores(train[name], tiles))
        for name, tiles in test.items()
    }
    return _publish(bench, cell, digest, judged, {})


def _take_knowledge(bench: Bench, model: DualEncoder, seed: int) -> dict[str, Any]:
    """Train the text side on the graph, or load what an earlier cell of this seed trained."""
    words, knowledge = bench.words, bench.words.recipe.knowledge
    decides = {
        "seed": seed,
        "graph": words.concepts.graph.content_sha256,
        "tokenizer": json_sha256(words.tokenizer.vocabulary),
        "towers": model.settings.model_dump(mode="json"),
        "knowledge": knowledge.model_dump(mode="json"),
        "weight_decay": words.recipe.weight_decay,
    }
    path = bench.out / "stage1" / f"seed{seed}_{json_sha256(decides)[:12]}.safetensors"
    facts = path.with_suffix(".json")
    if path.exists() and facts.exists():
        model.load_state_dict(load_file(path), strict=False)
        return {**json.loads(facts.read_text(encoding="utf-8")), "reused": True}
    started = time.monotonic()
    losses = train_knowledge(model, words, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = {k: v for k, v in model.state_dict().items() if k.startswith(_TEXT_SIDE)}
    with publish_file(path) as partial:
        save_file(weights, partial)
    found = {
        "terms": len(words.part),
        "texts": len(words.attributes),
        "seconds": round(time.monotonic() - started, 1),
        "losses": [round(loss, 4) for loss in losses],
    }
    write_json(facts, found)
    return {**found, "reused": False}


def _judged(words: Words, tiles: TileSet, condition: Condition, scores: np.ndarray) -> Judged:
    targets = targets_of(words, tiles, condition)
    return Judged(
        label=targets.of_class[tiles.label],
        group=tiles.group,
        scores=scores,
        is_disease=targets.is_disease,
    )


def _done(bench: Bench, cell: Cell, digest: str) -> dict[str, Any] | None:
    path = bench.out / f"{cell.name}.json"
    if not path.exists() or not path.with_suffix(".npz").exists():
        return None
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if record["settings_sha256"] != digest:
        bench.say(f"{cell.name}: was done with other settings, done again")
        return None
    return record


def _publish(
    bench: Bench, cell: Cell, digest: str, judged: dict[str, Judged], facts: dict[str, Any]
) -> dict[str, Any]:
    """Write scores, then the record: a record stands for finished scores."""
    bench.out.mkdir(parents=True, exist_ok=True)
    path = bench.out / f"{cell.name}.json"
    arrays = {
        f"{key}/{name}": getattr(found, name)
        for key, found in judged.items()
        for name in ("label", "group", "scores", "is_disease")
    }
    with publish_file(path.with_suffix(".npz")) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **arrays)
    record = {
        "arm": cell.arm,
        "seed": cell.seed,
        "fold": cell.fold,
        "settings_sha256": digest,
        "figures": {
            key: {
                name: round(100 * float(values[0]), 2)
                for name, values in measure(found, np.ones((1, len(found.label)))).items()
                if np.isfinite(values[0])
            }
            for key, found in judged.items()
        },
        **facts,
    }
    write_json(path, record)
    return record
