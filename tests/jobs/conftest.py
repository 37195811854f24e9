"""What the tests of jobs share."""

import signal
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _heeded_interrupts() -> Iterator[None]:
    """Heed SIGINT as a shell's own command does: jobs in a shell's background start ignoring it."""
    former = signal.getsignal(signal.SIGINT)
    if former is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)
