"""Read the lookup tables of a DICOM header, however an exporter packed them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from medvlp.radiographs.display import LookupTable

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

__all__ = ["read_table"]

_ALL_ENTRIES = 1 << 16
"""What a stated number of 0 entries means."""


def read_table(item: Dataset, *, is_little_endian: bool, is_signed: bool) -> LookupTable:
    """Read one item of a modality or VOI LUT sequence.

    Args:
        item: The item.
        is_little_endian: Byte order of the file.
        is_signed: Whether the values that are looked up can be negative.

    Raises:
        ValueError: If the description and the data do not belong together.
    """
    order = "<" if is_little_endian else ">"
    described = _integers(item.get("LUTDescriptor"), np.dtype(f"{order}u2"))
    if len(described) != 3:
        raise ValueError(f"a table described by {len(described)} numbers instead of 3")
    count, first, stated_bits = (int(number) for number in described)
    count = count % _ALL_ENTRIES or _ALL_ENTRIES
    first %= _ALL_ENTRIES
    if is_signed and first >= _ALL_ENTRIES // 2:
        first -= _ALL_ENTRIES
    entries = _entries(item.get("LUTData"), count, order)
    if not 1 <= stated_bits <= 16 or entries.min() < 0:
        raise ValueError(f"a table whose entries have {stated_bits} bits")
    return LookupTable(first, entries, _used_bits(entries, stated_bits), stated_bits)


def _entries(data: object, count: int, order: str) -> NDArray[np.int64]:
    """Return the entries: 16 bits each, or 8 bits packed in pairs."""
    words = _integers(data, np.dtype(f"{order}u2"))
    if len(words) == (count + 1) // 2 and count > 1:
        packed = np.ascontiguousarray(words % _ALL_ENTRIES, dtype="<u2").view(np.uint8)
        return packed[:count].astype(np.int64)
    if isinstance(data, bytes) and len(data) == count:
        return np.frombuffer(data, np.uint8).astype(np.int64)
    if len(words) != count:
        raise ValueError(f"a table of {len(words)} entries that is described as {count}")
    return words


def _integers(value: object, dtype: np.dtype[np.generic]) -> NDArray[np.int64]:
    if isinstance(value, bytes):
        usable = value[: len(value) - len(value) % dtype.itemsize]
        return np.frombuffer(usable, dtype).astype(np.int64)
    if isinstance(value, int):
        return np.array([value], np.int64)
    if isinstance(value, Iterable) and not isinstance(value, str):
        return np.array([int(number) for number in value], np.int64)
    raise ValueError("a table without numbers")


def _used_bits(entries: NDArray[np.int64], stated_bits: int) -> int:
    """Return the bits of the largest entry where the stated ones cannot be.

    Exporters state 16 bits for tables of 12 (or 8 for tables of 12): taken at their word, the
    picture would be nearly black, or white. A table that reaches an eighth of its range is taken
    at its word.
    """
    needed = max(int(entries.max()).bit_length(), 1)
    return stated_bits if stated_bits - 3 < needed <= stated_bits else needed
