"""Rows come back as they were written, of any kind of numbers, and damage has the layout's code."""

from pathlib import Path

import numpy as np
import pytest

from medvlp.data.row_store import RowLayout, RowStore, row_checksum, write_rows
from medvlp.errors import DataError


def layout(dtype: type[np.generic] = np.uint8) -> RowLayout:
    return RowLayout(dtype=dtype, shape=(6, 7), name="card", code="MV1799", hint="draw again")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_row_store__gives_back_what_was_written(tmp_path: Path, dtype: type[np.generic]) -> None:
    rows = np.random.default_rng(1).integers(0, 256, (3, 6, 7)).astype(dtype)
    sums = write_rows(tmp_path / "r.b2nd", iter(rows), 3, layout(dtype))
    store = RowStore(tmp_path / "r.b2nd", 3, layout(dtype))
    for number in (2, 0, 1):
        found = store.read(number, sums[number])
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, rows[number])


def test_row_store__tells_of_damage_in_the_layouts_words(tmp_path: Path) -> None:
    rows = np.arange(84, dtype=np.uint8).reshape(2, 6, 7)
    sums = write_rows(tmp_path / "r.b2nd", rows, 2, layout())
    with pytest.raises(DataError, match=r"MV1799.*array of cards.*card 0 does not") as caught:
        RowStore(tmp_path / "r.b2nd", 2, layout()).read(0, sums[1])
    assert caught.value.hint == "draw again"
    with pytest.raises(DataError, match=r"holds uint8 of shape \(2, 6, 7\)"):
        RowStore(tmp_path / "r.b2nd", 2, layout(np.uint16)).check()


@pytest.mark.parametrize("bad", ["few", "many", "shape", "dtype"])
def test_write_rows__leaves_nothing_of_what_does_not_fit(tmp_path: Path, bad: str) -> None:
    row = np.zeros((6, 7), np.uint8)
    given = {
        "few": [row],
        "many": [row, row, row],
        "shape": [row, row[:2]],
        "dtype": [row, row.astype(np.int16)],
    }[bad]
    with pytest.raises(ValueError, match="card"):
        write_rows(tmp_path / "r.b2nd", given, 2, layout())
    assert list(tmp_path.iterdir()) == []


def test_row_checksum__does_not_depend_on_the_machine() -> None:
    row = np.array([[1, 70000]], np.uint32)
    assert row_checksum(row) == row_checksum(row.astype(">u4"))
