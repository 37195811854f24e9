"""A real `medvlp train fit` on a GPU: bf16, NCCL, stopped by a signal and taken up; MFU stated.

Target: ViT-B/16 towers at a model-FLOP utilisation (MFU) of at least 40 % of the GPU's dense bf16
peak, less than 2 % of the time waiting for data, and a run that goes on after SIGUSR1 with the same
samples at each step.

    python -m benchmarks.train_gpu --workers 12 --check
    python -m benchmarks.train_gpu --device cpu --towers tiny --batch 4 --steps 6 --stop-after 3

Two runs of one configuration with `trainer.strategy=ddp` on one process: one to its end, one that
is sent SIGUSR1 on its way, ends with code 75 and is started again by the same command. Speed is
what the first run logs itself (`speed/*`), as the median without the first two lines. Losses of
both are compared step by step, and the largest difference is told. Without a GPU nothing is
measured; with --check that is a failure.
"""

from __future__ import annotations

import argparse
import csv
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.report import write_report
from benchmarks.step_sides.inputs import write_inputs
from benchmarks.step_sides.ours import arguments
from benchmarks.step_sides.sizes import TOWERS

if TYPE_CHECKING:
    from collections.abc import Sequence

MFU_LIMIT, WAIT_LIMIT = 0.40, 0.02
STOPPED = 75
NUM_BATCHES = 4
TINY = (
    "--model.encoder.image.architecture=test_vit",
    "--model.encoder.image.img_size=224",
    *("--model.encoder.text.layers=2", "--model.encoder.text.feedforward=64"),
)


def command(options: argparse.Namespace, folder: Path, run: Path) -> list[str]:
    """Return the command of a run."""
    further = [
        "--trainer.strategy=ddp",
        "--trainer.log_every_n_steps=5",
        "--run.trace=true",
        f"--data.num_workers={options.workers}",
        *([f"--run.watch.peak_tflops={options.peak_tflops}"] if options.peak_tflops else []),
        *(TINY if options.towers == "tiny" else ()),
        *options.further,
    ]
    towers = "S/16" if options.towers == "tiny" else options.towers
    asked = {"towers": towers, "inputs": folder, "run": run, "rate": 3e-4, "further": further}
    given = argparse.Namespace(**vars(options) | asked)
    words = [word for word in arguments(given) if "trainer.callbacks" not in word]
    return [sys.executable, "-m", "medvlp", "train", *words]


def run_whole(words: list[str]) -> None:
    """Run to the end."""
    subprocess.run(words, check=True)


def run_in_two(words: list[str], run: Path, stop_after: int) -> None:
    """Run, stop by SIGUSR1 after some steps, and start again."""
    process = subprocess.Popen(words)
    while process.poll() is None and len(read_trace(run)) < stop_after:
        time.sleep(0.05)
    process.send_signal(signal.SIGUSR1)
    if process.wait() != STOPPED:
        raise RuntimeError(f"the run ended with code {process.returncode}, not {STOPPED}")
    run_whole(words)


def read_trace(run: Path) -> dict[int, tuple[list[str], float]]:
    """Return samples and loss of each step."""
    path = run / "trace" / "rank_0.jsonl"
    if not path.exists():
        return {}
    complete = [line for line in path.read_text().splitlines(keepends=True) if line[-1:] == "\n"]
    lines = [json.loads(line) for line in complete]
    return {line["step"]: (line["samples"], float.fromhex(line["loss"])) for line in lines}


def read_speed(run: Path) -> dict[str, float]:
    """Return the median of each figure of speed, without the first two lines."""
    with (run / "logs" / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("speed/step_s")]
    names = [name for name in rows[-1] if name.startswith("speed/") and rows[-1][name]]
    later = rows[2:] or rows[-1:]
    return {name: statistics.median(float(row[name]) for row in later) for name in names}


def compare(whole: Path, parts: Path) -> dict[str, Any]:
    """Compare samples and losses of both runs."""
    one, two = read_trace(whole), read_trace(parts)
    differences = [abs(one[step][1] - two[step][1]) for step in one.keys() & two.keys()]
    return {
        "steps": len(one),
        "same_samples": {k: v[0] for k, v in one.items()} == {k: v[0] for k, v in two.items()},
        "largest_loss_difference": max(differences, default=float("nan")),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(prog="train_gpu", description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="bf16")
    parser.add_argument("--towers", choices=[*TOWERS, "tiny"], default="B/16")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--stop-after", type=int, default=30, help="steps until the signal")
    parser.add_argument("--workers", type=int, default=0, help="loader processes; a GPU needs many")
    parser.add_argument("--peak-tflops", type=float, help="of a GPU that medvlp does not know")
    parser.add_argument("--json", type=Path, metavar="PATH")
    parser.add_argument("--check", action="store_true", help="exit 1 where the target is missed")
    parser.add_argument("further", nargs="*", help="further options of medvlp train, after --")
    options = parser.parse_args(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        print("no GPU is present: nothing was measured")
        return 1 if options.check else 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder, NUM_BATCHES * options.batch)
        whole, parts = folder / "whole", folder / "parts"
        run_whole(command(options, folder, whole))
        run_in_two(command(options, folder, parts), parts, options.stop_after)
        speed, compared = read_speed(whole), compare(whole, parts)
    for key, value in speed.items():
        print(f"{key:26} {value:12.4f}")
    mfu, waiting = speed.get("speed/mfu"), speed["speed/data_wait_share"]
    is_met = compared["same_samples"] and waiting < WAIT_LIMIT and (mfu or 0.0) >= MFU_LIMIT
    samples = "the same" if compared["same_samples"] else "OTHER"
    print(
        f"MFU {'unknown' if mfu is None else f'{mfu:.1%}'}, {waiting:.2%} of the time waiting for "
        f"data; taken up with {samples} samples, losses differ by at most "
        f"{compared['largest_loss_difference']:.2g}: {'met' if is_met else 'MISSED'}"
    )
    if options.json is not None:
        gpu = torch.cuda.get_device_name() if options.device == "cuda" else ""
        asked = {key: value for key, value in vars(options).items() if key not in {"json", "check"}}
        figures = {"speed": speed, "resumed": compared, "met": is_met}
        write_report(options.json, "train_gpu", {**asked, "gpu": gpu}, figures)
    return 1 if options.check and not is_met else 0


if __name__ == "__main__":
    raise SystemExit(main())
