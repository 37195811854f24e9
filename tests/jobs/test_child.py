"""The worker's side of the conversation, held within this process."""

import os
import pickle
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from medvlp.errors import SlideError
from medvlp.jobs import child, messages
from tests.jobs import worker_functions

ROOT = Path(__file__).parents[2]


def answers(function: object, *args: object, streams: bool = False) -> list[object]:
    """Return all messages with which a worker answers a request."""
    call = function if isinstance(function, bytes) else pickle.dumps((function, args))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        thread = threading.Thread(target=child.serve, args=(theirs,))
        thread.start()
        got = [messages.receive(ours)]
        messages.send(ours, child.Request(call, streams, None))
        while not isinstance(
            got[-1], child.Ended | child.Refused | child.OutOfMemory | child.Failed
        ):
            got.append(messages.receive(ours))
        thread.join()
    assert got[0] == child.Ready()
    return got[1:]


def raise_memory_error() -> None:
    raise MemoryError("too much")


def leave() -> None:
    raise SystemExit(3)


def test_serve__sends_one_result_and_the_end() -> None:
    assert answers(worker_functions.add, 1, 2) == [child.Item(3), child.Ended()]


def test_serve__sends_every_result_of_a_generator() -> None:
    expected = [child.Item(0), child.Item(1), child.Ended()]
    assert answers(worker_functions.count, 2, streams=True) == expected


def test_serve__sends_an_error_with_a_code_whole() -> None:
    item, refused = answers(worker_functions.fail_after, 1, streams=True)
    assert item == child.Item(0)
    assert isinstance(refused, child.Refused)
    assert type(refused.error) is SlideError
    assert str(refused.error) == (
        "MV1206: tile (3, 4) of x.svs; expected a tile - copy it again"
    )  # fmt: skip


def test_serve__describes_any_other_error() -> None:
    (failed,) = answers(worker_functions.raise_key_error)
    assert isinstance(failed, child.Failed)
    assert (failed.kind, failed.said) == ("KeyError", "'no such level'")
    assert "in raise_key_error" in failed.traceback


def test_serve__reports_a_result_that_cannot_be_sent() -> None:
    item, failed = answers(worker_functions.yield_unpicklable, streams=True)
    assert item == child.Item(1)
    assert isinstance(failed, child.Failed)
    assert "pickle" in failed.said


def test_serve__reports_a_request_that_cannot_be_opened() -> None:
    (failed,) = answers(b"no pickle")
    assert isinstance(failed, child.Failed)
    assert failed.kind == "UnpicklingError"


def test_serve__reports_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "_lift_memory_limit", lambda: None)
    assert answers(raise_memory_error) == [child.OutOfMemory("too much")]


def test_serve__reports_a_function_that_wants_to_exit() -> None:
    (failed,) = answers(leave)
    assert isinstance(failed, child.Failed)
    assert (failed.kind, failed.said) == ("SystemExit", "3")


def test_serve__ends_quietly_when_the_parent_is_gone() -> None:
    ours, theirs = socket.socketpair()
    ours.close()
    with theirs:
        child.serve(theirs)
    ours, theirs = socket.socketpair()
    with theirs:
        with ours:
            messages.send(
                ours, child.Request(pickle.dumps((endless, ())), streams=True, memory_bytes=None)
            )
        child.serve(theirs)


PLAIN_PROCESS = """
    import socket, sys
    from multiprocessing.connection import Connection
    from medvlp.jobs import child
    child.main(socket.socket(fileno=int(sys.argv[1])), Connection(int(sys.argv[2])))
"""


def test_main__confines_a_process_and_lifts_the_limit_to_report_it(
    capfd: pytest.CaptureFixture[str],
) -> None:
    ours, theirs = socket.socketpair()
    noise, noise_end = os.pipe()
    code = textwrap.dedent(PLAIN_PROCESS)
    with ours, theirs:
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(theirs.fileno()), str(noise_end)],
            pass_fds=[theirs.fileno(), noise_end],
            cwd=ROOT,
        )
        theirs.close()
        os.close(noise_end)
        assert messages.receive(ours) == child.Ready()
        call = pickle.dumps((print_and_allocate, ()))
        messages.send(ours, child.Request(call, streams=False, memory_bytes=2**25))
        assert isinstance(messages.receive(ours), child.OutOfMemory)
    assert process.wait(timeout=30) == 0
    with os.fdopen(noise, "rb") as printed:
        assert printed.read() == b"noise of a library\n"
    assert capfd.readouterr() == ("", "")


def print_and_allocate() -> None:
    os.write(1, b"noise of a library\n")
    worker_functions.allocate_without_end()


def test_limit_memory__stays_below_a_limit_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    hard = 2**30
    asked = []
    monkeypatch.setattr(child.resource, "getrlimit", lambda _: (hard, hard))
    monkeypatch.setattr(child.resource, "setrlimit", lambda _, limits: asked.append(limits))
    child._limit_memory(2**50)
    child._limit_memory(None)
    child._lift_memory_limit()
    assert asked == [(hard, hard), (hard, hard)]


def endless() -> Iterator[bytes]:
    while True:
        yield bytes(2**20)
