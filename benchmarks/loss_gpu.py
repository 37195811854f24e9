"""Time and memory of the contrastive loss on a GPU, beside open_clip's, in fresh processes.

Target, against open_clip's ClipLoss on the same bf16 embeddings (logits in bf16, as under
autocast), width 512, scale 100, at N = 32768: tiled at most 1.0 times its time and 1/20 of its
memory. A peer that runs out of memory is a result.

    python -m benchmarks.loss_gpu [--rows N ...] [--runs 5] [--json PATH] [--check]

Each method and N is a process of its own: three steps (loss and gradients) warm up, the compiler
among them, then the median of the runs is taken. Memory is what the allocator held at most above
the inputs, gradients included. Without a GPU nothing is measured; with --check that is a failure.
"""

from __future__ import annotations

import argparse
import json
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

ROWS = (16384, 32768, 65536, 131072)
WIDTH, SCALE, JUDGED_ROWS, NUM_WARM_UP = 512, 100.0, 32768, 3
PEER, TILED, PLAIN = "ClipLoss (open_clip)", "InfoNCE tiled, compiled", "InfoNCE tiled, plain"
METHODS = (PEER, TILED, PLAIN)
TIME_LIMIT, MEMORY_LIMIT = 1.0, 1 / 20


def make_step(method: str) -> Step:
    """Return the function from image, text and scale to the loss."""
    if method == PEER:
        from open_clip.loss import ClipLoss  # noqa: PLC0415  # only the peer's process pays for it

        peer = ClipLoss()
        return lambda image, text, scale: peer(image, text, scale.bfloat16())
    from medvlp.losses.contrastive import info_nce_loss  # noqa: PLC0415  # as above
    from medvlp.losses.engine.settings import EngineSettings  # noqa: PLC0415

    settings = EngineSettings(path="tiled", compiled=method == TILED)
    return lambda image, text, scale: info_nce_loss(image, text, scale, settings=settings).total


def make_inputs(num_rows: int) -> list[Tensor]:
    """Return aligned unit embeddings in bf16 and the scale in fp32, on the GPU."""
    generator = torch.Generator("cuda").manual_seed(0)
    drawn = [
        torch.randn(num_rows, WIDTH, generator=generator, device="cuda").bfloat16()
        for _ in range(2)
    ]
    image = normalize(drawn[0].float(), dim=1)
    text = normalize(image + 3.0 * normalize(drawn[1].float(), dim=1), dim=1)
    leaves = [image.bfloat16(), text.bfloat16(), torch.tensor(SCALE, device="cuda")]
    return [each.requires_grad_() for each in leaves]


def measure(method: str, num_rows: int, num_runs: int) -> dict[str, Any]:
    """Time steps in this process."""
    row: dict[str, Any] = {"method": method, "rows": num_rows}
    try:
        step, inputs = make_step(method), make_inputs(num_rows)
        seconds = []
        before = torch.cuda.memory_allocated()
        for number in range(NUM_WARM_UP + num_runs):
            if number == NUM_WARM_UP:
                torch.cuda.reset_peak_memory_stats()
            for each in inputs:
                each.grad = None
            torch.cuda.synchronize()
            begin = time.perf_counter()
            loss = step(*inputs)
            loss.backward()
            torch.cuda.synchronize()
            seconds.append(time.perf_counter() - begin)
    except torch.cuda.OutOfMemoryError:
        return {**row, "out_of_memory": True}
    return {
        **row,
        "out_of_memory": False,
        "milliseconds": 1e3 * statistics.median(seconds[NUM_WARM_UP:]),
        "peak_mib": (torch.cuda.max_memory_allocated() - before) / 2**20,
        "loss": loss.item(),
    }


def measure_in_a_fresh_process(method: str, num_rows: int, num_runs: int) -> dict[str, Any]:
    """Run :func:`measure` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.loss_gpu", "--measure", method]
    command += ["--rows", str(num_rows), "--runs", str(num_runs)]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    row: dict[str, Any] = json.loads(found.stdout)
    return row


def judge(rows: list[dict[str, Any]]) -> tuple[str, bool]:
    """Return the headline and whether the targets are met at the judged N."""
    by = {row["method"]: row for row in rows if row["rows"] == JUDGED_ROWS}
    ours, peer = by.get(TILED), by.get(PEER)
    if ours is None or peer is None or ours["out_of_memory"]:
        return f"N = {JUDGED_ROWS} was not measured", False
    if peer["out_of_memory"]:
        return f"ClipLoss is out of memory at N = {JUDGED_ROWS}, ours is not", True
    in_time = ours["milliseconds"] / peer["milliseconds"]
    in_memory = ours["peak_mib"] / peer["peak_mib"]
    is_met = in_time <= TIME_LIMIT and in_memory <= MEMORY_LIMIT
    text = (
        f"at N = {JUDGED_ROWS}: {in_time:.2f} times ClipLoss's time, {in_memory:.3f} of its memory"
    )
    return text, is_met


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(prog="loss_gpu", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=list(ROWS), metavar="N")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="PATH")
    parser.add_argument("--check", action="store_true", help="exit 1 where the target is missed")
    parser.add_argument("--measure", choices=METHODS, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        print("no GPU is present: nothing was measured")
        return 1 if chosen.check else 0
    if chosen.measure:
        print(json.dumps(measure(chosen.measure, chosen.rows[0], chosen.runs)))
        return 0
    rows = [
        measure_in_a_fresh_process(method, num_rows, chosen.runs)
        for num_rows in chosen.rows
        for method in METHODS
    ]
    print(f"{'N':>7}  {'method':24} {'median ms':>10} {'peak MiB':>10}")
    for row in rows:
        figures = "out of memory"
        if not row["out_of_memory"]:
            figures = f"{row['milliseconds']:10.1f} {row['peak_mib']:10.0f}"
        print(f"{row['rows']:7}  {row['method']:24} {figures}")
    headline, is_met = judge(rows)
    print(f"{headline}: {'met' if is_met else 'MISSED'}")
    if chosen.json is not None:
        settings = {"gpu": torch.cuda.get_device_name(), "width": WIDTH, "scale": SCALE}
        figures = {"rows": rows, "headline": headline, "met": is_met}
        write_report(chosen.json, "loss_gpu", settings, figures)
    return 1 if chosen.check and not is_met else 0


if __name__ == "__main__":
    raise SystemExit(main())
