"""What runs inside a worker process: confinement, then one function, its results sent back.

The process has no terminal, ignores Ctrl-C, leaves no core file (it would hold patient data),
writes what libraries print into a pipe of the parent, may add only so much memory, and is killed by
the system as soon as its parent is gone, even inside a C library.
"""

from __future__ import annotations

import faulthandler
import fcntl
import os
import pickle
import resource
import select
import signal
import sys
import threading
import traceback
from dataclasses import dataclass
from multiprocessing import parent_process
from pathlib import Path
from typing import TYPE_CHECKING

from medvlp.errors import MedvlpError
from medvlp.jobs import messages

if TYPE_CHECKING:
    import socket
    from multiprocessing.connection import Connection

__all__ = ["Ended", "Failed", "Item", "OutOfMemory", "Ready", "Refused", "Request", "main", "serve"]


@dataclass(frozen=True)
class Request:
    """What the worker shall do.

    Attributes:
        call: Pickle of ``(function, args)``, opened only after the process is confined.
        streams: Whether the function yields several results instead of returning one.
        memory_bytes: Address space that may be added to what is mapped once the function is
            imported; None sets no limit.
    """

    call: bytes
    streams: bool
    memory_bytes: int | None


@dataclass(frozen=True)
class Ready:
    """The process is confined and takes requests."""


@dataclass(frozen=True)
class Item:
    """One result."""

    value: object


@dataclass(frozen=True)
class Ended:
    """There are no further results."""


@dataclass(frozen=True)
class Refused:
    """The function raised an error that has a code."""

    error: MedvlpError


@dataclass(frozen=True)
class OutOfMemory:
    """The function asked for more memory than it may have; ``said`` is the text of the error."""

    said: str


@dataclass(frozen=True)
class Failed:
    """The function raised any other error."""

    kind: str
    said: str
    traceback: str


class _ParentGoneError(Exception):
    """Nobody takes the results any more."""


def main(channel: socket.socket, noise: Connection) -> None:
    """Confine this process and serve one request; the target of the worker process.

    Args:
        channel: Connection to the parent.
        noise: Pipe that takes what is printed here.
    """
    _confine(noise.fileno())
    with channel:
        serve(channel)


def serve(channel: socket.socket) -> None:
    """Take one request, carry it out, send back results and how it ended.

    Args:
        channel: Connection to the parent.
    """
    try:
        _send(channel, Ready())
        request = messages.receive(channel)
        if not isinstance(request, Request):
            raise TypeError(f"not a request: {request!r}")
        _send(channel, _answer(channel, request))
    except (_ParentGoneError, EOFError):
        return


def _answer(channel: socket.socket, request: Request) -> Ended | Refused | OutOfMemory | Failed:
    try:
        function, args = pickle.loads(request.call)  # noqa: S301 - from the process that started us
        _limit_memory(request.memory_bytes)
        if request.streams:
            for value in function(*args):
                _send(channel, Item(value))
        else:
            _send(channel, Item(function(*args)))
    except _ParentGoneError:
        raise
    except MedvlpError as error:
        return Refused(error)
    except MemoryError as error:
        _lift_memory_limit()
        return OutOfMemory(str(error))
    except BaseException as error:  # noqa: BLE001 - whatever happened is the parent's to judge
        return Failed(type(error).__name__, str(error), traceback.format_exc())
    return Ended()


def _send(channel: socket.socket, message: object) -> None:
    try:
        messages.send(channel, message)
    except OSError as error:
        raise _ParentGoneError from error


def _confine(noise: int) -> None:
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (noise, 1), (noise, 2)):
        os.dup2(source, target)
    os.close(null)
    faulthandler.enable(file=2)
    parent = parent_process()
    if parent is not None:
        _die_with(parent.sentinel)


def _die_with(lifeline: int) -> None:
    # The lifeline is a pipe that nothing is written to and that closes when the parent ends. A
    # signal of the kernel reaches a process that is stuck in a library; a thread would not.
    if sys.platform == "linux":
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
        if select.select([lifeline], [], [], 0)[0]:
            os._exit(1)
    else:
        threading.Thread(target=_exit_when_closed, args=(lifeline,), daemon=True).start()


def _exit_when_closed(lifeline: int) -> None:
    select.select([lifeline], [], [])
    os._exit(1)


def _limit_memory(memory_bytes: int | None) -> None:
    if memory_bytes is None:
        return
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    wanted = _mapped_bytes() + memory_bytes
    # Only the soft limit: it is lifted again to report that it was reached.
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _lift_memory_limit() -> None:
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _mapped_bytes() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except OSError:
        return 0
    return pages * resource.getpagesize()
