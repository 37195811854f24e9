"""One cell of the experiment: an arm and a seed; done once, found again afterwards."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from filelock import FileLock

from benchmarks.radiograph_experiment.evaluation import judge_bundle
from benchmarks.radiograph_experiment.figures import measure
from benchmarks.radiograph_experiment.training import make_pictures, train_arm, write_book
from medvlp.io import content_sha256, json_sha256, publish_file, write_json
from medvlp.training.demo import shipped_config

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.radiograph_experiment.settings import Recipe

__all__ = ["Bench", "Cell", "load_arrays", "run_cell"]

_VERSION = 1


@dataclass(frozen=True)
class Cell:
    """One training and its evaluation.

    Attributes:
        arm: Name of the arm.
        seed: Seed of patients, weights, order and augmentation.
    """

    arm: str
    seed: int

    @property
    def name(self) -> str:
        """Name of its files."""
        return f"{self.arm}_seed{self.seed}"


@dataclass(frozen=True)
class Bench:
    """What all cells share.

    Attributes:
        out: Folder of results.
        recipe: The setting.
    """

    out: Path
    recipe: Recipe

    def digest(self, cell: Cell) -> str:
        """Return the hash of all that decides a cell."""
        decides = {
            "version": _VERSION,
            "arm": cell.arm,
            "seed": cell.seed,
            "recipe": self.recipe.model_dump(mode="json"),
            "config": content_sha256(shipped_config("devide/phantom.yaml")),
        }
        return json_sha256(decides)


def run_cell(bench: Bench, cell: Cell) -> dict[str, Any]:
    """Train and judge, unless that was done with the same settings.

    Args:
        bench: What cells share.
        cell: Which one.

    Returns:
        The cell's record, as its JSON holds it. The arrays lie beside it.
    """
    bench.out.mkdir(parents=True, exist_ok=True)
    with FileLock(bench.out / f"{cell.name}.lock"):
        return _found(bench, cell) or _made(bench, cell)


def load_arrays(bench: Bench, cell: Cell) -> dict[str, np.ndarray]:
    """Read the arrays of a finished cell."""
    with np.load(bench.out / f"{cell.name}.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}


def _made(bench: Bench, cell: Cell) -> dict[str, Any]:
    torch.set_num_threads(1)
    started, at_first = time.monotonic(), time.process_time()
    train_folder, test_folder = _pictures(bench, cell.seed)
    run = bench.out / "runs" / f"{cell.name}_{bench.digest(cell)[:12]}"
    run.parent.mkdir(exist_ok=True)
    book = write_book(run.with_suffix(".yaml"), cell.arm)
    begun = time.monotonic()
    bundle = train_arm(run, train_folder, book, bench.recipe, seed=cell.seed)
    trained = time.monotonic()
    arrays = judge_bundle(bundle, book, test_folder)
    seconds = {
        "pictures": round(begun - started, 1),
        "training": round(trained - begun, 1),
        "evaluation": round(time.monotonic() - trained, 1),
    }
    return _publish(bench, cell, arrays, seconds, time.process_time() - at_first)


def _pictures(bench: Bench, seed: int) -> tuple[Path, Path]:
    key = json_sha256(bench.recipe.data.model_dump(mode="json"))[:12]
    folder = bench.out / "pictures" / f"seed{seed}_{key}"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        return make_pictures(folder, bench.recipe.data, seed)


def _found(bench: Bench, cell: Cell) -> dict[str, Any] | None:
    path = bench.out / f"{cell.name}.json"
    if not path.exists() or not path.with_suffix(".npz").exists():
        return None
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return record if record["settings_sha256"] == bench.digest(cell) else None


def _publish(
    bench: Bench, cell: Cell, arrays: dict[str, Any], seconds: dict[str, float], cpu: float
) -> dict[str, Any]:
    """Write arrays, then the record: a record stands for finished arrays."""
    path = bench.out / f"{cell.name}.json"
    with publish_file(path.with_suffix(".npz")) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **arrays)
    record = {
        "arm": cell.arm,
        "seed": cell.seed,
        "settings_sha256": bench.digest(cell),
        "figures": {name: round(100 * value, 2) for name, value in measure(arrays).items()},
        "test_pictures": len(arrays["labels"]),
        "seconds": seconds,
        "cpu_seconds": round(cpu, 1),
    }
    write_json(path, record)
    return record
