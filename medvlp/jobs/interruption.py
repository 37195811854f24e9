"""Leave a run in good order when the system or the user asks for it."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType
    from typing import Any, Self

    _Handler = Callable[[int, FrameType | None], Any] | int | None

__all__ = ["Interruption"]


class Interruption:
    """Turn SIGINT and SIGTERM into KeyboardInterrupt, once, while the context is open.

    A batch system sends SIGTERM seconds before SIGKILL: the first signal interrupts the work,
    further ones are ignored while leases are given back. A signal that the process was told to
    ignore stays ignored. Outside the main thread, where Python takes no signals, the context does
    nothing.
    """

    def __enter__(self) -> Self:
        """Take over the signals."""
        self._received: int | None = None
        self._former: dict[int, _Handler] = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                former = signal.getsignal(number)
                if former not in (signal.SIG_IGN, None):
                    self._former[number] = signal.signal(number, self._interrupt)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the signals back."""
        for number, former in self._former.items():
            signal.signal(number, former)

    def check(self) -> None:
        """Raise again what a library may have swallowed.

        Raises:
            KeyboardInterrupt: If a signal has come.
        """
        if self._received is not None:
            raise KeyboardInterrupt(signal.Signals(self._received).name)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._received is None:
            self._received = number
            raise KeyboardInterrupt(signal.Signals(number).name)
