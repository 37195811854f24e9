"""DeViDe's recipe on phantom chest X-rays: findings seen, findings described only, and where.

Targets, over five seeds: macro AUROC of the 40 findings seen in training at least 90; of the 8
findings that no training picture shows and no training text names, asked by their description, at
least 75, and at least 10 points above the same network that is told names only, in training and
when it is asked (paired interval); attention is largest within a box of the finding in at least
70 % of the findings that are there.

Each seed has its own phantom patients and its own weights. Names of the made-up findings mean
nothing; a description says shape, brightness, border, texture, zone and number in words that
several findings share. Labels to train on are those that the reports state; what a report is silent
about counts as absent, what it doubts is left out. Test labels and boxes are the truth.

The setting (``radiograph_experiment/recipe.yaml`` and ``configs/devide/phantom.yaml``) was chosen
on seeds 100 and 101, whose test pictures have all findings, those never seen too. Seeds 0, 2 and 10
were judged by earlier settings, which missed the targets (with 16 findings to train on: seen 73 to
86, unseen 67 to 69, pointing 33 to 49); of seeds 11 to 15, whose figures are given, nothing had
been judged before. What was changed on the way (seen / unseen / pointing of all, of seed 100):

- The phantoms: 40 findings to train on in place of 16. Sixteen are fewer than what is said of them
  is made of, so that each can be learnt as a whole: 99 / 73 / 50 after 1860 steps then, and 97 / 85
  / 65 after 2000 with 40. Pictures to train on have three findings, those to judge on two.
- Learning rate 0.0015 in place of 0.003, which learns little for 500 steps: 97 / 86 / 72 in place
  of 92 / 83 / 59 after 1600. With 0.006: 68 / 68 / 2; with 0.001: 96 / 89 / 69.
- The decoder is asked whole texts, not clauses of them: 95 / 86 / 61 in place of 88 / 82 / 65 at
  1500 of 2000 steps.
- A place of the image tower sees what lies around the middle of its patch; it was 3.5 pixels of 96
  further up and left: 96 / 85 / 89, and 97 / 88 / 80 on seed 101.

Two or sixteen heads in place of eight, one appearance in place of two, and a wider or narrower view
of each place were no better.

Every cell (arm, seed) is kept in ``--out`` and found again; ``--jobs`` of them run at a time.

Command: OMP_NUM_THREADS=1 python -m benchmarks.phantom_radiographs --jobs 2 \
    --json benchmarks/results/phantom_radiographs.json
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.radiograph_experiment.cells import Bench, Cell, load_arrays, run_cell
from benchmarks.radiograph_experiment.figures import (
    Estimate,
    by_finding,
    difference,
    draw_pictures,
    estimate,
)
from benchmarks.radiograph_experiment.settings import ARMS, Recipe, load_recipe
from benchmarks.report import write_report
from medvlp.config.strict import parse_model
from medvlp.phantoms.chest.traits import PHANTOM_FINDINGS

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAST_SEEN, LEAST_UNSEEN, LEAST_GAIN, LEAST_POINTING = 90.0, 75.0, 10.0, 70.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cells asked for, print the tables, and check the targets where asked."""
    options = _options(arguments)
    bench = Bench(options.out, _changed(load_recipe(), options.recipe))
    cells = [Cell(arm, seed) for seed in options.seeds for arm in options.arms]
    records = _run(bench, cells, options.jobs)
    arrays = {
        arm: [load_arrays(bench, Cell(arm, seed)) for seed in options.seeds] for arm in options.arms
    }
    draws = draw_pictures([len(own["labels"]) for own in arrays[options.arms[0]]], options.draws)
    found = {arm: estimate(own, draws) for arm, own in arrays.items()}
    gains = {}
    if set(found) == set(ARMS):
        gains = {
            name: difference(found["facets"][name], found["names"][name])
            for name in found["facets"]
        }
    for arm, figures in found.items():
        print(f"told {ARMS[arm]}")
        for name, (value, _) in figures.items():
            print(f"  {name:<20}{_line(value)}")
    for name, gain in gains.items():
        print(f"facets less names only, {name}: {_line(gain)}")
    targets = _judge(found, gains)
    for name, is_met in targets.items():
        print(f"{name}: {'met' if is_met else 'MISSED'}")
    if options.json:
        figures = {
            "arms": {
                arm: {name: asdict(each[0]) for name, each in own.items()}
                for arm, own in found.items()
            },
            "differences": {name: asdict(gain) for name, gain in gains.items()},
            "auroc_by_finding": {arm: _each(own) for arm, own in arrays.items()},
            "targets": targets,
            "cells": records,
        }
        settings = {
            "seeds": options.seeds,
            "draws": options.draws,
            "recipe": bench.recipe.model_dump(mode="json"),
        }
        write_report(options.json, "phantom_radiographs", settings, figures)
    return int(options.check and not all(targets.values()))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/phantom_radiographs"))
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13, 14, 15])
    parser.add_argument("--jobs", type=int, default=1, help="cells at a time")
    parser.add_argument("--recipe", type=json.loads, default={}, help="changes as JSON")
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--check", action="store_true", help="exit 1 where a target is missed")
    return parser.parse_args(arguments)


def _changed(recipe: Recipe, changes: dict[str, Any]) -> Recipe:
    """Change settings, section by section."""
    values = recipe.model_dump(mode="json")
    for name, change in changes.items():
        values[name] = {**values[name], **change} if isinstance(change, dict) else change
    return parse_model(values, Recipe, source="--recipe")


def _run(bench: Bench, cells: Sequence[Cell], jobs: int) -> list[dict[str, Any]]:
    if jobs == 1:
        return [_told(bench, cell) for cell in cells]
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        return list(pool.map(partial(_told, bench), cells))


def _told(bench: Bench, cell: Cell) -> dict[str, Any]:
    record = run_cell(bench, cell)
    print(f"{cell.name}: {record['seconds']} {record['figures']}", file=sys.stderr, flush=True)
    return record


def _line(found: Estimate) -> str:
    seeds = " ".join(f"{value:.1f}" for value in found.by_seed)
    return f"{found.value:6.1f} ({found.low:.1f} to {found.high:.1f})   seeds {seeds}"


def _each(cells: Sequence[dict[str, np.ndarray]]) -> dict[str, float]:
    """Return the AUROC of each finding, the mean over seeds."""
    areas = 100 * np.mean([by_finding(arrays) for arrays in cells], axis=0)
    return {name: round(float(area), 1) for name, area in zip(PHANTOM_FINDINGS, areas, strict=True)}


def _judge(
    found: dict[str, dict[str, tuple[Estimate, Any]]], gains: dict[str, Estimate]
) -> dict[str, bool]:
    """Return which targets are met."""
    if "facets" not in found:
        return {}
    own = {name: each[0] for name, each in found["facets"].items()}
    targets = {
        f"seen findings at least {LEAST_SEEN:g}": own["auroc seen"].value >= LEAST_SEEN,
        f"unseen findings at least {LEAST_UNSEEN:g}": own["auroc unseen"].value >= LEAST_UNSEEN,
        f"pointing at least {LEAST_POINTING:g}": own["pointing all"].value >= LEAST_POINTING,
    }
    if gains:
        gain = gains["auroc unseen"]
        met = gain.value >= LEAST_GAIN and gain.low > 0
        targets[f"facets at least {LEAST_GAIN:g} above names on unseen findings"] = met
    return targets


if __name__ == "__main__":
    sys.exit(main())
