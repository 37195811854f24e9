"""An array of rows of one shape: one Blosc2 file, one chunk for each row, so any row is one read.

A row is a crop of a scan or a picture; its checksum lies in the table that lists it.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import blosc2
import numpy as np

from medvlp.errors import DataError
from medvlp.io import publish_file

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["RowLayout", "RowStore", "row_checksum", "write_rows"]

_MOST_VALUES = 2**27
_FAULTS = (
    ArithmeticError,
    IndexError,
    KeyError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""What Blosc2 raises on damaged files."""

ValueT = TypeVar("ValueT", bound=np.generic)


@dataclass(frozen=True, kw_only=True)
class RowLayout(Generic[ValueT]):
    """What the rows of an array are, and how a damaged one is told of.

    Attributes:
        dtype: Kind of numbers.
        shape: Shape of a row.
        name: One row, for messages (``crop``).
        code: Code of the error of a damaged array.
        hint: What can be done then.
    """

    dtype: type[ValueT]
    shape: tuple[int, ...]
    name: str
    code: str
    hint: str


def row_checksum(row: NDArray[np.generic]) -> int:
    """Return the CRC-32 of a row's values, the same on every machine."""
    values = np.ascontiguousarray(row, dtype=row.dtype.newbyteorder("<"))
    return zlib.crc32(values.data)


def write_rows(
    path: Path, rows: Iterable[NDArray[ValueT]], count: int, layout: RowLayout[ValueT]
) -> list[int]:
    """Write rows one after the other; the file appears when it is complete.

    Args:
        path: The file, with the suffix ``.b2nd``.
        rows: ``count`` rows of the layout's shape and kind of numbers.
        count: How many, at least 1.
        layout: What they are.

    Returns:
        The checksum of each row.

    Raises:
        ValueError: If there are more or fewer rows, or one is of another shape or kind.
    """
    checksums: list[int] = []
    with publish_file(path) as partial:
        partial.unlink()  # blosc2 makes the file itself
        array = blosc2.empty(
            (count, *layout.shape),
            dtype=layout.dtype,
            urlpath=str(partial),
            mode="w",
            chunks=(1, *layout.shape),
            blocks=(1, *layout.shape),
            cparams=blosc2.CParams(codec=blosc2.Codec.ZSTD, clevel=3, nthreads=1),
        )
        for number, row in enumerate(rows):
            if number >= count or row.shape != layout.shape or row.dtype != layout.dtype:
                msg = (
                    f"{layout.name} {number} of {count}: {row.dtype} of shape {row.shape}, "
                    f"expected {np.dtype(layout.dtype)} of shape {layout.shape}"
                )
                raise ValueError(msg)
            array[number] = row
            checksums.append(row_checksum(row))
        if len(checksums) != count:
            msg = f"{len(checksums)} {layout.name}s were given, {count} announced"
            raise ValueError(msg)
    return checksums


class RowStore(Generic[ValueT]):
    """Reads rows; opened at the first read, in each process of its own.

    Args:
        path: The file.
        count: How many rows there must be.
        layout: What they are.
    """

    def __init__(self, path: Path, count: int, layout: RowLayout[ValueT]) -> None:
        self._path = path
        self._layout = layout
        self._shape = (count, *layout.shape)
        self._array: Any = None

    def __getstate__(self) -> dict[str, object]:
        """Leave the open file behind when this travels to a loader process."""
        return {**self.__dict__, "_array": None}

    def check(self) -> None:
        """Open the file and compare its shape and type; no row is read.

        Raises:
            DataError: If it is no such array (the layout's code).
        """
        self._open()

    def read(self, index: int, checksum: int) -> NDArray[ValueT]:
        """Return one row, of the layout's shape.

        Args:
            index: Its place.
            checksum: What :func:`row_checksum` gave when it was written.

        Raises:
            DataError: If the row is damaged or another one (the layout's code).
        """
        array = self._open()
        name = self._layout.name
        try:
            row: NDArray[ValueT] = np.asarray(array[index], dtype=self._layout.dtype)
        except _FAULTS as error:
            raise self._damaged(f"{name} {index}: {error}") from error
        if row_checksum(row) != checksum:
            raise self._damaged(f"{name} {index} does not have the checksum that the table lists")
        return row

    def _open(self) -> Any:  # noqa: ANN401  blosc2 has no types
        if self._array is None:
            try:
                array = blosc2.open(
                    str(self._path),
                    mode="r",
                    deserialize="safe",
                    dparams=blosc2.DParams(nthreads=1),
                )
                found = (array.dtype, tuple(array.shape), tuple(array.chunks))
            except (*_FAULTS, AttributeError) as error:
                raise self._damaged(f"{type(error).__name__}: {error}") from error
            if found != (self._layout.dtype, self._shape, (1, *self._shape[1:])):
                raise self._damaged(f"it holds {found[0]} of shape {found[1]} in chunks {found[2]}")
            if int(np.prod(self._shape[1:], dtype=np.int64)) > _MOST_VALUES:
                raise self._damaged(f"a {self._layout.name} has more than {_MOST_VALUES} values")
            self._array = array
        return self._array

    def _damaged(self, why: str) -> DataError:
        layout = self._layout
        return DataError(
            layout.code,
            f"{self._path} is not the array of {layout.name}s that belongs to its table: {why}",
            expected=f"{np.dtype(layout.dtype)} of shape {self._shape}, one chunk for each "
            f"{layout.name}",
            hint=layout.hint,
        )
