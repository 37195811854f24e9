"""Time and memory of a training step of `medvlp train`, beside open_clip's trainer.

Target, for ViT-S/16 and ViT-B/16 towers at equal batch, precision, text length and threads: step
time at most 1.05 times open_clip's (median of five turns, interleaved), peak memory of the process
at most 1.0 times, less than 2 % of the time spent waiting for data.

    python -m benchmarks.train_step [--towers S/16 B/16] [--batch 8] [--rounds 5] [--check]
    python -m benchmarks.train_step --device cuda --precision bf16 --batch 256 --workers 12

Each side is a process that lives through all rounds and rests while the other has its turn. Ours is
the command line a user runs, with its loader, logs and callbacks; the peer's is `train_one_epoch`
of open_clip_train with open_clip's model, loss and optimiser, on batches that lie in memory. Both
losses have to fall.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.report import write_report
from benchmarks.step_sides.inputs import write_inputs
from benchmarks.step_sides.pacing import Side
from benchmarks.step_sides.sizes import TOWERS

if TYPE_CHECKING:
    from collections.abc import Sequence

OURS, PEER = "medvlp train", "open_clip_train"
TIME_LIMIT, MEMORY_LIMIT, WAIT_LIMIT = 1.05, 1.0, 0.02
RATE = 3e-4
NUM_BATCHES = 4


def start_sides(towers: str, options: argparse.Namespace, folder: Path) -> list[Side]:
    """Start both processes and let them warm up."""
    num_steps = options.warm_up + options.rounds * options.steps
    shared = {
        "inputs": folder,
        "towers": towers,
        "device": options.device,
        "precision": options.precision,
        "batch": options.batch,
        "threads": options.threads,
        "steps": num_steps + 1,
        "rate": RATE,
    }
    given = [f"--{key}={value}" for key, value in shared.items()]
    run = folder / f"run_{towers.replace('/', '')}"
    further = [f"--data.num_workers={options.workers}", *options.ours]
    ours = ["-m", "benchmarks.step_sides.ours", f"--run={run}", *given, "--", *further]
    peer = ["-m", "benchmarks.step_sides.peer", *given, *options.peer]
    sides = [Side(OURS, ours), Side(PEER, peer)]
    for side in sides:
        side.step(options.warm_up, is_timed=False)
    return sides


def summarise(side: Side, losses: list[float]) -> dict[str, Any]:
    """Return the figures of one side."""
    last = side.turns[-1]
    return {
        "side": side.name,
        "step_s": statistics.median(turn["seconds"] / turn["steps"] for turn in side.turns),
        "step_cpu_s": statistics.median(turn["cpu_s"] / turn["steps"] for turn in side.turns),
        "steps_s": [turn["seconds"] / turn["steps"] for turn in side.turns],
        "wait_share": statistics.median(t["wait_s"] / t["seconds"] for t in side.turns),
        "peak_mib": last.get("peak_cuda_mib", last["peak_mib"]),
        "resident_peak_mib": last["peak_mib"],
        "built_mib": last["built_mib"],
        "losses": losses,
    }


def measure(towers: str, options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """Measure both sides with one pair of towers."""
    sides = start_sides(towers, options, folder)
    for number in range(options.rounds):
        for side in sides if number % 2 == 0 else reversed(sides):
            side.step(options.steps)
    return [{"towers": towers, **summarise(side, side.end())} for side in sides]


def judge(rows: list[dict[str, Any]]) -> tuple[str, bool]:
    """Return the headline of one pair of towers and whether its targets are met."""
    ours, peer = rows
    in_time, in_memory = (ours[key] / peer[key] for key in ("step_s", "peak_mib"))
    falls = all(_falls(row["losses"]) for row in rows)
    is_met = (
        in_time <= TIME_LIMIT
        and in_memory <= MEMORY_LIMIT
        and ours["wait_share"] < WAIT_LIMIT
        and falls
    )
    text = (
        f"{ours['towers']}: {in_time:.3f} times {PEER}'s step time, {in_memory:.3f} of its peak "
        f"memory, {ours['wait_share']:.1%} of the time waiting for data"
    )
    return text + ("" if falls else "; a loss DOES NOT FALL"), is_met


def _falls(losses: list[float]) -> bool:
    first, last = losses[:NUM_BATCHES], losses[-NUM_BATCHES:]
    return statistics.fmean(last) < statistics.fmean(first)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(prog="train_step", description=__doc__.splitlines()[0])
    parser.add_argument("--towers", nargs="+", choices=TOWERS, default=list(TOWERS))
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3, help="steps of a turn")
    parser.add_argument("--warm-up", type=int, default=2)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--workers", type=int, default=0, help="our loader processes")
    parser.add_argument("--ours", nargs="*", default=[], help="further options of medvlp train")
    parser.add_argument("--peer", nargs="*", default=[], help="--compile compiles the peer's model")
    parser.add_argument("--json", type=Path, metavar="PATH")
    parser.add_argument("--check", action="store_true", help="exit 1 where the target is missed")
    options = parser.parse_args(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        print("no GPU is present: nothing was measured")
        return 1 if options.check else 0
    rows, headlines, are_met = [], [], True
    print(f"{'towers':7} {'side':16} {'ms a step':>10} {'waiting':>8} {'peak MiB':>9} {'loss':>14}")
    with tempfile.TemporaryDirectory() as folder:
        write_inputs(Path(folder), NUM_BATCHES * options.batch)
        for towers in options.towers:
            pair = measure(towers, options, Path(folder))
            for row in pair:
                print(
                    f"{towers:7} {row['side']:16} {1e3 * row['step_s']:10.1f} "
                    f"{row['wait_share']:8.2%} {row['peak_mib']:9.0f} "
                    f"{row['losses'][0]:6.3f} {row['losses'][-1]:7.3f}",
                    flush=True,
                )
            headline, is_met = judge(pair)
            headlines.append(headline)
            rows += pair
            are_met = are_met and is_met
    print("; ".join(headlines) + f": {'met' if are_met else 'MISSED'}")
    if options.json is not None:
        asked = {key: value for key, value in vars(options).items() if key not in {"json", "check"}}
        figures = {"rows": rows, "headline": headlines, "met": are_met}
        write_report(options.json, "train_step", asked, figures)
    return 1 if options.check and not are_met else 0


if __name__ == "__main__":
    raise SystemExit(main())
