"""One worker process seen from its parent: started, listened to, judged, ended."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

from medvlp.errors import WorkerError
from medvlp.jobs import child, messages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from types import TracebackType
    from typing import Self

__all__ = ["WorkerLimits", "WorkerProcess", "function_name"]

_EXIT_S = 5.0
_TAIL_BYTES = 8192
_MAIN_LOCK = threading.Lock()


@dataclass(frozen=True)
class WorkerLimits:
    """What a worker may take before its work counts as failed.

    Attributes:
        memory_bytes: Address space that the function may add to what the process maps before, in
            bytes; also the largest single result.
        stall_s: Longest wait for the next result, in seconds. Only waiting counts: a slow consumer
            does not harm the worker.
        total_s: Longest sum of all waits, in seconds; None sets no limit.
    """

    memory_bytes: int = 4 * 2**30
    stall_s: float = 300.0
    total_s: float | None = None

    def __post_init__(self) -> None:
        """Refuse limits that nothing could keep."""
        for name in ("memory_bytes", "stall_s", "total_s"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be above 0, got {value}")


def function_name(function: Callable[..., object]) -> str:
    """Return the name of a function as messages show it.

    Args:
        function: Any callable.
    """
    return getattr(function, "__qualname__", repr(function))


class WorkerProcess:
    """One worker process and the connection to it, as a context that ends the process.

    Args:
        function: The function that will run, for messages and to prepare the server.
        request: What the process shall do.
        limits: Limits of memory and time.
    """

    def __init__(
        self,
        function: Callable[..., object],
        request: child.Request,
        limits: WorkerLimits,
    ) -> None:
        """Prepare a process; nothing is started before the context is entered."""
        self._function = function
        self._name = function_name(function)
        self._request = request
        self._limits = limits
        self._waited_s = 0.0
        self._ended = False

    def __enter__(self) -> Self:
        """Start the process and hand it the request.

        Raises:
            WorkerError: MV1604 where the process does not start.
        """
        context = multiprocessing.get_context("forkserver")
        needs_main = b"__main__" in self._request.call
        context.set_forkserver_preload(_preloaded(self._function, needs_main=needs_main))
        self._channel, theirs = socket.socketpair()
        noise, noise_end = context.Pipe(duplex=False)
        self._noise = _Noise(noise)
        self._process = context.Process(
            target=child.main,
            args=(theirs, noise_end),
            name=f"medvlp worker: {self._name}",
            daemon=True,
        )
        try:
            with nullcontext() if needs_main else _without_main_program():
                self._process.start()
        except (OSError, EOFError) as error:
            self._channel.close()
            raise self._not_started(str(error)) from error
        finally:
            theirs.close()
            noise_end.close()
            self._noise.start()
        try:
            self._greet()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process, by force where it still works."""
        self._channel.close()
        self._process.join(_EXIT_S if self._ended else 0)
        self._kill()
        self._noise.close()
        self._process.close()

    def next_message(self) -> child.Item | child.Ended:
        """Wait for the next result or the end; raise how the worker failed.

        Raises:
            MedvlpError: What the function raised.
            WorkerError: What happened instead of a result.
        """
        message = self._receive()
        match message:
            case child.Item():
                return message
            case child.Ended():
                self._ended = True
                return message
            case child.Refused(error):
                raise error
            case child.OutOfMemory(said):
                raise self._too_large(said)
            case child.Failed(kind, said, trace):
                raise self._failed(kind, said, trace)
            case _:
                raise self._crash()

    def _crash(self) -> WorkerError:
        self._process.join(_EXIT_S)
        status = self._process.exitcode
        self._kill()
        tail = self._noise.close()
        if status == -signal.SIGABRT and "bad_alloc" in tail:
            return _noted(self._too_large("std::bad_alloc"), tail)
        if status is None:
            how = "closed its connection"
        elif status < 0:
            how = f"was ended by signal {-status} ({_signal_name(-status)})"
        else:
            how = f"ended with status {status} before it answered"
        printed = tail.partition("Fatal Python error:")[0].strip().splitlines()
        said = f"; the last that it printed: {printed[-1][:200]}" if printed else ""
        hint = "the file may be damaged: open it in another viewer, or copy it again"
        if status == -signal.SIGKILL:
            hint = "the system does that when memory runs out: run fewer processes at once"
        what = f"the worker process of {self._name} {how}{said}"
        return _noted(WorkerError("MV1601", what, hint=hint), tail)

    def _greet(self) -> None:
        try:
            if not isinstance(self._receive(), child.Ready):
                raise self._not_started("it sent something else first")
            self._channel.settimeout(self._limits.stall_s)
            messages.send(self._channel, self._request)
        except OSError as error:
            raise self._not_started(str(error)) from error
        except WorkerError as error:
            if error.code == "MV1601":
                raise self._not_started(error.what) from error
            raise

    def _receive(self) -> object:
        started = time.monotonic()
        left_s = (self._limits.total_s or math.inf) - self._waited_s
        deadline = started + min(self._limits.stall_s, left_s)
        try:
            return messages.receive(
                self._channel, deadline=deadline, max_bytes=self._limits.memory_bytes
            )
        except TimeoutError as error:
            raise self._too_slow(stalled=self._limits.stall_s <= left_s) from error
        except messages.TooLongError as error:
            raise self._too_large(str(error)) from error
        except (EOFError, OSError) as error:
            raise self._crash() from error
        finally:
            self._waited_s += time.monotonic() - started

    def _kill(self) -> None:
        if self._process.exitcode is None and self._process.pid is not None:
            # The process leads a group of its own; before it does, it is alone.
            with suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.kill()
            self._process.join()

    def _failed(self, kind: str, said: str, trace: str) -> WorkerError:
        what = f"{self._name} failed in its worker process: {kind}: {said}"
        return _noted(WorkerError("MV1600", what, hint="the log holds the traceback"), trace)

    def _too_large(self, said: str) -> WorkerError:
        limit = f"at most {self._limits.memory_bytes / 2**30:.3g} GiB"
        what = f"{self._name} asked for too much memory ({said or 'out of memory'})"
        hint = "the file may be damaged or hostile; if it is sound, raise the limit"
        return WorkerError("MV1602", what, expected=limit, hint=hint)

    def _too_slow(self, *, stalled: bool) -> WorkerError:
        limit_s = self._limits.stall_s if stalled else self._limits.total_s
        what = f"{self._name} gave no {'further ' if stalled else ''}result in time"
        expected = f"at most {limit_s:g} s {'without a result' if stalled else 'in total'}"
        hint = "check the file and its drive; if both are sound, raise the limit"
        return WorkerError("MV1603", what, expected=expected, hint=hint)

    def _not_started(self, said: str) -> WorkerError:
        return WorkerError(
            "MV1604",
            f"no worker process could be started for {self._name} ({said})",
            hint='in a script of your own, keep the call below: if __name__ == "__main__":',
        )


class _Noise(threading.Thread):
    """Read what a worker prints and keep the end of it."""

    def __init__(self, source: Connection) -> None:
        super().__init__(name="medvlp worker output", daemon=True)
        self._source = source
        self._tail = b""

    def run(self) -> None:
        """Read until the process has gone."""
        while chunk := os.read(self._source.fileno(), 65536):
            self._tail = (self._tail + chunk)[-_TAIL_BYTES:]

    def close(self) -> str:
        """Wait for the end of the output and return its last part."""
        self.join(_EXIT_S)
        if not self.is_alive() and not self._source.closed:
            self._source.close()
        return self._tail.decode("utf-8", "replace")


def _preloaded(function: Callable[..., object], *, needs_main: bool) -> list[str]:
    # Modules that import cleanly, because this process has imported them; the server would end on
    # one that does not.
    wanted = [function.__module__, "numpy"]
    found = [child.__name__, *(name for name in wanted if name in sys.modules)]
    return ["__main__", *found] if needs_main else found


@contextmanager
def _without_main_program() -> Iterator[None]:
    """Start a process that does not import the main program again.

    A process of multiprocessing imports the program it was started from, in case something of it
    was pickled. Where nothing was, that is seconds lost in every worker of a program that imports
    a deep-learning library.
    """
    with _MAIN_LOCK:
        program = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = program


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def _noted(error: WorkerError, text: str) -> WorkerError:
    if text.strip():
        error.add_note(text.strip())
    return error
