"""Figures with intervals: seeds are drawn, and within each its test pictures.

One draw serves both arms, so differences are paired. A draw takes as many seeds as there are, with
replacement, and of each as many pictures as it has. Figures are means over seeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import rankdata

from medvlp.phantoms.chest.traits import PHANTOM_FINDINGS, SEEN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[np.generic]]
    Draws = Sequence[Sequence[tuple[int, NDArray[np.int64]]]]

__all__ = ["Estimate", "by_finding", "difference", "draw_pictures", "estimate", "measure"]

_NUM_SEEN = len(SEEN)
_PARTS = {
    "seen": slice(0, _NUM_SEEN),
    "unseen": slice(_NUM_SEEN, len(PHANTOM_FINDINGS)),
    "all": slice(0, len(PHANTOM_FINDINGS)),
}


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


def measure(arrays: Arrays, drawn: NDArray[np.int64] | None = None) -> dict[str, float]:
    """Compute the figures of one cell.

    ``auroc`` is the mean over findings, seen in training or not; ``pointing`` the share of findings
    that are there whose attention is largest within one of their boxes.

    Args:
        arrays: What the cell holds.
        drawn: Pictures, some of them several times; None takes each once.

    Returns:
        Name of a figure -> value.
    """
    rows = slice(None) if drawn is None else drawn
    areas = by_finding(arrays, drawn)
    hits = np.asarray(arrays["hits"])[rows]
    found = {}
    for part, columns in _PARTS.items():
        own = hits[:, columns]
        found[f"auroc {part}"] = float(np.nanmean(areas[columns]))
        found[f"pointing {part}"] = float(own[own >= 0].mean())
    return found


def by_finding(arrays: Arrays, drawn: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
    """Return the AUROC of each finding by ranks; NaN where one of both labels is missing.

    Args:
        arrays: What the cell holds.
        drawn: Pictures, some of them several times; None takes each once.
    """
    rows = slice(None) if drawn is None else drawn
    labels = np.asarray(arrays["labels"])[rows] == 1
    ranks = rankdata(np.asarray(arrays["scores"], np.float64)[rows], axis=0)
    present = labels.sum(axis=0)
    absent = len(labels) - present
    above = (ranks * labels).sum(axis=0) - present * (present + 1) / 2
    pairs = np.where(present * absent > 0, present * absent, np.nan)
    return np.asarray(above / pairs, np.float64)


def draw_pictures(counts: Sequence[int], draws: int) -> Draws:
    """Draw seeds and pictures.

    Args:
        counts: Test pictures of each seed.
        draws: How often.

    Returns:
        Per draw: places of seeds, each with the places of its pictures.
    """
    found = []
    for number in range(draws):
        rng = np.random.default_rng((2404, number))
        places = rng.integers(len(counts), size=len(counts)).tolist()
        found.append([(place, rng.integers(counts[place], size=counts[place])) for place in places])
    return found


def estimate(
    cells: Sequence[Arrays], draws: Draws
) -> dict[str, tuple[Estimate, NDArray[np.float64]]]:
    """Compute the figures of an arm.

    Args:
        cells: Arrays of each seed.
        draws: What :func:`draw_pictures` drew.

    Returns:
        Name -> estimate, and its value in every draw, in points.
    """
    seeds = [measure(cell) for cell in cells]
    values = {name: np.full(len(draws), np.nan) for name in seeds[0]}
    for number, draw in enumerate(draws):
        parts = [measure(cells[place], pictures) for place, pictures in draw]
        for name, column in values.items():
            column[number] = 100 * np.mean([part[name] for part in parts])
    found = {}
    for name, column in values.items():
        own = tuple(round(100 * seed[name], 2) for seed in seeds)
        found[name] = (_summarise(own, column), column)
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
