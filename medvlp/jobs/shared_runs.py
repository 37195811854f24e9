"""Several processes of this host at one run, each over the same items, beside the calling one.

What keeps them apart are the leases of :func:`medvlp.jobs.runner.run_items`: an item that one has
is left by the others, and the caller waits until each has an outcome.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["beside", "rotated"]


def rotated(count: int, number: int, num_processes: int) -> list[int]:
    """Return the order in which a process goes over items, so that none begin at the same ones.

    Args:
        count: Number of items.
        number: Which of the processes, from 0.
        num_processes: How many there are.

    Returns:
        All numbers below ``count``, from a beginning of its own.
    """
    start = number * count // num_processes
    return [*range(start, count), *range(start)]


@contextmanager
def beside(function: Callable[..., None], *args: object, num_helpers: int) -> Iterator[None]:
    """Run a function in helper processes while the body runs; it ends when all have ended.

    What a helper raises ends that helper only: its item is then taken over. If the body raises,
    or this process is killed, helpers are told to end, which gives their leases back.

    Args:
        function: A function of a module; its last argument is the number of the helper, from 1.
        *args: Its other arguments; they are pickled.
        num_helpers: How many helpers, 0 or more.
    """
    context = multiprocessing.get_context("spawn")
    helpers = [
        context.Process(target=_help, args=(function, (*args, number)), name=f"helper {number}")
        for number in range(1, num_helpers + 1)
    ]
    for helper in helpers:
        helper.start()
    try:
        yield
    except BaseException:
        for helper in helpers:
            helper.terminate()
        raise
    finally:
        for helper in helpers:
            helper.join()


def _help(function: Callable[..., None], args: tuple[object, ...]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    function(*args)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
