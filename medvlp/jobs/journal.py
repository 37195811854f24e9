"""A journal of a run: one JSON line per event, one file per process, only ever appended to."""

from __future__ import annotations

import json
import os
import secrets
import time
from typing import TYPE_CHECKING

from medvlp.io import output_errors

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

__all__ = ["Journal"]


class Journal:
    """The journal of this process, as a context.

    Each line holds ``time`` (seconds since 1970), ``event``, ``key``, ``case_id`` and what the
    event adds. A line that a killed process did not finish is the last of its file.

    Args:
        folder: Folder of the journals of all processes; it exists.
    """

    def __init__(self, folder: Path) -> None:
        """Choose a name; the file is made when the context is entered."""
        started = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        self._path = folder / f"{started}-{os.getpid()}-{secrets.token_hex(4)}.jsonl"

    def __enter__(self) -> Self:
        """Open the file."""
        with output_errors(self._path):
            self._file = self._path.open("a", encoding="utf-8", errors="backslashreplace")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        with output_errors(self._path):
            self._file.close()

    def write(self, event: str, **fields: object) -> None:
        """Append one event and hand it to the system.

        Args:
            event: What happened: ``started``, ``done``, ``reused``, ``failed``, ``interrupted``.
            **fields: What else belongs to the line.

        Raises:
            OutputError: MV1104 to MV1106 where the line cannot be written.
        """
        line = json.dumps({"time": round(time.time(), 3), "event": event, **fields})
        with output_errors(self._path):
            self._file.write(f"{line}\n")
            self._file.flush()
