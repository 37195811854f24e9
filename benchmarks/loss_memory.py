"""Time and memory of the contrastive losses on a CPU, beside open_clip's, in fresh processes.

Target, against open_clip's ClipLoss at scale 100, width 512, fp32, medians of five interleaved
runs: tiled peak above the inputs at most 1/20 at N = 16384; tiled time at most 1.1 times, dense at
most 1.05 times, at every N; with 60 groups per 1000 rows and 5 % of the pairs ignored at most 1.3
times our own time without.

    python -m benchmarks.loss_memory [--rows N ...] [--runs 5] [--threads K] [--json PATH] [--check]

Each run is a process of its own: embeddings are made, one step (loss and gradients of embeddings
and scale) warms up, one step is timed. The peak is the resident memory above that with the inputs
in place, over both steps, gradients included. On a machine that others use too, one thread
(--threads 1) and the processor seconds beside the wall seconds tell more.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import normalize

from benchmarks.report import write_report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    Step = Callable[[Tensor, Tensor, Tensor], Tensor]

ROWS = (4096, 8192, 16384)
WIDTH, SCALE, BIAS = 512, 100.0, -10.0
GROUPS_PER_ROW, IGNORED_SHARE = 0.06, 0.05
CLIP, CLIP_DENSE, CLIP_TILED = "ClipLoss (open_clip)", "InfoNCE dense", "InfoNCE tiled"
GROUPED, SIGLIP, SIGMOID = "InfoNCE tiled, groups", "SigLipLoss (open_clip)", "sigmoid tiled"
METHODS = (CLIP, CLIP_DENSE, CLIP_TILED, GROUPED, SIGLIP, SIGMOID)
LIMITS = {
    "tiled time / ClipLoss": 1.1,
    "dense time / ClipLoss": 1.05,
    "groups time / tiled": 1.3,
    "tiled peak / ClipLoss": 1 / 20,
}


def make_step(method: str, num_rows: int) -> Step:
    """Return the function from image, text and scale to the loss; peers are imported here."""
    if method == CLIP:
        from open_clip.loss import ClipLoss  # noqa: PLC0415  # only the peer's process pays for it

        return ClipLoss()
    if method == SIGLIP:
        from open_clip.loss import SigLipLoss  # noqa: PLC0415  # as above

        siglip, bias = SigLipLoss(), torch.tensor(BIAS)
        return lambda image, text, scale: siglip(image, text, scale, bias)
    return _our_step(method, num_rows)


def _our_step(method: str, num_rows: int) -> Step:
    from medvlp.losses.contrastive import info_nce_loss  # noqa: PLC0415  # as above
    from medvlp.losses.engine.settings import EngineSettings  # noqa: PLC0415
    from medvlp.losses.sigmoid import sigmoid_loss  # noqa: PLC0415

    settings = EngineSettings(path="dense" if method == CLIP_DENSE else "tiled")
    if method == SIGMOID:
        bias = torch.tensor(BIAS)
        return lambda image, text, scale: (
            sigmoid_loss(image, text, scale, bias, settings=settings).total
        )
    relation = make_relation(num_rows) if method == GROUPED else None
    return lambda image, text, scale: (
        info_nce_loss(image, text, scale, relation, settings=settings).total
    )


def make_relation(num_rows: int) -> Any:  # noqa: ANN401  # the type lives in our process only
    """Return random groups in random order, one concept each, and a table that ignores 5 %."""
    from medvlp.losses.relations import PairRelation, pack_related  # noqa: PLC0415

    generator = torch.Generator().manual_seed(1)
    num_groups = max(int(num_rows * GROUPS_PER_ROW), 2)
    group = torch.arange(num_rows) % num_groups
    group = group[torch.randperm(num_rows, generator=generator)]
    related = torch.rand(num_groups, num_groups, generator=generator) < IGNORED_SHARE / 2
    return PairRelation(group=group, concept=group, related=pack_related(related | related.T))


def make_inputs(num_rows: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return unit embeddings, cosines of pairs near 0.3 and of others near 0, and the scale."""
    generator = torch.Generator().manual_seed(0)
    image = normalize(torch.randn(num_rows, WIDTH, generator=generator), dim=1)
    noise = normalize(torch.randn(num_rows, WIDTH, generator=generator), dim=1)
    text = normalize(image + 3.0 * noise, dim=1)
    return image.requires_grad_(), text.requires_grad_(), torch.tensor(SCALE, requires_grad=True)


def resident_mib(field: str) -> float:
    """Return a field of this process's memory (VmRSS, VmHWM) in MiB; Linux."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise ValueError(f"no {field} in /proc/self/status")


def measure(method: str, num_rows: int) -> dict[str, Any]:
    """Run two steps in this process; time the second."""
    step = make_step(method, num_rows)
    small = make_inputs(256)
    make_step(method, 256)(*small).backward()
    inputs = make_inputs(num_rows)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts from here
    before = resident_mib("VmRSS")
    seconds, cpu_seconds, value = 0.0, 0.0, 0.0
    for _ in range(2):
        for each in inputs:
            each.grad = None
        begin, begin_cpu = time.perf_counter(), time.process_time()
        loss = step(*inputs)
        loss.backward()
        seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - begin_cpu
        value = loss.item()
        del loss
    return {
        "method": method,
        "rows": num_rows,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "peak_mib": resident_mib("VmHWM") - before,
        "loss": value,
        "load": os.getloadavg()[0],
    }


def measure_in_a_fresh_process(method: str, num_rows: int, num_threads: int) -> dict[str, Any]:
    """Run :func:`measure` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.loss_memory", "--measure", method]
    command += ["--rows", str(num_rows), "--threads", str(num_threads)]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    row: dict[str, Any] = json.loads(found.stdout)
    return row


def summarise(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row per method and N: medians over the runs, and the smallest time."""
    rows = []
    for num_rows in sorted({run["rows"] for run in runs}):
        for method in METHODS:
            own = [run for run in runs if (run["rows"], run["method"]) == (num_rows, method)]
            if not own:
                continue
            rows.append(
                {
                    "rows": num_rows,
                    "method": method,
                    "seconds": statistics.median(run["seconds"] for run in own),
                    "least_seconds": min(run["seconds"] for run in own),
                    "cpu_seconds": statistics.median(run["cpu_seconds"] for run in own),
                    "peak_mib": statistics.median(run["peak_mib"] for run in own),
                    "loss": own[0]["loss"],
                    "load": max(run["load"] for run in own),
                }
            )
    return rows


def ratios(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return the worst ratio of each kind over all N; memory at the largest N only."""
    by = {(row["rows"], row["method"]): row for row in rows}
    sizes = sorted({row["rows"] for row in rows})

    def worst(mine: str, other: str) -> float:
        return max(by[n, mine]["seconds"] / by[n, other]["seconds"] for n in sizes)

    largest = sizes[-1]
    return {
        "tiled time / ClipLoss": worst(CLIP_TILED, CLIP),
        "dense time / ClipLoss": worst(CLIP_DENSE, CLIP),
        "groups time / tiled": worst(GROUPED, CLIP_TILED),
        "sigmoid time / SigLipLoss": worst(SIGMOID, SIGLIP),
        "tiled peak / ClipLoss": by[largest, CLIP_TILED]["peak_mib"]
        / by[largest, CLIP]["peak_mib"],
        "sigmoid peak / SigLipLoss": (
            by[largest, SIGMOID]["peak_mib"] / by[largest, SIGLIP]["peak_mib"]
        ),
    }


def report(runs: list[dict[str, Any]], num_threads: int, path: Path | None) -> list[str]:
    """Print the table and the ratios, write the JSON, and return the targets that are missed."""
    rows = summarise(runs)
    print(
        f"{'N':>6}  {'method':24} {'median s':>9} {'least s':>9} {'cpu s':>9} {'peak MiB':>9} "
        f"{'load':>5}"
    )
    for row in rows:
        times = f"{row['seconds']:9.2f} {row['least_seconds']:9.2f} {row['cpu_seconds']:9.2f}"
        memory = f"{row['peak_mib']:9.0f} {row['load']:5.1f}"
        print(f"{row['rows']:6}  {row['method']:24} {times} {memory}")
    found = ratios(rows)
    missed = [name for name, limit in LIMITS.items() if found[name] > limit]
    for name, ratio in found.items():
        limit = f"target {LIMITS[name]:.2f}" if name in LIMITS else ""
        print(f"{name:28} {ratio:6.3f}  {limit}  {'MISSED' if name in missed else ''}".rstrip())
    print(
        f"tiled InfoNCE at N = {rows[-1]['rows']}: 1/{1 / found['tiled peak / ClipLoss']:.0f} of "
        f"ClipLoss's memory, at worst {found['tiled time / ClipLoss']:.2f} times its time: "
        f"{'MISSED' if missed else 'met'}"
    )
    if path is not None:
        settings = {
            "width": WIDTH,
            "scale": SCALE,
            "dtype": "float32",
            "threads": num_threads,
            "runs": len(runs) // len(rows),
            "groups_per_row": GROUPS_PER_ROW,
            "ignored_share": IGNORED_SHARE,
            "limits": LIMITS,
        }
        write_report(
            path, "loss_memory", settings, {"rows": rows, "ratios": found, "missed": missed}
        )
    return missed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(prog="loss_memory", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=list(ROWS), metavar="N")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), metavar="K")
    parser.add_argument("--json", type=Path, metavar="PATH")
    parser.add_argument("--check", action="store_true", help="exit 1 where a target is missed")
    parser.add_argument("--measure", choices=METHODS, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    if chosen.measure:
        print(json.dumps(measure(chosen.measure, chosen.rows[0])))
        return 0
    runs = []
    for number in range(chosen.runs):
        for num_rows in chosen.rows:
            runs += [
                measure_in_a_fresh_process(method, num_rows, chosen.threads) for method in METHODS
            ]
        print(f"run {number + 1} of {chosen.runs} done", file=sys.stderr)
    missed = report(runs, chosen.threads, chosen.json)
    return 1 if chosen.check and missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
