"""Signals that ask a run to end: they raise a flag, and the step in hand is finished first."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["STOP_SIGNALS", "StopSignals", "StoppedRun"]

STOP_SIGNALS = (signal.SIGUSR1, signal.SIGTERM)
"""What SLURM sends before a time limit (``--signal``) and before it takes a node away."""


class StopSignals:
    """Remembers that a signal came. Handlers do nothing else: no file, no collective."""

    def __init__(self) -> None:
        self.received: str = ""
        self._before: dict[int, object] = {}

    def install(self) -> None:
        """Take over the signals; to be called after whoever else installs handlers."""
        for number in STOP_SIGNALS:
            before = signal.signal(number, self._note)
            if before != self._note:
                self._before.setdefault(number, before)

    def restore(self) -> None:
        """Give the signals back to who had them."""
        for number, before in self._before.items():
            signal.signal(number, before)  # type: ignore[arg-type]  # what signal() itself returned
        self._before.clear()

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.received = signal.Signals(number).name


class StoppedRun(SystemExit):
    """The run was asked to stop, and its state is kept.

    Rank 0 ends with code 75, "try again later"; the others end with 0, so that nobody who watches
    the processes takes the first to end for a failure while rank 0 writes its logs.

    Args:
        step: Optimiser steps that were finished.
        why: What asked.
        rank: The rank that ends.
    """

    CODE = 75

    def __init__(self, step: int, why: str, rank: int) -> None:
        super().__init__(0 if rank else self.CODE)
        self.step = step
        self.why = why
        self.rank = rank
