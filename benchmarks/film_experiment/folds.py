"""Folds of whole patients with equal shares of every label of every set."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.film_experiment.films import QUESTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.film_experiment.films import Film

__all__ = ["FEW_PATIENTS", "assign_folds", "class_counts", "few_of_a_class"]

FEW_PATIENTS = 5


def assign_folds(films: Sequence[Film], num_folds: int, seed: int) -> list[int]:
    """Return the fold of every film; films of a patient are in one.

    Patients are dealt one by one, those with the rarest labels first, each to the fold that has
    least of what the patient brings.

    Args:
        films: The films.
        num_folds: How many folds.
        seed: Seed of the order among patients who are equally rare.
    """
    brings: dict[str, Counter[tuple[str, str, int]]] = {}
    for film in films:
        own = brings.setdefault(film.patient, Counter())
        own[film.source, "", 0] += 1
        own.update((film.source, name, value) for name, value in film.labels.items())
    total: Counter[tuple[str, str, int]] = Counter()
    for own in brings.values():
        total.update(own)
    chance = np.random.default_rng(seed).permutation(len(brings))
    order = sorted(
        zip(brings, chance.tolist(), strict=True),
        key=lambda item: (min(total[key] for key in brings[item[0]]), item[1]),
    )
    held: list[Counter[tuple[str, str, int]]] = [Counter() for _ in range(num_folds)]
    fold_of: dict[str, int] = {}
    for patient, _ in order:
        own = brings[patient]
        costs = [
            (sum(count * have[key] / total[key] for key, count in own.items()), have.total())
            for have in held
        ]
        fold_of[patient] = costs.index(min(costs))
        held[fold_of[patient]].update(own)
    return [fold_of[film.patient] for film in films]


def class_counts(films: Sequence[Film], folds: Sequence[int]) -> dict[str, list[dict[str, int]]]:
    """Return question -> fold -> films and patients of both classes.

    Args:
        films: The films.
        folds: Fold of each.
    """
    found: dict[str, list[dict[str, int]]] = {}
    for key, question in QUESTIONS.items():
        rows = []
        for fold in sorted(set(folds)):
            stated = [
                (film.labels[question.finding], film.patient)
                for film, place in zip(films, folds, strict=True)
                if place == fold and question.finding in film.labels
            ]
            row = {}
            for name, value in (("positive", 1), ("negative", 0)):
                patients = [patient for label, patient in stated if label == value]
                row |= {name: len(patients), f"{name}_patients": len(set(patients))}
            rows.append(row)
        found[key] = rows
    return found


def few_of_a_class(counts: Mapping[str, Sequence[Mapping[str, int]]]) -> list[str]:
    """Say where a fold holds fewer than ``FEW_PATIENTS`` patients of a class.

    Args:
        counts: What :func:`class_counts` gave.
    """
    return [
        f"{QUESTIONS[key].title}, fold {fold}: {row[f'{name}_patients']} patients are {name}"
        for key, rows in counts.items()
        for fold, row in enumerate(rows)
        for name in ("positive", "negative")
        if row[f"{name}_patients"] < FEW_PATIENTS
    ]
