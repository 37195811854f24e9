"""Two trainings side by side that take turns: one steps while the other waits.

A side is a process of its own, so that its peak memory is its own. It stops after each turn, in the
midst of its loop, and says how long the turn took; the other then has the machine to itself.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Pacer", "Side"]


class Pacer:
    """What the process of a side asks after each step.

    Args:
        device: ``cpu`` or ``cuda``.
    """

    def __init__(self, device: str) -> None:
        self._is_cuda = device == "cuda"
        self._to_parent = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)  # whatever else a library prints goes to standard error
        self._steps_left = 0
        self._begin = 0.0
        self._begin_cpu = 0.0
        self._wait_s = 0.0
        self._losses: list[torch.Tensor] = []
        self._built_mib = _resident_mib()

    def built(self) -> None:
        """Note the memory before the first step, when all libraries are loaded."""
        self._built_mib = _resident_mib()
        self._turn({})

    def waited(self, seconds: float) -> None:
        """Count time in which a step waited for its batch.

        Args:
            seconds: How long.
        """
        self._wait_s += seconds

    def stepped(self, loss: torch.Tensor) -> None:
        """Count a step; at the end of a turn, report it and wait for the next one.

        Args:
            loss: Loss of the step, detached.
        """
        self._losses.append(loss)
        self._steps_left -= 1
        if self._steps_left == 0:
            if self._is_cuda:
                torch.cuda.synchronize()
            seconds = time.perf_counter() - self._begin
            cpu_s = time.process_time() - self._begin_cpu
            self._turn({"seconds": seconds, "cpu_s": cpu_s, "wait_s": self._wait_s})

    def _turn(self, report: dict[str, float]) -> None:
        report["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        report["built_mib"] = self._built_mib
        if self._is_cuda:
            report["peak_cuda_mib"] = torch.cuda.max_memory_allocated() / 2**20
        self._tell(report)
        order = sys.stdin.readline().split()
        if not order:
            self._tell({"losses": [float(loss) for loss in self._losses]})
            os._exit(0)
        self._steps_left = int(order[0])
        self._wait_s = 0.0
        self._begin, self._begin_cpu = time.perf_counter(), time.process_time()

    def _tell(self, report: dict[str, Any]) -> None:
        self._to_parent.write(json.dumps(report) + "\n")
        self._to_parent.flush()


class Side:
    """The process of a side, seen from the benchmark.

    Args:
        name: What it is called in the table.
        command: Arguments of Python that start it.
    """

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name = name
        self.turns: list[dict[str, float]] = []
        self._process = subprocess.Popen(
            [sys.executable, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._read()

    def step(self, num_steps: int, *, is_timed: bool = True) -> None:
        """Let it make some steps, and wait for them.

        Args:
            num_steps: How many.
            is_timed: Whether the turn counts.
        """
        self._pipe(self._process.stdin).write(f"{num_steps}\n")
        self._pipe(self._process.stdin).flush()
        report = self._read()
        if is_timed:
            self.turns.append({**report, "steps": num_steps})

    def end(self) -> list[float]:
        """End the process and return the losses of all its steps."""
        self._pipe(self._process.stdin).close()
        losses: list[float] = self._read()["losses"]
        self._process.wait()
        return losses

    def _read(self) -> dict[str, Any]:
        line = self._pipe(self._process.stdout).readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with code {self._process.wait()}")
        report: dict[str, Any] = json.loads(line)
        return report

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        if pipe is None:
            raise RuntimeError("the process was started without pipes")
        return pipe


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20
