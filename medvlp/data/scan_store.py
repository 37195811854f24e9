"""The array of crops of a folder of crops: int16 Hounsfield units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medvlp.data.row_store import RowLayout, RowStore, row_checksum, write_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["CropStore", "crop_checksum", "write_crops"]

_INT16 = np.iinfo(np.int16)


def crop_checksum(crop: NDArray[np.int16]) -> int:
    """Return the CRC-32 of a crop's values."""
    return row_checksum(crop)


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
    return write_rows(path, _whole(crops), count, _layout(shape_zyx))


class CropStore(RowStore[np.int16]):
    """Reads crops, shape ``(Z, Y, X)``; a damaged one is MV1722.

    Args:
        path: The file.
        count: How many crops there must be.
        shape_zyx: Shape of each.
    """

    def __init__(self, path: Path, count: int, shape_zyx: tuple[int, int, int]) -> None:
        super().__init__(path, count, _layout(shape_zyx))


def _whole(crops: Iterable[NDArray[np.number]]) -> Iterator[NDArray[np.int16]]:
    for number, crop in enumerate(crops):
        if not np.isfinite(crop).all():
            msg = f"crop {number} has a value that is not finite"
            raise ValueError(msg)
        yield np.clip(np.rint(crop), _INT16.min, _INT16.max).astype(np.int16)


def _layout(shape_zyx: tuple[int, int, int]) -> RowLayout[np.int16]:
    return RowLayout(
        dtype=np.int16,
        shape=shape_zyx,
        name="crop",
        code="MV1722",
        hint="copy the whole folder again, or crop the scans again",
    )
