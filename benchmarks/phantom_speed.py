"""Measure how fast a phantom slide is written, and with how much memory.

Target: 20,000 x 20,000 px with pyramid, JPEG and truth in under 20 s on 2 cores, under 1.5 GB.

    python -m benchmarks.phantom_speed [--size-px 20000] [--threads 2] [--json PATH] [--check]

Each slide is written by a fresh process into a temporary folder. There is no peer: no other package
writes slides of this kind. Exit code 1 with ``--check`` if the target is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from medvlp import __version__
from medvlp.phantoms.classes import DIAGNOSES
from medvlp.phantoms.slides import PhantomSlideSpec, write_phantom_slide

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main", "measure_slide"]

TARGET_S = 20.0
TARGET_GB = 1.5


def measure_slide(diagnosis: str, size_px: int, threads: int) -> dict[str, float]:
    """Write one slide in this process.

    Args:
        diagnosis: Key of the diagnosis.
        size_px: Width and height in level-0 pixels.
        threads: Threads that paint and encode.

    Returns:
        Wall-clock and processor seconds, highest resident memory of this process (GB) and size of
        the file (MB).
    """
    spec = PhantomSlideSpec(
        seed=1, diagnosis=diagnosis, size_px=(size_px, size_px), threads=threads
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "slide.tif"
        start_s, start_cpu_s = time.perf_counter(), time.process_time()
        write_phantom_slide(path, spec)
        wall_s, cpu_s = time.perf_counter() - start_s, time.process_time() - start_cpu_s
        file_mb = path.stat().st_size / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak_gb = peak / 1e9 if sys.platform == "darwin" else peak * 1024 / 1e9
    return {"wall_s": wall_s, "cpu_s": cpu_s, "peak_gb": peak_gb, "file_mb": file_mb}


def _measure_apart(diagnosis: str, size_px: int, threads: int) -> dict[str, float]:
    """Measure one slide in a fresh process."""
    call = f"measure_slide({diagnosis!r}, {size_px}, {threads})"
    code = f"import json; from benchmarks.phantom_speed import *; print(json.dumps({call}))"
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, check=True, stdout=subprocess.PIPE, text=True
    )
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure one slide of each wanted diagnosis, print a table, write JSON.

    Args:
        arguments: Command line; that of the process when absent.

    Returns:
        Exit code.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size-px", type=int, default=20_000, help="width and height")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--diagnoses", nargs="+", default=["glandular"], choices=DIAGNOSES)
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--check", action="store_true", help="exit 1 if the target is missed")
    options = parser.parse_args(arguments)

    print(f"{'diagnosis':<12}{'wall s':>9}{'cpu s':>9}{'peak GB':>9}{'file MB':>9}{'Mpx/s':>9}")
    rows = []
    for diagnosis in options.diagnoses:
        row = _measure_apart(diagnosis, options.size_px, options.threads)
        rate = options.size_px**2 / 1e6 / row["wall_s"]
        numbers = [row["wall_s"], row["cpu_s"], row["peak_gb"], row["file_mb"], rate]
        print(f"{diagnosis:<12}" + "".join(f"{number:>9.2f}" for number in numbers), flush=True)
        rows.append({"diagnosis": diagnosis, **row, "mpx_per_s": rate})
    slowest_s = max(row["wall_s"] for row in rows)
    largest_gb = max(row["peak_gb"] for row in rows)
    met = slowest_s < TARGET_S and largest_gb < TARGET_GB
    if options.json:
        record = {
            "machine": {"platform": platform.platform(), "cpus": os.cpu_count()},
            "versions": {
                "python": platform.python_version(),
                "medvlp": __version__,
                **{name: version(name) for name in ("numpy", "scipy", "tifffile", "imagecodecs")},
            },
            "settings": {"size_px": options.size_px, "threads": options.threads},
            "targets": {"wall_s": TARGET_S, "peak_gb": TARGET_GB},
            "rows": rows,
            "met": met,
        }
        options.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(
        f"slowest slide {slowest_s:.1f} s (target {TARGET_S:.0f}), "
        f"peak {largest_gb:.2f} GB (target {TARGET_GB}): {'met' if met else 'MISSED'}"
    )
    return 1 if options.check and not met else 0


if __name__ == "__main__":
    raise SystemExit(main())
