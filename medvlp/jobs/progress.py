"""Show how far a run is: a bar on a terminal, one plain line a minute in a log file."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol, TextIO

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["NullProgress", "Progress", "ProgressSink", "describe_seconds"]

_MINUTE_S = 60.0


class ProgressSink(Protocol):
    """What is told of items that end."""

    def advance(self, count: int = 1) -> None:
        """Count items that were worked on.

        Args:
            count: Number of items.
        """

    def skip(self, count: int = 1) -> None:
        """Count items that were there already; they do not speak for the rate.

        Args:
            count: Number of items.
        """


class NullProgress:
    """Progress that nobody sees."""

    def __enter__(self) -> Self:
        """Do nothing."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Do nothing."""

    def advance(self, count: int = 1) -> None:
        """Do nothing.

        Args:
            count: Number of items.
        """

    def skip(self, count: int = 1) -> None:
        """Do nothing.

        Args:
            count: Number of items.
        """


class Progress:
    """Count, rate and time left on standard error, as a context.

    On a terminal it is a bar; elsewhere a plain line at the start, every ``interval_s`` and at the
    end. Standard output is never written to.

    Args:
        total: Number of items, those that are there already included.
        unit: What is counted, in the plural, such as ``slides``.
        label: What is done with them, such as ``Embedding``.
        interval_s: Time between two plain lines, in seconds.
        stream: Where to write; None takes standard error when the context is entered.
    """

    def __init__(
        self,
        total: int,
        unit: str,
        *,
        label: str,
        interval_s: float = _MINUTE_S,
        stream: TextIO | None = None,
    ) -> None:
        """Prepare a progress that is at zero; nothing is shown yet."""
        self._total = total
        self._unit = unit
        self._label = label
        self._interval_s = interval_s
        self._stream = stream
        self._worked = 0
        self._skipped = 0
        self._bar: Any = None
        self._stop = threading.Event()
        self._ticker: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Start the clock and show the first state."""
        self._out = self._stream or sys.stderr
        self._started = time.monotonic()
        if self._out.isatty():
            self._bar = _started_bar(self._out, self._label, self._total)
        else:
            self._write_line()
            self._ticker = threading.Thread(target=self._tick, name="progress", daemon=True)
            self._ticker.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Show the last state and stop."""
        if self._bar is not None:
            self._bar.stop()
        if self._ticker is not None:
            self._stop.set()
            self._ticker.join()
            self._write_line()

    def advance(self, count: int = 1) -> None:
        """Count items that were worked on.

        Args:
            count: Number of items.
        """
        self._worked += count
        self._show()

    def skip(self, count: int = 1) -> None:
        """Count items that were there already; they do not speak for the rate.

        Args:
            count: Number of items.
        """
        self._skipped += count
        self._show()

    def summary(self) -> str:
        """Return count, rate and time left (or taken) in words."""
        seconds = time.monotonic() - self._started
        ended = self._worked + self._skipped
        parts = [f"{ended}/{self._total} {self._unit}"]
        if self._skipped:
            parts.append(f"{self._skipped} reused")
        if self._worked:
            parts.append(_rate(self._worked / max(seconds, 1e-6), self._unit))
            left_s = (self._total - ended) * seconds / self._worked
            parts.append(f"{describe_seconds(left_s)} left" if ended < self._total else "")
        if ended >= self._total:
            parts.append(f"in {describe_seconds(seconds)}")
        return ", ".join(part for part in parts if part)

    def _show(self) -> None:
        if self._bar is not None:
            ended = self._worked + self._skipped
            self._bar.update(0, completed=ended, summary=self.summary())

    def _tick(self) -> None:
        while not self._stop.wait(self._interval_s):
            self._write_line()

    def _write_line(self) -> None:
        self._out.write(f"{self._label}: {self.summary()}\n")
        self._out.flush()


def describe_seconds(seconds: float) -> str:
    """Return a duration in the two units that matter: ``8 s``, ``3 min 20 s``, ``2 h 5 min``.

    Args:
        seconds: The duration, at least 0.
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest_s = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest_s} s"
    hours, rest_min = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {rest_min} min"
    return f"{hours // 24} d {hours % 24} h"


def _rate(per_second: float, unit: str) -> str:
    for factor, name in ((1.0, "s"), (60.0, "min"), (3600.0, "h")):
        if per_second * factor >= 1 or name == "h":
            break
    return f"{per_second * factor:.3g} {unit}/{name}"


def _started_bar(stream: TextIO, label: str, total: int) -> Any:  # noqa: ANN401 - rich is imported late
    from rich.console import Console  # noqa: PLC0415 - 40 ms that a log file need not pay
    from rich.progress import BarColumn, TextColumn  # noqa: PLC0415
    from rich.progress import Progress as Bar  # noqa: PLC0415

    bar = Bar(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[summary]}", markup=False),
        console=Console(file=stream),
    )
    bar.add_task(label, total=total, summary=f"0/{total}")
    bar.start()
    return bar
