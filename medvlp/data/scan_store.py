"""The array of crops: one Blosc2 file, one chunk for each crop, so that any crop is one read."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import blosc2
import numpy as np

from medvlp.errors import DataError
from medvlp.io import publish_file

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["CropStore", "crop_checksum", "write_crops"]

_MOST_VOXELS = 2**27
_INT16 = np.iinfo(np.int16)
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


def crop_checksum(crop: NDArray[np.int16]) -> int:
    """Return the CRC-32 of a crop's values."""
    return zlib.crc32(np.ascontiguousarray(crop, dtype="<i2").data)


def write_crops(
    path: Path, crops: Iterable[NDArray[np.number]], count: int, shape_zyx: tuple[int, int, int]
) -> list[int]:
    """Write crops one after the other; the file appears when it is complete.

    Args:
        path: The file, with the suffix ``.b2nd``.
        crops: ``count`` crops in Hounsfield units, shape ``(Z, Y, X)``; fractions are rounded,
            values beyond int16 clipped.
        count: How many, at least 1.
        shape_zyx: Shape of each.

    Returns:
        The checksum of each crop.

    Raises:
        ValueError: If there are more or fewer crops, one has another shape or is not finite.
    """
    checksums: list[int] = []
    with publish_file(path) as partial:
        partial.unlink()  # blosc2 makes the file itself
        array = blosc2.empty(
            (count, *shape_zyx),
            dtype=np.int16,
            urlpath=str(partial),
            mode="w",
            chunks=(1, *shape_zyx),
            blocks=(1, *shape_zyx),
            cparams=blosc2.CParams(codec=blosc2.Codec.ZSTD, clevel=3, nthreads=1),
        )
        for number, crop in enumerate(crops):
            if number >= count or crop.shape != shape_zyx or not np.isfinite(crop).all():
                msg = f"crop {number} of {count}: shape {crop.shape}, expected finite {shape_zyx}"
                raise ValueError(msg)
            whole = np.clip(np.rint(crop), _INT16.min, _INT16.max).astype(np.int16)
            array[number] = whole
            checksums.append(crop_checksum(whole))
        if len(checksums) != count:
            msg = f"{len(checksums)} crops were given, {count} announced"
            raise ValueError(msg)
    return checksums


class CropStore:
    """Reads crops; opened at the first read, in each process of its own.

    Args:
        path: The file.
        count: How many crops there must be.
        shape_zyx: Shape of each.
    """

    def __init__(self, path: Path, count: int, shape_zyx: tuple[int, int, int]) -> None:
        self._path = path
        self._shape = (count, *shape_zyx)
        self._array: Any = None

    def __getstate__(self) -> dict[str, object]:
        """Leave the open file behind when this travels to a loader process."""
        return {**self.__dict__, "_array": None}

    def check(self) -> None:
        """Open the file and compare its shape and type; no crop is read.

        Raises:
            DataError: If it is no such array (MV1722).
        """
        self._open()

    def read(self, index: int, checksum: int) -> NDArray[np.int16]:
        """Return one crop, shape ``(Z, Y, X)``.

        Args:
            index: Its row.
            checksum: What :func:`crop_checksum` gave when it was written.

        Raises:
            DataError: If the crop is damaged or another one (MV1722).
        """
        array = self._open()
        try:
            crop: NDArray[np.int16] = np.asarray(array[index], dtype=np.int16)
        except _FAULTS as error:
            raise self._damaged(f"crop {index}: {error}") from error
        if crop_checksum(crop) != checksum:
            raise self._damaged(f"crop {index} does not have the checksum that the table lists")
        return crop

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
            if found != (np.int16, self._shape, (1, *self._shape[1:])):
                raise self._damaged(f"it holds {found[0]} of shape {found[1]} in chunks {found[2]}")
            if int(np.prod(self._shape[1:], dtype=np.int64)) > _MOST_VOXELS:
                raise self._damaged(f"a crop has more than {_MOST_VOXELS} voxels")
            self._array = array
        return self._array

    def _damaged(self, why: str) -> DataError:
        return DataError(
            "MV1722",
            f"{self._path} is not the array of crops that belongs to its table: {why}",
            expected=f"int16 of shape {self._shape}, one chunk for each crop",
            hint="copy the whole folder again, or crop the scans again",
        )
