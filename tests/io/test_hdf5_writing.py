"""Attributes without HDF5's heap, rows in large chunks with checksums."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from medvlp.io.hdf5_checks import read_attributes
from medvlp.io.hdf5_writing import create_rows, store_attribute, whole_file


def test_store_attribute__is_read_back(tmp_path: Path) -> None:
    wanted = {"text": "fünf", "empty": "", "flag": True, "number": 2.5}
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, value in wanted.items():
            store_attribute(file, name, value)
        assert read_attributes(file) == wanted
        assert not file.attrs.get_id("text").dtype.hasobject


def test_create_rows__never_makes_chunks_of_one_row(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        wide = create_rows(file, "wide", np.zeros((3, 2**19), np.float32))
        tall = create_rows(file, "tall", np.zeros((10_000, 8), np.float32))
        single = create_rows(file, "single", np.zeros((1, 8), np.float32))
        assert wide.chunks == (2, 2**19)
        assert tall.chunks == (10_000, 8)
        assert tall.fletcher32
        assert single.chunks is None


def test_whole_file__is_written_at_the_end_or_not_at_all(tmp_path: Path) -> None:
    for name in ("a.h5", "b.h5"):
        with whole_file(tmp_path / name) as file:
            create_rows(file, "rows", np.arange(12.0).reshape(4, 3))
            assert not (tmp_path / name).exists()
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()

    def fail() -> None:
        with whole_file(tmp_path / "c.h5"):
            raise RuntimeError("stopped half way")

    with pytest.raises(RuntimeError, match="half way"):
        fail()
    assert not (tmp_path / "c.h5").exists()
