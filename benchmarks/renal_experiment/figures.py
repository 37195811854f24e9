"""Figures with intervals: seeds are drawn, and within each its test patients.

One draw serves all arms, so differences are paired. A draw takes as many seeds as there are, with
replacement, and of each as many patients as it has. Galleries of retrieval stay as they are:
patients are drawn as queries. Figures are means over seeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from medvlp.metrics import UndefinedMetricError
from medvlp.metrics.ranking import auroc
from medvlp.metrics.survival import harrell_concordance

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[Any]]
    Ints = NDArray[np.int64]

__all__ = ["Estimate", "difference", "draw_patients", "estimate", "measure"]

RANKS = (1, 5, 10)
_WAYS = ("image_to_text", "text_to_image")


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval, in points (hundredths).

    Attributes:
        value: Mean over seeds.
        low: Lower end.
        high: Upper end.
        by_seed: The figure of each seed.
    """

    value: float
    low: float
    high: float
    by_seed: tuple[float, ...]


def measure(arrays: Arrays, drawn: Ints | None = None) -> dict[str, float]:
    """Compute the figures of one cell.

    ``auroc`` is over kidneys with a mass. ``R@k`` is the mean of both directions over all
    kidneys; ``R@k repeated`` and ``R@k single`` are over those whose report other test kidneys have
    as well, and the others. ``accuracy`` and ``balanced_accuracy`` are means over attributes of the
    kidneys whose report states them, ``accuracy_majority`` is that of the most frequent class.

    Args:
        arrays: What the cell holds.
        drawn: Patients, some of them several times; None takes each once.

    Returns:
        Name of a figure -> value; without those that have none.
    """
    patients = np.arange(len(arrays["months"])) if drawn is None else drawn
    kidneys = _kidneys(np.asarray(arrays["patient"]), patients)
    found: dict[str, float] = {}
    if "score" in arrays:
        label = np.asarray(arrays["malignant"])[kidneys]
        masses = label >= 0
        _keep(found, "auroc", auroc, label[masses], np.asarray(arrays["score"])[kidneys][masses])
        found.update(_retrieval(arrays, kidneys))
    if "guesses" in arrays:
        found.update(_attributes(arrays, kidneys))
    outcome = [np.asarray(arrays[name])[patients] for name in ("months", "event", "risk")]
    _keep(found, "c_index", _concordance, *outcome)
    return found


def draw_patients(counts: Sequence[int], draws: int) -> list[list[tuple[int, Ints]]]:
    """Draw seeds and patients.

    Args:
        counts: Test patients of each seed.
        draws: How often.

    Returns:
        Per draw: places of seeds, each with the places of its patients.
    """
    found = []
    for number in range(draws):
        rng = np.random.default_rng((2508, number))
        places = rng.integers(len(counts), size=len(counts)).tolist()
        found.append([(place, rng.integers(counts[place], size=counts[place])) for place in places])
    return found


def estimate(
    cells: Sequence[Arrays], draws: Sequence[Sequence[tuple[int, Ints]]]
) -> dict[str, tuple[Estimate, NDArray[np.float64]]]:
    """Compute the figures of an arm.

    Args:
        cells: Arrays of each seed.
        draws: What :func:`draw_patients` drew.

    Returns:
        Name -> estimate, and its value in every draw, in points.
    """
    seeds = [measure(cell) for cell in cells]
    names = [name for name in seeds[0] if all(name in seed for seed in seeds)]
    values = {name: np.full(len(draws), np.nan) for name in names}
    for number, draw in enumerate(draws):
        parts = [measure(cells[place], patients) for place, patients in draw]
        for name in names:
            values[name][number] = 100 * np.nanmean([part.get(name, np.nan) for part in parts])
    found = {}
    for name in names:
        own = tuple(round(100 * seed[name], 2) for seed in seeds)
        found[name] = (_summarise(own, values[name]), values[name])
    return found


def difference(
    one: tuple[Estimate, NDArray[np.float64]], other: tuple[Estimate, NDArray[np.float64]]
) -> Estimate:
    """Return one arm less another, over the same draws."""
    pairs = zip(one[0].by_seed, other[0].by_seed, strict=True)
    return _summarise(tuple(round(a - b, 2) for a, b in pairs), one[1] - other[1])


def _summarise(by_seed: tuple[float, ...], values: NDArray[np.float64]) -> Estimate:
    low, high = np.nanpercentile(values, [2.5, 97.5])
    mean = round(float(np.mean(by_seed)), 2)
    return Estimate(mean, round(float(low), 2), round(float(high), 2), by_seed)


def _kidneys(owner: NDArray[np.generic], patients: Ints) -> Ints:
    """Return the kidneys of patients, those of a patient as often as the patient was drawn."""
    order = np.argsort(owner, kind="stable")
    sizes = np.bincount(owner.astype(np.int64))
    starts = np.cumsum(sizes) - sizes
    lengths = sizes[patients]
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.asarray(order[np.repeat(starts[patients], lengths) + within], np.int64)


def _retrieval(arrays: Arrays, kidneys: Ints) -> dict[str, float]:
    group = np.asarray(arrays["group"])
    is_repeated = (np.bincount(group.astype(np.int64))[group.astype(np.int64)] > 1)[kidneys]
    found: dict[str, float] = {}
    for rank in RANKS:
        hits = np.mean([np.asarray(arrays[way])[kidneys] < rank for way in _WAYS], axis=0)
        found[f"R@{rank}"] = float(hits.mean())
        for name, keep in (("repeated", is_repeated), ("single", ~is_repeated)):
            if keep.any():
                found[f"R@{rank} {name}"] = float(hits[keep].mean())
    return found


def _attributes(arrays: Arrays, kidneys: Ints) -> dict[str, float]:
    labels, guesses = (np.asarray(arrays[name])[kidneys] for name in ("labels", "guesses"))
    right, balanced, usual = [], [], []
    for column, most in enumerate(np.asarray(arrays["majority"])):
        stated = labels[:, column] >= 0
        truth, guess = labels[stated, column], guesses[stated, column]
        if not len(truth):
            continue
        right.append(np.mean(truth == guess))
        usual.append(np.mean(truth == most))
        balanced.append(np.mean([np.mean(guess[truth == one] == one) for one in np.unique(truth)]))
    found = {"accuracy": right, "balanced_accuracy": balanced, "accuracy_majority": usual}
    return {name: float(np.mean(values)) for name, values in found.items()}


def _keep(
    found: dict[str, float],
    name: str,
    metric: Callable[..., float],
    *arrays: NDArray[np.generic],
) -> None:
    """Compute a metric where it has a value."""
    try:
        found[name] = metric(*arrays)
    except UndefinedMetricError:
        return


def _concordance(
    months: NDArray[np.generic], event: NDArray[np.generic], risk: NDArray[np.generic]
) -> float:
    return harrell_concordance(months, event, risk).index
