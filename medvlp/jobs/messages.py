"""Python objects over a stream socket; large arrays travel as raw bytes, without being pickled.

One message is a header (length of the pickle, number of buffers), the lengths of the buffers, the
pickle, and the buffers of protocol 5: numpy arrays are sent from where they lie and received into
the memory in which they stay.
"""

from __future__ import annotations

import pickle
import socket
import struct
import time

__all__ = ["TooLongError", "receive", "send"]

_HEADER = struct.Struct("<QI")
_LENGTH = struct.Struct("<Q")
_MAX_BUFFERS = 1 << 20


class TooLongError(Exception):
    """A message says that it is longer than anything that is expected."""


def send(channel: socket.socket, message: object) -> None:
    """Send one message; wait until the other side has taken it.

    Args:
        channel: A connected stream socket.
        message: Any object that can be pickled. Nothing is sent where it cannot.

    Raises:
        OSError: If the other side is gone.
    """
    buffers: list[pickle.PickleBuffer] = []
    body = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
    views = [buffer.raw() for buffer in buffers]
    lengths = b"".join(_LENGTH.pack(view.nbytes) for view in views)
    channel.sendall(_HEADER.pack(len(body), len(views)) + lengths + body)
    for view in views:
        channel.sendall(view)


def receive(
    channel: socket.socket, *, deadline: float | None = None, max_bytes: int | None = None
) -> object:
    """Receive one message.

    Args:
        channel: A connected stream socket.
        deadline: Time of ``time.monotonic`` until which the whole message must be here; None waits
            without end.
        max_bytes: Largest sum of lengths that is believed; None believes all.

    Raises:
        EOFError: If the other side closes before the message is whole.
        TimeoutError: If the deadline passes.
        TooLongError: If the message says that it is larger than ``max_bytes``.
    """
    body_bytes, count = _HEADER.unpack(_receive_bytes(channel, _HEADER.size, deadline))
    if count > _MAX_BUFFERS:
        raise TooLongError(f"a message of {count} buffers")
    packed = _receive_bytes(channel, _LENGTH.size * count, deadline)
    lengths = [length for (length,) in _LENGTH.iter_unpack(packed)]
    total = body_bytes + sum(lengths)
    if max_bytes is not None and total > max_bytes:
        raise TooLongError(f"a message of {total} bytes, more than {max_bytes}")
    body = _receive_bytes(channel, body_bytes, deadline)
    buffers = [_receive_bytes(channel, length, deadline) for length in lengths]
    return pickle.loads(body, buffers=buffers)  # noqa: S301 - from a process that we started


def _receive_bytes(channel: socket.socket, length: int, deadline: float | None) -> bytearray:
    data = bytearray(length)
    view = memoryview(data)
    filled = 0
    while filled < length:
        if deadline is not None:
            # A zero would mean "do not wait" and raise another error.
            channel.settimeout(max(deadline - time.monotonic(), 1e-6))
        got = channel.recv_into(view[filled:])
        if not got:
            raise EOFError("the other side closed the connection")
        filled += got
    return data
