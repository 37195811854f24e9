"""What the cells add up to: every arm, every condition, differences from CLIP, and the targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.keep_experiment.concepts import CONDITIONS
from benchmarks.keep_experiment.settings import ARMS
from benchmarks.keep_experiment.statistics import (
    Estimate,
    Judged,
    estimate,
    group_weights,
    measure,
    seed_weights,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from benchmarks.keep_experiment.cells import Cell

__all__ = [
    "TARGETS",
    "Summary",
    "Target",
    "find_losses",
    "judge_targets",
    "load_judged",
    "summarise",
]

BASE = "clip"
_DRAWS_SEED = 7

Values = dict[tuple[int, str, str], np.ndarray]


@dataclass(frozen=True)
class Target:
    """What KEEP is to reach against CLIP, in points.

    Attributes:
        condition: Prompts.
        measure: Measure.
        value: Smallest difference; None where only the interval counts.
        low: What the lower end of the interval must be above.
    """

    condition: str
    measure: str
    value: float | None
    low: float

    def is_met(self, found: Estimate) -> bool:
        """Return whether a difference reaches it."""
        return (self.value is None or found.value >= self.value) and found.low > self.low


TARGETS = (
    Target("parents", "auroc", 15.0, 10.0),
    Target("synonyms", "auroc", 5.0, 0.0),
    Target("definitions", "balanced_accuracy", 5.0, 0.0),
    Target("names", "balanced_accuracy", None, -5.0),
)
"""Beside them: balanced accuracy of synonyms not below the lower end of CLIP's own interval."""


@dataclass(frozen=True)
class Summary:
    """All figures.

    Attributes:
        arms: Arm to condition to measure to figure, over all sets.
        differences: The same, minus CLIP's, paired.
        sets: Set to arm to condition to measure to figure; the colour baseline under ``colour``.
        set_differences: Set to arm to condition to measure to difference.
    """

    arms: dict[str, dict[str, dict[str, Estimate]]]
    differences: dict[str, dict[str, dict[str, Estimate]]]
    sets: dict[str, dict[str, dict[str, dict[str, Estimate]]]]
    set_differences: dict[str, dict[str, dict[str, dict[str, Estimate]]]]

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "arms": _plain(self.arms),
            "differences_from_clip": _plain(self.differences),
            "sets": _plain(self.sets),
            "set_differences_from_clip": _plain(self.set_differences),
        }


def load_judged(path: Path) -> dict[str, Judged]:
    """Read the scores of a cell, ``set/condition`` to what was judged."""
    with np.load(path, allow_pickle=False) as stored:
        keys = sorted({key.rpartition("/")[0] for key in stored.files})
        return {
            key: Judged(
                **{
                    name: stored[f"{key}/{name}"]
                    for name in ("label", "group", "scores", "is_disease")
                }
            )
            for key in keys
        }


def summarise(out: Path, cells: Sequence[Cell], *, num_draws: int = 1000) -> Summary:
    """Resample source images and seeds, the same for every arm.

    Args:
        out: Folder of the cells.
        cells: The finished cells; every arm with the same seeds and folds, and the colour baseline.
        num_draws: Number of draws.
    """
    values, sets = _values(out, cells, num_draws)
    num_seeds = len({cell.seed for cell in cells if cell.arm in ARMS})
    shares = seed_weights(num_seeds, num_draws, (_DRAWS_SEED,))
    even = np.ones((1 + num_draws, 1))
    arms = [arm for arm in ARMS if any(cell.arm == arm for cell in cells)]
    table: dict[str, Any] = {arm: {} for arm in arms}
    differences: dict[str, Any] = {arm: {} for arm in arms if arm != BASE and BASE in arms}
    by_set: dict[str, Any] = {name: {arm: {} for arm in (*arms, "colour")} for name in sets}
    set_differences: dict[str, Any] = {name: {arm: {} for arm in differences} for name in sets}
    for (arm, condition, measured), found in values.items():
        used = shares if arm in ARMS else even
        for name in sets:
            own = _of_set(found, name)
            if own:
                by_set[name][arm].setdefault(condition, {})[measured] = estimate(own, used)
        if arm in ARMS:
            table[arm].setdefault(condition, {})[measured] = estimate(found, shares)
        if arm in differences:
            base = values[BASE, condition, measured]
            row = differences[arm].setdefault(condition, {})
            row[measured] = estimate(found, shares, base)
            for name in sets:
                own = _of_set(found, name)
                if own:
                    row = set_differences[name][arm].setdefault(condition, {})
                    row[measured] = estimate(own, shares, _of_set(base, name))
    return Summary(table, differences, by_set, set_differences)


def judge_targets(summary: Summary, arm: str = "keep") -> list[dict[str, Any]]:
    """Hold an arm against the targets.

    Args:
        summary: All figures.
        arm: The arm.
    """
    if arm not in summary.differences:
        return []
    rows = []
    for target in TARGETS:
        found = summary.differences[arm][target.condition][target.measure]
        wanted = f"low > {target.low:g}"
        if target.value is not None:
            wanted = f">= {target.value:g}, {wanted}"
        rows.append(
            {
                "line": f"{target.condition}, {target.measure}: difference from CLIP",
                "wanted": wanted,
                "found": found.row(),
                "met": target.is_met(found),
            }
        )
    own = summary.arms[arm]["synonyms"]["balanced_accuracy"]
    bound = summary.arms[BASE]["synonyms"]["balanced_accuracy"].low
    rows.append(
        {
            "line": "synonyms, balanced_accuracy",
            "wanted": f">= {bound:.1f}, the lower end of CLIP's",
            "found": own.row(),
            "met": own.value >= bound,
        }
    )
    return rows


def find_losses(summary: Summary, arm: str = "keep") -> list[dict[str, Any]]:
    """List where an arm is below CLIP with its whole interval, over all sets and within each.

    Args:
        summary: All figures.
        arm: The arm.
    """
    places = {"all sets": summary.differences, **summary.set_differences}
    return [
        {"where": place, "condition": condition, "measure": measured, **found.row()}
        for place, arms in places.items()
        for condition, row in arms.get(arm, {}).items()
        for measured, found in row.items()
        if found.high < 0
    ]


def _values(
    out: Path, cells: Sequence[Cell], num_draws: int
) -> tuple[dict[tuple[str, str, str], Values], list[str]]:
    """Return (arm, condition, measure) to (seed index, fold, set) to values on every draw."""
    seeds = sorted({cell.seed for cell in cells if cell.arm in ARMS})
    order: dict[str, int] = {name: index for index, name in enumerate(CONDITIONS)}
    values: dict[tuple[str, str, str], Values] = {}
    sets: list[str] = []
    for cell in cells:
        index = seeds.index(cell.seed) if cell.arm in ARMS else 0
        judged = load_judged(out / f"{cell.name}.npz")
        for key in sorted(judged, key=lambda key: order[key.rpartition("/")[2]]):
            name, _, condition = key.rpartition("/")
            sets += [name] if name not in sets else []
            draw_seed = (_DRAWS_SEED, *f"{name} {cell.fold}".encode())
            weight = group_weights(judged[key].group, num_draws, draw_seed)
            for measured, found in measure(judged[key], weight).items():
                if np.isfinite(found[0]):
                    table = values.setdefault((cell.arm, condition, measured), {})
                    table[index, cell.fold, name] = found
    return values, sets


def _of_set(values: Values, set_name: str) -> Values:
    return {key: found for key, found in values.items() if key[2] == set_name}


def _plain(found: Mapping[str, Any] | Estimate) -> Any:  # noqa: ANN401 - nested plain values
    if isinstance(found, Estimate):
        return found.row()
    return {key: _plain(value) for key, value in found.items()}
