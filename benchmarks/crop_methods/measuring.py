"""Time one crop and take its peak of memory, in this process or in a fresh one.

    python -m benchmarks.crop_methods.measuring METHOD FILE [--cores K]

reads a task and a tiny one to warm up as JSON from standard input, writes the crop to FILE (.npz)
and prints the figures as JSON.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.crop_methods.tasks import MODULES, MONAI_ITK, Found, Task

__all__ = ["UnreadableScanError", "load_crop", "measure", "measure_in_a_fresh_process"]


class UnreadableScanError(Exception):
    """A method cannot read a scan."""


def resident_mib(field: str) -> float:
    """Return a field of ``/proc/self/status``, such as ``VmRSS`` or ``VmHWM``, in MiB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise OSError(f"/proc/self/status has no {field}")


def measure(method: str, task: Task, warm_up: Task) -> tuple[dict[str, float], Found]:
    """Time one crop in this process and take its peak of resident memory.

    The libraries are imported and a tiny scan of the same format is cropped before, so that what
    they import late counts neither as time nor as memory. The peak is the kernel's ``VmHWM``, set
    back through ``clear_refs`` just before the call, less ``VmRSS`` at that moment.

    Args:
        method: One of the methods for the scan's format.
        task: What to crop.
        warm_up: The same of the tiny scan.
    """
    crop_box: Any = importlib.import_module(f"benchmarks.crop_methods.{MODULES[method]}").crop_box
    crop_box(warm_up, method)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = resident_mib("VmRSS")
    begin, begin_cpu = time.perf_counter(), time.process_time()
    found: Found = crop_box(task, method)
    seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - begin_cpu
    peak_mib = resident_mib("VmHWM") - before
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "peak_mib": peak_mib}, found


def measure_in_a_fresh_process(
    method: str, task: Task, warm_up: Task, out: Path, *, threads: int, itk: Path | None = None
) -> dict[str, float]:
    """Run :func:`measure` in a process of its own, with the files in the kernel's cache.

    Args:
        method: One of the methods for the scan's format.
        task: What to crop.
        warm_up: The same of the tiny scan.
        out: File for the crop, with the suffix ``.npz``.
        threads: Cores that the process may use, and threads of the libraries.
        itk: Folder that holds the itk package, for MONAI's reader.

    Raises:
        UnreadableScanError: If the method fails.
    """
    for file in sorted(task.path.iterdir()) if task.path.is_dir() else [task.path]:
        file.read_bytes()
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")
    environment = {**os.environ, **dict.fromkeys(names, str(threads))}
    if method == MONAI_ITK and itk is not None:
        environment["PYTHONPATH"] = f"{os.environ.get('PYTHONPATH', '')}{os.pathsep}{itk}"
    asked = json.dumps([asdict(item) for item in (task, warm_up)], default=str)
    command = [sys.executable, "-m", "benchmarks.crop_methods.measuring", method, str(out)]
    command += ["--cores", str(threads)]
    found = subprocess.run(
        command, input=asked, capture_output=True, text=True, env=environment, check=False
    )
    if found.returncode:
        raise UnreadableScanError((found.stderr.strip().splitlines() or ["no message"])[-1][:200])
    row: dict[str, float] = json.loads(found.stdout.splitlines()[-1])
    return row


def load_crop(path: Path) -> Found:
    """Read a crop that a fresh process wrote."""
    with np.load(path) as arrays:
        return Found(arrays["values"], arrays["first_lps_mm"])


def _task(fields: dict[str, Any]) -> Task:
    whole = {name: tuple(value) for name, value in fields.items() if name != "path"}
    return Task(path=Path(fields["path"]), **whole)


def main() -> int:
    """Run the command line and return the exit code."""
    parser = argparse.ArgumentParser(prog="measuring", description=__doc__.splitlines()[0])
    parser.add_argument("method", choices=sorted(MODULES))
    parser.add_argument("out", type=Path)
    parser.add_argument("--cores", type=int, default=None, metavar="K")
    chosen = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: chosen.cores])
    task, warm_up = (_task(fields) for fields in json.load(sys.stdin))
    figures, found = measure(chosen.method, task, warm_up)
    np.savez(chosen.out, values=found.values, first_lps_mm=found.first_lps_mm)
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
