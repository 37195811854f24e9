"""What keeping the state of a run costs: contrastive training with a ViT-S/16 tower on a CPU.

Target: one state per 100 steps adds under 2 % to the time of training.

    python -m benchmarks.checkpoint_overhead [--batch 8] [--threads 2] [--json PATH] [--check]

Measured are runs of ``medvlp train fit``, each a process of its own, on noise as images. In one
run a state is kept every 8 steps: the 4 steps that begin with the save hold its whole cost, that is
the copy in the training thread and the writer beside it, and the 4 steps after them have none; five
such windows lie in turn, and the cost of a state is the median of their five differences. It is
set in proportion to the time of 100 steps without. As a check, two whole runs are compared, one
with a state every 4 steps and one with none. Nobody waited for 100 steps: the share is that
extrapolation. ``--tiny`` tries the benchmark out on a network of no size.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from lightning.pytorch.callbacks import Callback

from benchmarks.report import write_report

if TYPE_CHECKING:
    from collections.abc import Sequence

    import lightning.pytorch as pl

LIMIT = 0.02
STEPS_PER_STATE = 100
WINDOW, ROUNDS, WARM_UP = 4, 5, 4
CHECK_EVERY, CHECK_STEPS = 4, 24
SMOKE = Path(__file__).parents[1] / "configs" / "smoke" / "clip.yaml"
NETWORK = (
    "--model.encoder.image.architecture=vit_small_patch16_224",
    "--model.encoder.embed_dim=512",
    "--model.encoder.text.width=384",
    "--model.encoder.text.layers=12",
    "--model.encoder.text.heads=6",
    "--model.encoder.text.feedforward=1536",
    "--data.inputs.input_px=224",
)
TINY = ("--model.encoder.image.architecture=test_vit",)


class TimeSteps(Callback):
    """Writes when each step began, and what each save took of the training thread and the writer.

    Args:
        path: JSON file to write when the run ends.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._begins: list[float] = []
        self._blocked: list[float] = []
        self._written: list[float] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the time of saves and of the writer from now on."""
        folders = trainer.strategy.checkpoint_io
        trainer.save_checkpoint = _timed(trainer.save_checkpoint, self._blocked)
        folders._write = _timed(folders._write, self._written)

    def on_train_batch_start(self, *_: object) -> None:
        """Note when a step begins, which is when all of the one before it is done."""
        self._begins.append(time.perf_counter())

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write what was noted."""
        record = {
            "begins": self._begins,
            "blocked": self._blocked,
            "written": self._written,
            "parameters": sum(weight.numel() for weight in pl_module.parameters()),
            "load": os.getloadavg()[0],
        }
        self._path.write_text(json.dumps(record), encoding="utf-8")


def _timed(function: Any, seconds: list[float]) -> Any:  # noqa: ANN401  # any function
    def call(*args: object, **more: object) -> object:
        begin = time.perf_counter()
        try:
            return function(*args, **more)
        finally:
            seconds.append(time.perf_counter() - begin)

    return call


def write_noise(folder: Path, number: int) -> None:
    """Write pairs of noise, so that loading costs what it does in a real run."""
    from medvlp.data.pairs import PairRecord, write_pairs  # noqa: PLC0415  # not in the child

    rng = np.random.default_rng(0)
    records = [
        PairRecord(
            sample_id=f"noise_{index:04d}",
            image=rng.integers(0, 256, (224, 224, 3), dtype=np.uint8),
            captions=(f"noise of kind {index}",),
            group_id=index,
            split="train",
        )
        for index in range(number)
    ]
    write_pairs(folder, records, modality="slide", mpp=0.5, tile_px=224, encoding="jpeg")


def train(folder: Path, pairs: Path, steps: int, every: int | None, args: Any) -> dict[str, Any]:  # noqa: ANN401  # a namespace
    """Run ``medvlp train fit`` for some steps and return what was noted."""
    told = folder.with_suffix(".json")
    command = [sys.executable, "-m", "medvlp", "train", "fit", f"--config={SMOKE}"]
    command += TINY if args.tiny else NETWORK
    command += [f"--data.folder={pairs}", f"--data.batch_size={args.batch}"]
    command += [f"--run.folder={folder}", "--run.progress=false"]
    command += [f"--run.checkpoints.every_steps={'null' if every is None else every}"]
    command += ["--run.checkpoints.every_minutes=null", f"--trainer.max_steps={steps}"]
    command += ["--trainer.limit_val_batches=0", "--trainer.log_every_n_steps=10"]
    command += ["--trainer.callbacks+=benchmarks.checkpoint_overhead.TimeSteps"]
    command += [f"--trainer.callbacks.path={told}"]
    environment = os.environ | {"OMP_NUM_THREADS": str(args.threads)}
    subprocess.run(command, check=True, env=environment, cwd=Path(__file__).parents[1])
    record: dict[str, Any] = json.loads(told.read_text(encoding="utf-8"))
    record["steps"] = np.diff(record["begins"]).tolist()
    sizes = [path.stat().st_size for path in folder.glob("checkpoints/step_*/*")]
    kept = len(list(folder.glob("checkpoints/step_*")))
    record["state_mib"] = sum(sizes) / 2**20 / kept if kept else 0.0
    return record


def windows(steps: Sequence[float]) -> list[dict[str, float]]:
    """Return the seconds of each window with a save, and of the one without that follows it.

    The save at the end of step ``n`` is in the time of step ``n``, which is ``steps[n - 1]``.
    """
    found = []
    for at in range(ROUNDS):
        first = 2 * WINDOW * (at + 1) - 1
        with_save = sum(steps[first : first + WINDOW])
        without = sum(steps[first + WINDOW : first + 2 * WINDOW])
        found.append({"with": with_save, "without": without, "difference": with_save - without})
    return found


def measure(args: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """Run all that is measured."""
    pairs = scratch / "pairs"
    write_noise(pairs, 8 * args.batch)
    number = 2 * WINDOW * (ROUNDS + 1)
    one = train(scratch / "windows", pairs, number, 2 * WINDOW, args)
    rounds = windows(one["steps"])
    step = statistics.median(row["without"] / WINDOW for row in rounds)
    cost = statistics.median(row["difference"] for row in rounds)
    figures: dict[str, Any] = {
        "windows": rounds,
        "step_s": step,
        "state_mib": one["state_mib"],
        "parameters": one["parameters"],
        "blocked_s": statistics.median(one["blocked"]),
        "written_s": statistics.median(one["written"]),
        "cost_of_a_state_s": cost,
        "share_at_one_per_100_steps": cost / (STEPS_PER_STATE * step),
        "share_blocked_only": statistics.median(one["blocked"]) / (STEPS_PER_STATE * step),
        "load": one["load"],
    }
    figures["whole_runs"] = compare_whole_runs(args, scratch, pairs)
    return figures


def compare_whole_runs(args: argparse.Namespace, scratch: Path, pairs: Path) -> dict[str, float]:
    """Compare two whole runs, without a state and with one every few steps."""
    quiet = train(scratch / "quiet", pairs, CHECK_STEPS, None, args)["steps"][WARM_UP - 1 :]
    busy = train(scratch / "busy", pairs, CHECK_STEPS, CHECK_EVERY, args)["steps"][WARM_UP - 1 :]
    num_states = len(busy) / CHECK_EVERY
    cost = (sum(busy) - sum(quiet)) / num_states
    return {
        "quiet_s": sum(quiet),
        "busy_s": sum(busy),
        "states": num_states,
        "cost_of_a_state_s": cost,
        "share_at_one_per_100_steps": cost / (STEPS_PER_STATE * statistics.median(quiet)),
    }


def show(figures: dict[str, Any]) -> None:
    """Print the figures."""
    print(
        f"{figures['parameters'] / 1e6:.1f} M parameters, state of {figures['state_mib']:.0f} MiB"
    )
    print(f"{'window of 4 steps':>18} {'with a save':>12} {'without':>12} {'difference':>12}")
    for at, row in enumerate(figures["windows"]):
        print(f"{at + 1:>18} {row['with']:>11.3f}s {row['without']:>11.3f}s", end="")
        print(f" {row['difference']:>11.3f}s")
    print(f"a step takes {figures['step_s']:.3f} s; a save blocks {figures['blocked_s']:.3f} s, is")
    print(f"written in {figures['written_s']:.3f} s beside the steps", end=" ")
    print(f"and costs {figures['cost_of_a_state_s']:.3f} s in all (medians)")
    share, whole = figures["share_at_one_per_100_steps"], figures["whole_runs"]
    print(f"one state per 100 steps adds {100 * share:.2f} % (target: under {100 * LIMIT:.0f} %)")
    print(f"whole runs: {whole['quiet_s']:.1f} s without, {whole['busy_s']:.1f} s with", end=" ")
    print(f"{whole['states']:.1f} states: {whole['cost_of_a_state_s']:.3f} s each,", end=" ")
    print(f"{100 * whole['share_at_one_per_100_steps']:.2f} % at one per 100 steps")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and say whether the target is met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where the runs write; a temporary folder else")
    parser.add_argument("--tiny", action="store_true", help="try it out; the figures mean nothing")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--check", action="store_true", help="exit 1 where the target is missed")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=args.folder) as scratch:
        figures = measure(args, Path(scratch))
    show(figures)
    if args.json is not None:
        settings = {"batch": args.batch, "threads": args.threads, "network": NETWORK}
        write_report(args.json, "checkpoint_overhead", settings, figures)
    return int(args.check and figures["share_at_one_per_100_steps"] >= LIMIT)


if __name__ == "__main__":
    raise SystemExit(main())
