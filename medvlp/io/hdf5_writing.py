"""Write HDF5 so that it can be read back without risk: plain text, plain chunks, equal bytes."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING

import h5py

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["create_rows", "store_attribute", "whole_file"]

_CHUNK_BYTES = 2**20


@contextmanager
def whole_file(path: Path) -> Iterator[h5py.File]:
    """Build a file in memory and write it at once, in a layout that equal contents make equal.

    HDF5 does not survive a disk that fills up under it; Python reports it. The caller publishes
    the file under its final name.

    Args:
        path: Where to write.

    Yields:
        The file to fill.

    Raises:
        OSError: If the file cannot be written.
    """
    image = io.BytesIO()
    with h5py.File(image, "w", libver=("v110", "v110")) as file:
        yield file
    with path.open("wb") as out:
        out.write(image.getbuffer())


def store_attribute(holder: h5py.File | h5py.Dataset, name: str, value: object) -> None:
    """Store an attribute; text of fixed length, which can be read back without HDF5's heap.

    Args:
        holder: File or dataset.
        name: Name of the attribute.
        value: Text, a number, a truth value or an array of numbers.
    """
    if isinstance(value, str):
        encoded = value.encode()
        kind = h5py.string_dtype("utf-8", max(1, len(encoded)))
        holder.attrs.create(name, encoded, dtype=kind)
    else:
        holder.attrs[name] = value


def create_rows(file: h5py.File, name: str, values: NDArray[np.generic]) -> h5py.Dataset:
    """Store an array in chunks of about 1 MiB with checksums; below two rows in one piece.

    Args:
        file: The file being written.
        name: Name of the dataset.
        values: Array with at least one axis.
    """
    rows = len(values)
    if rows < 2:
        return file.create_dataset(name, data=values, track_times=False)
    row_bytes = max(1, values.nbytes // rows)
    chunk_rows = min(rows, max(2, _CHUNK_BYTES // row_bytes))
    return file.create_dataset(
        name,
        data=values,
        chunks=(chunk_rows, *values.shape[1:]),
        fletcher32=True,
        track_times=False,
    )
