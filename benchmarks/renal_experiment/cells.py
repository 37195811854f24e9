"""One cell of the experiment: an arm and a seed; done once, found again afterwards."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from filelock import FileLock

from benchmarks.renal_experiment.crops import make_crops
from benchmarks.renal_experiment.evaluation import judge_alignment, judge_attributes
from benchmarks.renal_experiment.figures import measure
from benchmarks.renal_experiment.settings import ARMS, TASK_FILE, Recipe
from benchmarks.renal_experiment.training import train_arm
from medvlp.data.modules_scans import ScanPairsDataModule
from medvlp.io import content_sha256, json_sha256, publish_file, write_json

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Bench", "Cell", "load_arrays", "run_cell"]

_VERSION = 2


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
        arm = ARMS[cell.arm]
        begins = ARMS[arm.begins_with].model_dump(mode="json") if arm.begins_with else None
        of_both = {"data", "image", "attributes"}
        recipe = self.recipe.model_dump(
            mode="json", include=of_both if arm.learns == "attributes" else None
        )
        decides = {
            "version": _VERSION,
            "arm": arm.model_dump(mode="json"),
            "begins_with": begins,
            "seed": cell.seed,
            "recipe": recipe,
            "task": content_sha256(TASK_FILE),
        }
        return json_sha256(decides)


def run_cell(bench: Bench, cell: Cell) -> dict[str, Any]:
    """Train and judge, unless that was done with the same settings.

    What a cell needs of another, the crops or the network of the first stage, is made by whichever
    comes first; several processes may work in one folder.

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
    arm, recipe = ARMS[cell.arm], bench.recipe
    started, at_first = time.monotonic(), time.process_time()
    crops = _crops(bench, cell.seed)
    begin = None
    if arm.begins_with:
        first = Cell(arm.begins_with, cell.seed)
        run_cell(bench, first)
        begin = _train(bench, first, crops, None)
    between = time.monotonic()
    result = _train(bench, cell, crops, begin)
    trained = time.monotonic()
    data = ScanPairsDataModule(
        folder=crops,
        batch_size=1,
        text="none",
        augment=None,
        phases=recipe.data.phases,
        train_share=recipe.data.few_share if arm.part == "few" else 1.0,
        share_seed=cell.seed,
    )
    judge = judge_attributes if arm.learns == "attributes" else judge_alignment
    arrays = judge(result, data, cell.seed)
    seconds = {
        "waiting_or_needed": round(between - started, 1),
        "training": round(trained - between, 1),
        "evaluation": round(time.monotonic() - trained, 1),
    }
    return _publish(bench, cell, arrays, seconds, time.process_time() - at_first)


def _crops(bench: Bench, seed: int) -> Path:
    key = json_sha256(bench.recipe.data.model_dump(mode="json", exclude={"few_share"}))[:12]
    folder = bench.out / "crops" / f"seed{seed}_{key}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        make_crops(folder, bench.recipe.data, seed)
    return folder


def _train(bench: Bench, cell: Cell, crops: Path, begin: Path | None) -> Path:
    folder = bench.out / "runs" / f"{cell.name}_{bench.digest(cell)[:12]}"
    arm = ARMS[cell.arm]
    return train_arm(folder, crops, bench.recipe, arm, seed=cell.seed, begin=begin)


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
        "test": {"patients": len(arrays["months"]), "kidneys": len(arrays["patient"])},
        "seconds": seconds,
        "cpu_seconds": round(cpu, 1),
    }
    write_json(path, record)
    return record
