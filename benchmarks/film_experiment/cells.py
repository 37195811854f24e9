"""One fold: trained and judged once, found again afterwards."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.film_experiment.films import BOOK_FILE
from benchmarks.film_experiment.folds import assign_folds
from benchmarks.film_experiment.pixels import downscale, regress
from benchmarks.film_experiment.training import (
    ask,
    prepare_films,
    read_pictures,
    train_network,
)
from medvlp.config.documents import read_yaml
from medvlp.io import json_sha256, publish_file, write_json
from medvlp.knowledge.facets import load_finding_book
from medvlp.training.demo import shipped_config

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.film_experiment.films import Film
    from benchmarks.film_experiment.training import Recipe

__all__ = ["Fold", "load_scores", "make_folds", "run_fold"]

_VERSION = 1


@dataclass(frozen=True)
class Fold:
    """What one cell trains on and what it judges.

    Attributes:
        name: Name of its files.
        films: All its films.
        is_test: Whether each is judged.
    """

    name: str
    films: tuple[Film, ...]
    is_test: tuple[bool, ...]

    def part(self, *, test: bool) -> list[Film]:
        """Return the films that are judged, or the others."""
        return [film for film, held in zip(self.films, self.is_test, strict=True) if held == test]

    def digest(self, recipe: Recipe) -> str:
        """Return the hash of all that decides the cell."""
        told = [
            [film.name, film.patient, film.report, dict(film.labels), held]
            for film, held in zip(self.films, self.is_test, strict=True)
        ]
        book = load_finding_book(BOOK_FILE).content_sha256
        config = read_yaml(shipped_config("devide/small.yaml"))
        return json_sha256([_VERSION, recipe.model_dump(mode="json"), book, config, told])


def make_folds(films: Sequence[Film], recipe: Recipe, *, inner: bool) -> list[Fold]:
    """Divide films into folds of whole patients.

    Args:
        films: The films.
        recipe: How many folds.
        inner: Whether to return instead a single fold within the training part of the first, to
            choose settings on.
    """
    places = assign_folds(films, recipe.folds, recipe.fold_seed)
    if inner:
        kept = [film for film, place in zip(films, places, strict=True) if place != 0]
        within = assign_folds(kept, recipe.folds, recipe.fold_seed)
        return [Fold("inner", tuple(kept), tuple(place == 0 for place in within))]
    return [
        Fold(f"fold{number}", tuple(films), tuple(place == number for place in places))
        for number in range(recipe.folds)
    ]


def run_fold(out: Path, fold: Fold, recipe: Recipe) -> dict[str, Any]:
    """Train and judge, unless that was done with the same settings.

    Args:
        out: Folder of results.
        fold: The films.
        recipe: The setting.

    Returns:
        The cell's record, as its JSON holds it. The scores of the films lie beside it.
    """
    digest = fold.digest(recipe)
    path = out / f"{fold.name}.json"
    if path.exists() and path.with_suffix(".npz").exists():
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if record["settings_sha256"] == digest:
            return record
    torch.set_num_threads(1)
    work = out / "work" / f"{fold.name}_{digest[:12]}"
    started, at_first = time.monotonic(), time.process_time()
    folder = prepare_films(work, fold.films, fold.is_test)
    bundle = train_network(work / "run", folder, recipe)
    trained, used = time.monotonic(), time.process_time()
    train, test = fold.part(test=False), fold.part(test=True)
    before, pictures = read_pictures(folder, train), read_pictures(folder, test)
    answers = {f"network {key}": found for key, found in ask(bundle, pictures).items()}
    blank = np.full_like(pictures, before.mean())
    answers |= {f"blank {key}": found for key, found in ask(bundle, blank).items()}
    side = recipe.pixels
    scores, strengths = regress(
        downscale(before, side), train, downscale(pictures, side), recipe.fold_seed
    )
    answers |= {f"pixels {key}": found for key, found in scores.items()}
    record = {
        "fold": fold.name,
        "settings_sha256": digest,
        "train": {"films": len(train), "patients": len({film.patient for film in train})},
        "test": {"films": len(test), "patients": len({film.patient for film in test})},
        "strength_of_penalty": strengths,
        "seconds": {
            "preparing_and_training": round(trained - started, 1),
            "cpu_of_training": round(used - at_first, 1),
            "judging": round(time.monotonic() - trained, 1),
        },
    }
    with publish_file(path.with_suffix(".npz")) as partial, partial.open("wb") as file:
        np.savez_compressed(file, films=np.array([film.name for film in test]), **answers)
    write_json(path, record)
    return record


def load_scores(out: Path, fold: Fold) -> dict[str, np.ndarray]:
    """Read what was answered of the films of a finished cell, in the order of its test films.

    Args:
        out: Folder of results.
        fold: Which.
    """
    with np.load(out / f"{fold.name}.npz") as arrays:
        found = {name: arrays[name] for name in arrays.files}
    if found.pop("films").tolist() != [film.name for film in fold.part(test=True)]:
        message = f"{fold.name} judged other films"
        raise ValueError(message)
    return found
