"""Read 20,000 phantom tiles in random order with exact resume, beside WebDataset and ImageFolder.

Target: at least the samples per second of WebDataset reading the same shards in sequence, with 0, 1
and 2 loader processes; the first batch of a run, and of a run taken up within an epoch, in less
than 1 s.

    python -m benchmarks.loader --out FOLDER [--json PATH] [--check]

``FOLDER`` gets the tiles once: 256 px, JPEG, in shards and as single files. Each is decoded to 224
px from its middle, uint8. Systems take turns, each run in a fresh process with one thread per
process, files in the page cache:

    ours                  random order over all samples, one state, exact resume
    webdataset            shards in sequence, decoded by the decoder that ours uses
    webdataset (PIL)      shards in sequence, ``decode("pil")`` and torchvision's transforms
    imagefolder           random order, decoded by the decoder that ours uses
    imagefolder (PIL)     random order, its own loader and torchvision's transforms

A rate is that of the batches after the first eight, the median of the runs. Time to the first batch
begins when the process has imported what it needs, before the manifest is read. ``decode only``
decodes bytes that are in memory already: what is left of a loader's time is its own cost.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import statistics
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.loader_systems import SYSTEMS, decode_rate, first_batches, rate, warm_files
from benchmarks.loader_tiles import make_tiles
from benchmarks.report import write_report

if TYPE_CHECKING:
    from collections.abc import Sequence

OURS, PEERS = "ours", ("webdataset", "webdataset (PIL)")
TARGET_FIRST_S = 1.0


def measured(chosen: argparse.Namespace) -> dict[str, Any]:
    """Measure what a fresh process was asked for."""
    torch.set_num_threads(1)
    system, workers = chosen.measure, chosen.workers[0]
    if system == "decode only":
        return {"samples_per_s": decode_rate(chosen.out, chosen.batches * chosen.batch)}
    if chosen.first:
        return first_batches(chosen.out, chosen.batch, workers, resumed=chosen.first == "resumed")
    batches = SYSTEMS[system](chosen.out, chosen.batch, workers)
    return {"samples_per_s": rate(islice(batches, chosen.batches))}


def in_a_fresh_process(
    chosen: argparse.Namespace, system: str, workers: int, first: str = ""
) -> dict[str, Any]:
    """Measure one system in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.loader", "--measure", system]
    command += ["--out", str(chosen.out), "--workers", str(workers), "--first", first]
    command += ["--batch", str(chosen.batch), "--batches", str(chosen.batches)]
    found = subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, **_ONE_THREAD}
    )
    values: dict[str, Any] = json.loads(found.stdout.splitlines()[-1])
    return values


_ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}


def collect(chosen: argparse.Namespace) -> dict[str, Any]:
    """Measure all systems in turns, for every number of loader processes."""
    runs: dict[str, dict[str, list[float]]] = {}
    for _ in range(chosen.repeats):
        for workers in chosen.workers:
            row = runs.setdefault(str(workers), {})
            for system in SYSTEMS:
                found = in_a_fresh_process(chosen, system, workers)
                row.setdefault(system, []).append(found["samples_per_s"])
            for first in ("begun", "resumed"):
                found = in_a_fresh_process(chosen, OURS, workers, first)
                for name, value in found.items():
                    row.setdefault(f"{name}, {first}", []).append(value)
        row = runs.setdefault("none", {})
        found = in_a_fresh_process(chosen, "decode only", 0)
        row.setdefault("decode only", []).append(found["samples_per_s"])
    medians = {
        workers: {name: statistics.median(values) for name, values in row.items()}
        for workers, row in runs.items()
    }
    return {"runs": runs, "medians": medians}


def judge(medians: dict[str, dict[str, float]]) -> dict[str, Any]:
    """Compare ours with the peers; one entry per number of loader processes."""
    verdict: dict[str, Any] = {}
    for workers, row in medians.items():
        if workers == "none":
            continue
        ratios = {name: row[OURS] / row[name] for name in SYSTEMS if name != OURS}
        first = max(row["first_batch_s, begun"], row["first_batch_s, resumed"])
        is_met = min(ratios[name] for name in PEERS) >= 1.0 and first < TARGET_FIRST_S
        verdict[workers] = {"ours_to": ratios, "first_batch_s": first, "met": is_met}
    per_sample = {name: 1e3 / value for name, value in medians.get("0", {}).items()}
    if OURS in per_sample:
        decode_ms = 1e3 / medians["none"]["decode only"]
        verdict["share_of_decoding"] = {
            name: decode_ms / per_sample[name] for name in (OURS, "webdataset", "imagefolder")
        }
    return verdict


def tell(medians: dict[str, dict[str, float]], verdict: dict[str, Any]) -> bool:
    """Print the table, and return whether the target is met."""
    print(f"{'samples/s':20}" + "".join(f"{name:>20}" for name in SYSTEMS))
    for workers, row in medians.items():
        if workers != "none":
            print(f"{workers + ' processes':20}" + "".join(f"{row[n]:20.0f}" for n in SYSTEMS))
    print(f"decode only: {medians['none']['decode only']:.0f} samples/s")
    for name, share in verdict.get("share_of_decoding", {}).items():
        print(f"  {name}: decoding is {share:.0%} of the time with 0 processes")
    checked = {name: entry for name, entry in verdict.items() if name != "share_of_decoding"}
    for workers, entry in checked.items():
        row = medians[workers]
        print(
            f"{workers} processes: {min(entry['ours_to'][n] for n in PEERS):.2f} times webdataset; "
            f"first batch {row['first_batch_s, begun']:.2f} s, within an epoch "
            f"{row['first_batch_s, resumed']:.2f} s; second "
            f"{row['second_batch_s, begun']:.2f} s: {'met' if entry['met'] else 'MISSED'}"
        )
    is_met = all(entry["met"] for entry in checked.values())
    print(f"at least WebDataset's rate, first batch under 1 s: {'met' if is_met else 'MISSED'}")
    return is_met


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(prog="loader", description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the tiles; made once")
    parser.add_argument("--count", type=int, default=20_000, help="number of tiles")
    parser.add_argument("--batch", type=int, default=256, help="samples in a batch")
    parser.add_argument("--batches", type=int, default=40, help="batches of a run")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="PATH")
    parser.add_argument("--check", action="store_true", help="exit 1 where the target is missed")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--first", default="", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.measure:
        print(json.dumps(measured(chosen)))
        return 0
    try:
        peer = importlib.metadata.version("webdataset")
    except importlib.metadata.PackageNotFoundError:
        print("webdataset is not installed: pip install -e '.[benchmarks]'", file=sys.stderr)
        return 2
    begin = time.perf_counter()
    make_tiles(chosen.out, chosen.count)
    warm_files(chosen.out)
    figures = collect(chosen)
    figures["verdict"] = judge(figures["medians"])
    is_met = tell(figures["medians"], figures["verdict"])
    if chosen.json is not None:
        settings = {n: getattr(chosen, n) for n in ("count", "batch", "batches", "repeats")}
        settings |= {"workers": chosen.workers, "crop_px": 224, "page_cache": "warm"}
        versions = {"torchvision": importlib.metadata.version("torchvision"), "webdataset": peer}
        figures |= {"peers": versions, "seconds": time.perf_counter() - begin, "met": is_met}
        write_report(chosen.json, "loader", settings, figures)
    return 1 if chosen.check and not is_met else 0


if __name__ == "__main__":
    raise SystemExit(main())
