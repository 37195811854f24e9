"""Crops come back as they were written, and damage is noticed."""

import copy
import pickle
import zlib
from pathlib import Path

import blosc2
import numpy as np
import pytest

from medvlp.data.scan_store import CropStore, crop_checksum, write_crops
from medvlp.errors import DataError

SHAPE = (3, 5, 7)


@pytest.fixture
def crops() -> np.ndarray:
    return np.random.default_rng(0).integers(-1000, 3000, (4, *SHAPE)).astype(np.int16)


def code_of(call, *arguments: object) -> str:
    with pytest.raises(DataError) as caught:
        call(*arguments)
    return caught.value.code


def test_crop_store__gives_back_what_was_written(tmp_path: Path, crops: np.ndarray) -> None:
    sums = write_crops(tmp_path / "c.b2nd", iter(crops), 4, SHAPE)
    store = copy.copy(CropStore(tmp_path / "c.b2nd", 4, SHAPE))
    store.check()
    for number in (2, 0, 3, 1):
        np.testing.assert_array_equal(store.read(number, sums[number]), crops[number])
    assert len(pickle.dumps(store)) < 1000


def test_write_crops__rounds_and_clips(tmp_path: Path) -> None:
    values = np.full((1, *SHAPE), 0.6, np.float32)
    values[0, 0, 0, :2] = (1e6, -1e6)
    sums = write_crops(tmp_path / "c.b2nd", values, 1, SHAPE)
    found = CropStore(tmp_path / "c.b2nd", 1, SHAPE).read(0, sums[0])
    assert found[0, 0, :3].tolist() == [32767, -32768, 1]


def test_write_crops__writes_the_same_bytes_again(tmp_path: Path, crops: np.ndarray) -> None:
    for name in ("one.b2nd", "two.b2nd"):
        write_crops(tmp_path / name, crops, 4, SHAPE)
    assert (tmp_path / "one.b2nd").read_bytes() == (tmp_path / "two.b2nd").read_bytes()


@pytest.mark.parametrize("bad", ["few", "many", "shape", "nan"])
def test_write_crops__leaves_nothing_of_what_does_not_fit(
    tmp_path: Path, crops: np.ndarray, bad: str
) -> None:
    given = {
        "few": list(crops[:3]),
        "many": [*crops, crops[0]],
        "shape": [*crops[:3], crops[0][:2]],
        "nan": [*crops[:3], np.full(SHAPE, np.nan)],
    }[bad]
    with pytest.raises(ValueError, match="crop"):
        write_crops(tmp_path / "c.b2nd", given, 4, SHAPE)
    assert list(tmp_path.iterdir()) == []


def test_crop_store__refuses_another_crop_or_damage(tmp_path: Path, crops: np.ndarray) -> None:
    path = tmp_path / "c.b2nd"
    sums = write_crops(path, crops, 4, SHAPE)
    assert code_of(CropStore(path, 4, SHAPE).read, 1, sums[0]) == "MV1722"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    store = CropStore(path, 4, SHAPE)
    assert code_of(lambda: [store.read(n, checksum) for n, checksum in enumerate(sums)]) == "MV1722"


@pytest.mark.parametrize("kind", ["missing", "text", "shape", "dtype", "chunks"])
def test_crop_store__refuses_other_files(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "c.b2nd"
    if kind == "text":
        path.write_text("no array")
    elif kind != "missing":
        shape = (5, *SHAPE) if kind == "shape" else (4, *SHAPE)
        dtype = np.float32 if kind == "dtype" else np.int16
        chunks = (2, *SHAPE) if kind == "chunks" else (1, *SHAPE)
        blosc2.asarray(np.zeros(shape, dtype), urlpath=str(path), mode="w", chunks=chunks)
    assert code_of(CropStore(path, 4, SHAPE).check) == "MV1722"


def test_crop_checksum__is_the_crc_of_little_endian_values() -> None:
    crop = np.array([[[1, -2]]], np.int16)
    assert crop_checksum(crop) == crop_checksum(crop.astype(">i2"))
    assert crop_checksum(crop) == zlib.crc32(b"\x01\x00\xfe\xff")
