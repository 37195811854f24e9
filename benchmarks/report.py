"""What every benchmark reports: machine, versions, settings and figures, as JSON."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from pathlib import Path
from typing import Any

__all__ = ["machine_facts", "write_report"]

_LIBRARIES = ("torch", "timm", "open_clip_torch", "numpy", "lightning", "openslide-python")


def machine_facts() -> dict[str, Any]:
    """Return processor, number of usable cores, memory and system of this machine."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [
            line.split(":", 1)[1].strip()
            for line in info.read_text().splitlines()
            if line.startswith("model name")
        ]
        cpu = names[0] if names else cpu
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cpu": cpu,
        "cores": cores,
        "memory_gib": round(memory_gib, 1),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def write_report(path: Path, name: str, settings: dict[str, Any], figures: dict[str, Any]) -> None:
    """Write the JSON of one benchmark.

    Args:
        path: Where to.
        name: Name of the benchmark.
        settings: What was asked for.
        figures: What was measured.
    """
    record = {
        "benchmark": name,
        "machine": machine_facts(),
        "versions": {library: importlib.metadata.version(library) for library in _LIBRARIES},
        "settings": settings,
        "figures": figures,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
