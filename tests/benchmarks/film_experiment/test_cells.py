"""A fold is trained and judged once, and found again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.film_experiment import cells
from benchmarks.film_experiment.films import QUESTIONS, Film
from benchmarks.film_experiment.training import load_recipe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.film_experiment.cells import Fold

FINDINGS = [question.finding for question in QUESTIONS.values()]


def made_up_folds() -> list[Fold]:
    films = [
        Film("set", Path(f"{n}.png"), f"p{n}", "", {name: n % 2 for name in FINDINGS})
        for n in range(24)
    ]
    return cells.make_folds(films, load_recipe(), inner=False)


def play(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Put something quick in the place of training; returns what was trained."""
    trained: list[str] = []

    def read(_: Path, films: list[Film]) -> NDArray[np.float32]:
        rng = np.random.default_rng(0)
        noise = rng.uniform(0, 0.2, (len(films), 64, 64))
        bright = np.array([film.labels[FINDINGS[0]] for film in films])
        return np.asarray(noise + bright[:, None, None] / 2, np.float32)

    def ask(_: Path, pictures: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
        return {key: pictures.mean((1, 2), dtype=np.float64).round(6) for key in QUESTIONS}

    def train(out: Path, *_: object) -> Path:
        trained.append(out.parent.name.split("_")[0])
        return out

    monkeypatch.setattr(cells, "prepare_films", lambda out, *_: out)
    monkeypatch.setattr(cells, "train_network", train)
    monkeypatch.setattr(cells, "read_pictures", read)
    monkeypatch.setattr(cells, "ask", ask)
    return trained


def test_run_fold__is_done_once_and_again_for_another_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained, fold, recipe = play(monkeypatch), made_up_folds()[1], load_recipe()
    first = cells.run_fold(tmp_path, fold, recipe)
    assert cells.run_fold(tmp_path, fold, recipe) == first
    assert trained == ["fold1"]
    other = recipe.model_copy(update={"pixels": 16})
    assert cells.run_fold(tmp_path, fold, other)["settings_sha256"] != first["settings_sha256"]
    assert trained == ["fold1", "fold1"]
    assert first["test"] == {"films": 8, "patients": 8}


def test_load_scores__come_in_the_order_of_the_test_films(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(monkeypatch)
    folds = made_up_folds()
    cells.run_fold(tmp_path, folds[0], load_recipe())
    found = cells.load_scores(tmp_path, folds[0])
    bright = [film.labels[FINDINGS[0]] for film in folds[0].part(test=True)]
    for method in ("network", "pixels"):
        assert ((found[f"{method} lateral"] > 0.35) == bright).all()
    assert len(np.unique(found["blank lateral"])) == 1
    (tmp_path / "fold0.npz").rename(tmp_path / "fold2.npz")
    with pytest.raises(ValueError, match="other films"):
        cells.load_scores(tmp_path, folds[2])
