"""Tables are read however they are packed, and refused where they cannot be."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.dataset import Dataset

from medvlp.radiographs.display import LookupTable
from medvlp.radiographs.lookup_tables import read_table


def item(descriptor: object, data: object, vr: str = "OW") -> Dataset:
    found = Dataset()
    if descriptor is not None:
        found.add_new(0x00283002, "US", descriptor)
    if data is not None:
        found.add_new(0x00283006, vr, data)
    return found


def read(found: Dataset, *, is_little_endian: bool = True, is_signed: bool = False) -> LookupTable:
    return read_table(found, is_little_endian=is_little_endian, is_signed=is_signed)


ENTRIES = np.array([0, 5, 300, 4000, 4095])


@pytest.mark.parametrize("order", ["<", ">"])
def test_read_table__reads_words_of_either_order(order: str) -> None:
    data = ENTRIES.astype(f"{order}u2").tobytes()
    found = read(item([5, 10, 12], data), is_little_endian=order == "<")
    assert found.entries.tolist() == ENTRIES.tolist()
    assert (found.first, found.bits, found.stated_bits) == (10, 12, 12)


def test_read_table__reads_numbers_and_packed_bytes() -> None:
    assert read(item([5, 0, 12], ENTRIES.tolist(), "US")).entries.tolist() == ENTRIES.tolist()
    small = np.array([0, 1, 200, 255, 7], np.uint8)
    packed = np.append(small, np.uint8(0)).tobytes()
    assert read(item([5, 0, 8], packed)).entries.tolist() == small.tolist()
    assert read(item([1, 0, 8], [9], "US")).entries.tolist() == [9]


def test_read_table__knows_full_tables_and_signs() -> None:
    full = np.arange(65536).astype("<u2").tobytes()
    assert len(read(item([0, 0, 16], full)).entries) == 65536
    data = ENTRIES.astype("<u2").tobytes()
    assert read(item([5, 65526, 12], data), is_signed=True).first == -10
    assert read(item([5, 65526, 12], data)).first == 65526


@pytest.mark.parametrize(
    ("largest", "stated", "used"),
    [(4095, 16, 12), (4095, 8, 12), (4095, 12, 12), (2000, 12, 12), (1023, 12, 12), (511, 12, 9)],
)
def test_read_table__mistrusts_bits_that_cannot_be(largest: int, stated: int, used: int) -> None:
    data = np.array([0, 1, largest]).astype("<u2").tobytes()
    found = read(item([3, 0, stated], data))
    assert (found.bits, found.stated_bits) == (used, stated)


@pytest.mark.parametrize(
    ("descriptor", "data", "message"),
    [
        (None, b"\0\0", "without numbers"),
        ([3, 0], bytes(6), "described by 2 numbers"),
        ([3, 0, 12], None, "without numbers"),
        ([3, 0, 12], bytes(10), "5 entries that is described as 3"),
        ([300, 0, 12], bytes(10), "5 entries that is described as 300"),
        ([0, 0, 16], bytes(10), "described as 65536"),
        ([3, 0, 0], bytes(6), "entries have 0 bits"),
        ([3, 0, 17], bytes(6), "entries have 17 bits"),
    ],
)
def test_read_table__refuses_what_does_not_fit(
    descriptor: object, data: object, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        read(item(descriptor, data))
