"""Functions that tests run in worker processes; light, because the worker imports this module."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from medvlp.errors import SlideError

ROOT = Path(__file__).parents[2]


class UnloadableError(Exception):
    """An error whose pickle cannot be opened again."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first)
        self.second = second


def add(first: int, second: int) -> int:
    return first + second


def count(stop: int, pause_s: float = 0.0) -> Iterator[int]:
    for number in range(stop):
        time.sleep(pause_s)
        yield number


def count_and_log(stop: int, log: str) -> Iterator[int]:
    for number in range(stop):
        with Path(log).open("a") as file:
            file.write(f"{number}\n")
        yield number


def arrays(num: int, size: int) -> Iterator[dict[str, np.ndarray]]:
    for index in range(num):
        yield {"rgb": np.full((size, 4), index, dtype=np.uint8), "index": np.arange(3)}


def same_array(num: int, size_bytes: int) -> Iterator[np.ndarray]:
    block = np.ones(size_bytes, dtype=np.uint8)
    for _ in range(num):
        yield block


def many_views(num: int, size_bytes: int) -> list[np.ndarray]:
    block = np.ones(size_bytes, dtype=np.uint8)
    return [block[:] for _ in range(num)]


def fail_after(num: int) -> Iterator[int]:
    yield from range(num)
    raise SlideError("MV1206", "tile (3, 4) of x.svs", expected="a tile", hint="copy it again")


def raise_key_error() -> None:
    raise KeyError("no such level")


def raise_unloadable() -> None:
    raise UnloadableError("first", "second")


def yield_unpicklable() -> Iterator[object]:
    yield 1
    yield lambda: None


def kill_itself(number: int) -> Iterator[int]:
    yield 0
    os.kill(os.getpid(), number)
    time.sleep(60)


def read_null_pointer() -> None:
    ctypes.string_at(0)


def print_and_crash() -> None:
    os.write(2, b"libtiff: strip 7 is rotten\n")
    os.kill(os.getpid(), signal.SIGSEGV)


def abort_like_bad_alloc() -> None:
    os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\n")
    os.abort()


def exit_at_once(status: int) -> None:
    os._exit(status)


def print_much(num_bytes: int) -> int:
    for _ in range(num_bytes // 1024):
        os.write(1, b"x" * 1023 + b"\n")
    return num_bytes


def allocate_without_end() -> None:
    blocks = []
    while True:
        blocks.append(np.ones(2**22, dtype=np.uint8))


def sleep_without_end(first: int) -> Iterator[int]:
    yield from range(first)
    time.sleep(3600)


def close_channel_and_stay() -> None:
    os.closerange(3, 64)
    time.sleep(3600)


def identity() -> dict[str, object]:
    return {
        "pid": os.getpid(),
        "session": os.getsid(0),
        "ignores_interrupt": signal.getsignal(signal.SIGINT) == signal.SIG_IGN,
        "torch": "torch" in sys.modules,
        "stdin": os.read(0, 1),
    }


def start_grandchild() -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    yield process.pid
    time.sleep(3600)


def sleep_in_c_holding_the_lock(pid_file: str) -> None:
    Path(pid_file).write_text(str(os.getpid()))
    ctypes.PyDLL(None).sleep(60)


def start_script(path: Path, *args: str, stderr: int) -> subprocess.Popen[str]:
    """Start a script of a test as a user would."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, str(path), *args], env=environment, text=True, stderr=stderr
    )
