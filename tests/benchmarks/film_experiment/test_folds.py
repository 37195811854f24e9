"""Folds keep patients whole and labels even, and say where a class is rare."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.film_experiment.cells import make_folds
from benchmarks.film_experiment.films import Film, read_films
from benchmarks.film_experiment.folds import assign_folds, class_counts, few_of_a_class
from benchmarks.film_experiment.training import load_recipe

LATERAL = "lateral view"


def made_up(seed: int = 3) -> list[Film]:
    """60 patients of 1 to 4 films; every fifth patient has a lateral film."""
    rng = np.random.default_rng(seed)
    return [
        Film("set", Path(f"{patient}_{film}.png"), f"p{patient}", "", {LATERAL: int(is_lateral)})
        for patient in range(60)
        for film in range(int(rng.integers(1, 5)))
        for is_lateral in [film == 0 and patient % 5 == 0]
    ]


@pytest.mark.parametrize("num", [3, 5])
def test_assign_folds__keeps_patients_whole_and_labels_even(num: int) -> None:
    films = made_up()
    folds = assign_folds(films, num, seed=0)
    of_patient: dict[str, set[int]] = {}
    for film, fold in zip(films, folds, strict=True):
        of_patient.setdefault(film.patient, set()).add(fold)
    assert all(len(found) == 1 for found in of_patient.values())
    rows = class_counts(films, folds)["lateral"]
    assert len(rows) == num
    positives = [row["positive"] for row in rows]
    assert sum(positives) == 12
    assert max(positives) - min(positives) <= 1
    sizes = [folds.count(fold) for fold in range(num)]
    assert max(sizes) - min(sizes) <= 6


def test_assign_folds__is_told_by_its_seed() -> None:
    films = made_up()
    assert assign_folds(films, 3, seed=0) == assign_folds(films, 3, seed=0)
    assert assign_folds(films, 3, seed=0) != assign_folds(films, 3, seed=1)


def test_few_of_a_class__says_question_fold_and_class() -> None:
    films = made_up()
    counts = class_counts(films, assign_folds(films, 3, seed=0))
    said = few_of_a_class(counts)
    assert "lateral / frontal, fold 0: 4 patients are positive" in said
    assert not any("lateral" in line and "negative" in line for line in said)
    assert "COVID-19 / other, fold 2: 0 patients are negative" in said


def test_make_folds__the_inner_one_holds_no_test_film_of_the_first() -> None:
    films, recipe = made_up(), load_recipe()
    outer = make_folds(films, recipe, inner=False)
    judged = [film.name for fold in outer for film in fold.part(test=True)]
    assert sorted(judged) == sorted(film.name for film in films)
    (inner,) = make_folds(films, recipe, inner=True)
    held = {film.patient for film in outer[0].part(test=True)}
    assert held.isdisjoint(film.patient for film in inner.films)
    own = {film.patient for film in inner.part(test=True)}
    assert own
    assert own.isdisjoint(film.patient for film in inner.part(test=False))


def test_digest__changes_with_a_label_and_with_the_fold() -> None:
    films, recipe = made_up(), load_recipe()
    first, second, _ = make_folds(films, recipe, inner=False)
    assert first.digest(recipe) != second.digest(recipe)
    other = [Film("set", films[0].path, films[0].patient, "", {}), *films[1:]]
    changed = type(first)(first.name, tuple(other), first.is_test)
    assert changed.digest(recipe) != first.digest(recipe)


def test_real_folds__hold_enough_patients_of_each_class(real_data: Path) -> None:
    films = read_films(real_data)
    assert len(films) == 401
    folds = assign_folds(films, load_recipe().folds, load_recipe().fold_seed)
    assert few_of_a_class(class_counts(films, folds)) == []
