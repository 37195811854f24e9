"""Run a function in a process of its own, so that a crash inside a library is one case's failure.

The process is forked from a small server that holds no model and no accelerator, which takes
milliseconds. The function and its arguments are pickled: a function of a module, not a lambda. A
script that runs a function of its own keeps its work below ``if __name__ == "__main__":``, as for
``multiprocessing``; functions of other modules need no such guard.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, TypeVar, cast

from medvlp.jobs import child
from medvlp.jobs.worker_process import WorkerLimits, WorkerProcess, function_name

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

__all__ = ["WorkerLimits", "run_in_worker", "stream_in_worker"]

_T = TypeVar("_T")

_DEFAULT_LIMITS = WorkerLimits()


def run_in_worker(
    function: Callable[..., _T], *args: object, limits: WorkerLimits = _DEFAULT_LIMITS
) -> _T:
    """Call a function in a worker process and return what it returns.

    Args:
        function: A function of a module.
        *args: Its arguments; they are pickled.
        limits: Limits of memory and time.

    Raises:
        MedvlpError: What the function raised, unchanged.
        WorkerError: MV1600 (any other error), MV1601 (crash), MV1602 (memory), MV1603 (time),
            MV1604 (the process did not start).
        TypeError: If function or arguments cannot be pickled.
    """
    request = child.Request(_pickled_call(function, args), False, limits.memory_bytes)
    (value,) = _results(function, request, limits)
    return cast("_T", value)


def stream_in_worker(
    function: Callable[..., Iterable[_T]], *args: object, limits: WorkerLimits = _DEFAULT_LIMITS
) -> Generator[_T, None, None]:
    """Call a generator function in a worker process and yield what it yields.

    The process starts at the first ``next``. It works one result ahead: it waits until a result is
    taken before it computes the one after the next, so memory stays bounded. Closing the generator,
    or dropping it, kills the process.

    Args:
        function: A generator function of a module, or one that returns an iterable.
        *args: Its arguments; they are pickled.
        limits: Limits of memory and time.

    Yields:
        The results, in order; numpy arrays in them own their memory and are writable.

    Raises:
        MedvlpError: What the function raised, unchanged, after the results before it.
        WorkerError: MV1600 (any other error), MV1601 (crash), MV1602 (memory), MV1603 (time),
            MV1604 (the process did not start).
        TypeError: If function or arguments cannot be pickled; raised by the call itself.
    """
    request = child.Request(_pickled_call(function, args), True, limits.memory_bytes)
    return cast("Generator[_T, None, None]", _results(function, request, limits))


def _results(
    function: Callable[..., object], request: child.Request, limits: WorkerLimits
) -> Generator[object, None, None]:
    with WorkerProcess(function, request, limits) as worker:
        while isinstance(message := worker.next_message(), child.Item):
            yield message.value


def _pickled_call(function: Callable[..., object], args: tuple[object, ...]) -> bytes:
    try:
        return pickle.dumps((function, args), protocol=5)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise TypeError(
            f"{function_name(function)} cannot run in a worker, because it or an argument of it "
            f"cannot be pickled: {error}"
        ) from error
