"""Areas under the ROC curve over films of one fold, with intervals over patients.

Scores of different folds come from different networks: only pairs of a positive and a negative film
of the same fold count, so that an answer that is the same for all films is exactly at chance.
``within sets`` counts pairs of the same fold and set only: there, the look of a set is no help.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.film_experiment.films import QUESTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

__all__ = [
    "CONTROLS",
    "METHODS",
    "Answers",
    "Estimate",
    "draw_patients",
    "find_misses",
    "pair_areas",
    "summarise",
    "table_lines",
]

METHODS = ("network", "pixels")
CONTROLS = ("blank", "shuffled")
SCOPES = ("all", "within sets")
_SEED = 2508


@dataclass(frozen=True)
class Estimate:
    """An area and its 95 % interval.

    Attributes:
        value: The area.
        low: Lower end.
        high: Upper end.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Answers:
    """What was answered of films to one question; N films with a label.

    Attributes:
        label: 1 or 0, shape ``(N,)``, int64.
        fold: Fold of each film, shape ``(N,)``, int64.
        source: Set of each film, shape ``(N,)``, int64.
        patient: Patient of each film, shape ``(N,)``, int64.
        scores: Method -> answers, shape ``(N,)``.
    """

    label: Ints
    fold: Ints
    source: Ints
    patient: Ints
    scores: Mapping[str, Floats]

    def strata(self, scope: str) -> Ints:
        """Return what two films must have in common to be compared, as numbers."""
        if scope == "all":
            return self.fold
        return self.fold * (int(self.source.max()) + 1) + self.source


def pair_areas(label: Ints, scores: Floats, strata: Ints, weight: Floats) -> Floats:
    """Return the share of pairs of one stratum whose positive film scores higher; ties are half.

    Args:
        label: 1 or 0, shape ``(N,)``.
        scores: Shape ``(N,)``.
        strata: Films of equal numbers are compared, shape ``(N,)``.
        weight: How often each film counts in each draw, shape ``(N, R)``.

    Returns:
        Shape ``(R,)``; NaN where there is no pair.
    """
    won = np.zeros(weight.shape[1])
    pairs = np.zeros(weight.shape[1])
    for stratum in np.unique(strata):
        positive = np.flatnonzero((strata == stratum) & (label == 1))
        negative = np.flatnonzero((strata == stratum) & (label == 0))
        if not (len(positive) and len(negative)):
            continue
        gap = scores[positive][:, None] - scores[negative]
        wins = (gap > 0) + 0.5 * (gap == 0)
        won += np.einsum("pr,pr->r", weight[positive], wins @ weight[negative])
        pairs += weight[positive].sum(0) * weight[negative].sum(0)
    return np.where(pairs > 0, won / np.where(pairs > 0, pairs, 1.0), np.nan)


def draw_patients(patient: Ints, fold: Ints, draws: int, seed: int = _SEED) -> Floats:
    """Draw the patients of each fold with replacement, with all their films.

    Args:
        patient: Patient of each film, shape ``(N,)``.
        fold: Fold of each film, shape ``(N,)``.
        draws: How often, R.
        seed: Seed.

    Returns:
        How often each film counts in each draw, shape ``(N, R)``.
    """
    rng = np.random.default_rng(seed)
    weight = np.zeros((len(patient), draws))
    for number in np.unique(fold):
        rows = np.flatnonzero(fold == number)
        names, member = np.unique(patient[rows], return_inverse=True)
        times = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
        weight[rows] = times.T[member]
    return weight


def summarise(answers: Mapping[str, Answers], draws: int) -> dict[str, Any]:
    """Compute every figure, as JSON.

    Args:
        answers: Question -> answers.
        draws: Resamples of patients, and exchanges of pictures.

    Returns:
        Question -> scope -> method or control -> area and interval, the network's area less that
        of the regression, and the area of each fold.
    """
    return {
        key: {scope: _scope(own, scope, draws) for scope in SCOPES} for key, own in answers.items()
    }


def find_misses(figures: Mapping[str, Any]) -> list[str]:
    """Say which target is missed, and which control is not at chance.

    Args:
        figures: What :func:`summarise` gave.
    """
    found = []
    for key, question in QUESTIONS.items():
        for scope in SCOPES if key in figures else ():
            row = figures[key][scope]
            reached = row["network"]["value"]
            if question.target is not None and reached < question.target:
                found.append(f"{question.title}, {scope}: {reached:.3f} is below {question.target}")
            for name in CONTROLS:
                low, high = row[name]["low"], row[name]["high"]
                if not low <= 0.5 <= high:
                    found.append(f"{question.title}, {scope}: {name} {low:.3f} to {high:.3f}")
    return found


def table_lines(figures: Mapping[str, Any]) -> list[str]:
    """Return the figures as a table.

    Args:
        figures: What :func:`summarise` gave.
    """
    columns = (*METHODS, "difference", *CONTROLS)
    lines = [f"{'':<34}" + "".join(f"{name:>26}" for name in columns)]
    for key, scopes in figures.items():
        for scope, row in scopes.items():
            cells = [
                f"{row[name]['value']:.3f} ({row[name]['low']:.3f} to {row[name]['high']:.3f})"
                for name in columns
            ]
            title = f"{QUESTIONS[key].title}, {scope}"
            lines.append(f"{title:<34}" + "".join(f"{cell:>26}" for cell in cells))
    return lines


def _scope(own: Answers, scope: str, draws: int) -> dict[str, Any]:
    strata = own.strata(scope)
    weight = draw_patients(own.patient, own.fold, draws)
    once = np.ones((len(own.label), 1))
    values = {
        name: pair_areas(own.label, own.scores[name], strata, weight)
        for name in (*METHODS, "blank")
    }
    points = {
        name: float(pair_areas(own.label, own.scores[name], strata, once)[0]) for name in values
    }
    values["difference"] = values["network"] - values["pixels"]
    points["difference"] = points["network"] - points["pixels"]
    values["shuffled"] = _shuffled(own, strata, weight)
    points["shuffled"] = float(np.nanmean(_shuffled(own, strata, np.ones_like(weight))))
    found: dict[str, Any] = {
        name: asdict(_estimate(points[name], drawn)) for name, drawn in values.items()
    }
    by_fold = {}
    for name in METHODS:
        by_fold[name] = [
            _number(
                pair_areas(own.label[rows], own.scores[name][rows], strata[rows], once[rows])[0]
            )
            for rows in (np.flatnonzero(own.fold == number) for number in np.unique(own.fold))
        ]
    return {**found, "by_fold": by_fold, "films": len(own.label)}


def _shuffled(own: Answers, strata: Ints, weight: Floats) -> Floats:
    """Answers of pictures exchanged among the films of a stratum, anew in each draw."""
    rng = np.random.default_rng(_SEED + 1)
    found = np.empty(weight.shape[1])
    rows_of = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    for draw in range(weight.shape[1]):
        scores = own.scores["network"].copy()
        for rows in rows_of:
            scores[rows] = scores[rng.permutation(rows)]
        found[draw] = pair_areas(own.label, scores, strata, weight[:, draw : draw + 1])[0]
    return found


def _estimate(value: float, drawn: Floats) -> Estimate:
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return Estimate(round(value, 4), round(float(low), 4), round(float(high), 4))


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)
