"""Read and frame radiographs in a worker process that goes on from file to file.

A worker that dies takes one file with it: the next file gets a new one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from medvlp.errors import MedvlpError
from medvlp.io import content_sha256
from medvlp.jobs.workers import stream_in_worker
from medvlp.radiographs.framing import frame_image
from medvlp.radiographs.reader import read_radiograph

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from medvlp.jobs.workers import WorkerLimits


__all__ = ["FramedRadiograph", "FramingWorker", "RadiographFile", "frame_radiograph"]

_FILES_PER_WORKER = 64


@dataclass(frozen=True)
class RadiographFile:
    """What is to be read.

    Attributes:
        key: Name of the item.
        path: The file.
        frame: Which frame of several, from 0; None where there is one.
    """

    key: str
    path: Path
    frame: int | None = None


@dataclass(frozen=True)
class FramedRadiograph:
    """What is left of a file.

    Attributes:
        gray: Framed gray levels, shape ``(S, S)``, uint8 or uint16.
        shape: ``(H, W)`` before framing.
        view: What the file says of the view, empty where it is silent.
        value_range: How stored values became gray levels.
        notes: What the reader noticed.
        sha256: Hash of the file's bytes.
    """

    gray: NDArray[Any]
    shape: tuple[int, int]
    view: str
    value_range: str
    notes: tuple[str, ...]
    sha256: str


def frame_radiograph(file: RadiographFile, size_px: int, bits: int) -> FramedRadiograph:
    """Read a radiograph and bring it to the square.

    Args:
        file: What to read.
        size_px: Side of the square.
        bits: 8 or 16.

    Raises:
        RadiographError: MV24xx if it cannot be read, or is none.
    """
    found = read_radiograph(file.path, frame=file.frame)
    square, frame = frame_image(found.pixels, size_px)
    dtype = np.uint8 if bits == 8 else np.uint16
    gray = np.rint(square * np.float32(2**bits - 1)).astype(dtype)
    sha256 = content_sha256(file.path)
    return FramedRadiograph(
        gray, frame.shape, found.view or "", found.value_range, found.notes, sha256
    )


class FramingWorker:
    """Gives framed radiographs in an order that is mostly known, read one ahead.

    Args:
        files: What there is to read, in that order.
        size_px: Side of the square.
        bits: 8 or 16.
        limits: Memory and time that a worker process may take.
    """

    def __init__(
        self, files: Sequence[RadiographFile], size_px: int, bits: int, limits: WorkerLimits
    ) -> None:
        self._files = tuple(files)
        self._places = {file.key: place for place, file in enumerate(self._files)}
        self._size_px, self._bits, self._limits = size_px, bits, limits
        self._stream: Generator[FramedRadiograph | MedvlpError, None, None] | None = None
        self._next, self._end = 0, 0

    def framed(self, key: str) -> FramedRadiograph:
        """Return a framed radiograph.

        Args:
            key: Key of its file.

        Raises:
            RadiographError: MV24xx if it cannot be read, or is none.
            WorkerError: MV16xx if the worker process died of it.
        """
        place = self._places[key]
        if self._stream is None or not place == self._next < self._end:
            self.close()
            self._next, self._end = place, min(place + _FILES_PER_WORKER, len(self._files))
            files = self._files[place : self._end]
            self._stream = stream_in_worker(
                _frame_all, files, self._size_px, self._bits, limits=self._limits
            )
        try:
            found = next(self._stream)
        except BaseException:
            self.close()
            raise
        self._next += 1
        if isinstance(found, MedvlpError):
            raise found
        return found

    def close(self) -> None:
        """End the worker process."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def _frame_all(
    files: Sequence[RadiographFile], size_px: int, bits: int
) -> Iterator[FramedRadiograph | MedvlpError]:
    for file in files:
        try:
            yield frame_radiograph(file, size_px, bits)
        except MedvlpError as error:
            yield error
