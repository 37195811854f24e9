import socket
import struct
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from medvlp.jobs import messages

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    first, second = socket.socketpair()
    with first, second:
        yield first, second


def exchange(pair: Pair, message: object, **kwargs: float) -> object:
    thread = threading.Thread(target=messages.send, args=(pair[0], message))
    thread.start()
    try:
        return messages.receive(pair[1], **kwargs)
    finally:
        thread.join()


def test_receive__gives_what_was_sent(pair: Pair) -> None:
    message = {"text": "\u0436", "n": [1, None, 2.5]}
    assert exchange(pair, message) == message


def test_receive__gives_writable_arrays_of_their_own(pair: Pair) -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (64, 224, 224, 3), dtype=np.uint8)
    strided = np.arange(20.0)[::2]
    empty = np.empty((0, 3), dtype=np.float32)
    got = exchange(pair, (rgb, strided, empty), deadline=time.monotonic() + 30)
    assert isinstance(got, tuple)
    for expected, actual in zip((rgb, strided, empty), got, strict=True):
        np.testing.assert_array_equal(actual, expected)
        assert actual.dtype == expected.dtype
        actual[...] = 0
    assert rgb.any()


def test_send__sends_nothing_of_what_cannot_be_pickled(pair: Pair) -> None:
    with pytest.raises((TypeError, AttributeError), match="pickle"):
        messages.send(pair[0], (np.ones(3), lambda: None))
    assert exchange(pair, "next") == "next"


def test_receive__tells_when_the_other_side_is_gone(pair: Pair) -> None:
    pair[0].sendall(b"half")
    pair[0].close()
    with pytest.raises(EOFError, match="closed"):
        messages.receive(pair[1])


def test_receive__gives_up_at_the_deadline_even_within_a_message(pair: Pair) -> None:
    pair[0].sendall(struct.pack("<QI", 100, 0) + b"only a part")
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        messages.receive(pair[1], deadline=started + 0.1)
    assert 0.08 < time.monotonic() - started < 5
    with pytest.raises(TimeoutError):
        messages.receive(pair[1], deadline=started)


@pytest.mark.parametrize("header", [struct.pack("<QI", 2**60, 0), struct.pack("<QI", 1, 2**31)])
def test_receive__does_not_believe_absurd_lengths(pair: Pair, header: bytes) -> None:
    pair[0].sendall(header)
    with pytest.raises(messages.TooLongError, match=r"a message of \d+ (bytes|buffers)"):
        messages.receive(pair[1], max_bytes=2**30)
