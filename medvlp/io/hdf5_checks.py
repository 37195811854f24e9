"""Open an HDF5 file from an untrusted place: check what it asks for before anything is read.

HDF5 can point into other files (external storage, external links, virtual datasets) and can declare
shapes of terabytes in a file of kilobytes; both are refused here, before the bytes are touched.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING

import h5py
import numpy as np

from medvlp.errors import FeatureError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = [
    "MAX_DATASET_BYTES",
    "check_finite",
    "open_checked",
    "read_attributes",
    "require_dataset",
]

MAX_DATASET_BYTES = 16 * 2**30
"""Largest dataset that is read at all, in bytes."""

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_MAX_ATTRIBUTE_BYTES = 64 * 2**10
_MAX_EXPANSION = 200
"""Compressed datasets may be at most this many times larger than the file that holds them."""

_SAFE_FILTERS = {h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_SHUFFLE}
_COMPRESSION = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_LZF}


@contextmanager
def open_checked(path: Path) -> Iterator[h5py.File]:
    """Open a file for reading if it is HDF5 and refers to nothing outside itself.

    Every member of the root must be a plain dataset that lies in this file.

    Args:
        path: The file.

    Yields:
        The open file.

    Raises:
        FeatureError: MV1301 if the file cannot be opened at all, MV1310 if it is not HDF5 or is
            damaged, MV1311 if it refers to other places.
    """
    try:
        with path.open("rb") as raw:
            head = raw.read(len(_SIGNATURE))
    except OSError as error:
        raise FeatureError("MV1301", f"{path.name} cannot be read: {error.strerror}") from error
    if head != _SIGNATURE:
        raise FeatureError(
            "MV1310",
            f"{path.name} is not an HDF5 file",
            hint="a file that was cut off or overwritten must be made again",
        )
    try:
        with h5py.File(path, "r", locking=False) as file:
            _refuse_references(file, path.name)
            yield file
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        # h5py answers broken types and shapes with any of these.
        raise FeatureError(
            "MV1310",
            f"{path.name} is damaged: {error}",
            hint="make the file again; it was cut off or its bytes have changed",
        ) from error


def _refuse_references(file: h5py.File, name: str) -> None:
    for member in file:
        link = file.get(member, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise FeatureError(
                "MV1311",
                f"{name}: {member!r} is a {type(link).__name__}, which points elsewhere",
                expected="datasets that lie in the file itself",
                hint="do not use this file; copy the data into one file if you trust its source",
            )
        dataset = file[member]
        if not isinstance(dataset, h5py.Dataset):
            continue
        if dataset.external is not None or dataset.is_virtual:
            raise FeatureError(
                "MV1311",
                f"{name}: the dataset {member!r} takes its bytes from other files",
                expected="datasets that lie in the file itself",
                hint="do not use this file; copy the data into one file if you trust its source",
            )


def require_dataset(
    file: h5py.File, key: str, *, ndim: int, kinds: str, file_bytes: int
) -> h5py.Dataset:
    """Return a dataset that is safe to read whole.

    Args:
        file: File opened by :func:`open_checked`.
        key: Name of the dataset.
        ndim: Number of axes it must have.
        kinds: Allowed numpy kinds of its values, such as ``"f"`` or ``"iu"``.
        file_bytes: Size of the file in bytes.

    Raises:
        FeatureError: MV1314 if it is missing or has another rank or kind, MV1312 if its size does
            not fit the file or the cap, MV1311 if it needs a filter that is not built in.
    """
    name = file.filename.rsplit("/", 1)[-1]
    dataset = file.get(key)
    if not isinstance(dataset, h5py.Dataset):
        raise FeatureError("MV1314", f"{name} has no dataset {key!r}")
    if dataset.shape is None or len(dataset.shape) != ndim or dataset.dtype.kind not in kinds:
        raise FeatureError(
            "MV1314",
            f"{name}: the dataset {key!r} has shape {dataset.shape} and type {dataset.dtype}",
            expected=f"{ndim} axes and a type of kind {' or '.join(kinds)}",
        )
    filters = _filters(dataset)
    if filters - _SAFE_FILTERS - _COMPRESSION:
        raise FeatureError(
            "MV1311",
            f"{name}: the dataset {key!r} needs filter {sorted(filters)}, which is no part of HDF5",
            expected="no compression, or gzip or lzf",
        )
    # Not dataset.nbytes: numpy's product wraps round for hostile shapes.
    wanted_bytes = math.prod(int(side) for side in dataset.shape) * int(dataset.dtype.itemsize)
    limit = file_bytes * (_MAX_EXPANSION if filters & _COMPRESSION else 1)
    if wanted_bytes > min(limit, MAX_DATASET_BYTES):
        raise FeatureError(
            "MV1312",
            f"{name}: the dataset {key!r} claims {wanted_bytes} bytes (shape {dataset.shape}) "
            f"in a file of {file_bytes}",
            expected=f"at most {min(limit, MAX_DATASET_BYTES)}",
            hint="do not use this file: it is damaged, or made to exhaust memory",
        )
    return dataset


def read_attributes(holder: h5py.File | h5py.Dataset) -> dict[str, object]:
    """Read attributes as plain values: text, bool, int, float, or an array of numbers.

    Attributes over 64 KiB and of other types are left out. So is text of variable length: it lies
    in a heap that HDF5 walks for ever where a file is damaged in the right place.

    Args:
        holder: File or dataset.
    """
    values: dict[str, object] = {}
    for name in holder.attrs:
        attribute = holder.attrs.get_id(name)
        # The cap is on the declared shape: a hostile one is refused before anything is allocated.
        shape = attribute.shape
        if shape is None or attribute.dtype.hasobject:
            continue
        count = math.prod(int(side) for side in shape)
        if count * attribute.dtype.itemsize > _MAX_ATTRIBUTE_BYTES:
            continue
        value = _plain(holder.attrs[name])
        if value is not None:
            values[name] = value
    return values


def check_finite(features: NDArray[np.float32], name: str, remake: str) -> None:
    """Refuse features that are NaN or infinite.

    Args:
        features: One row per feature, shape ``(N, D)``.
        name: The file or case, for the message.
        remake: How they are made again, such as ``embed the slide again``.

    Raises:
        FeatureError: MV1313.
    """
    bad = int((~np.isfinite(features).all(axis=1)).sum()) if features.size else 0
    if bad:
        raise FeatureError(
            "MV1313",
            f"{name}: {bad} of {len(features)} features are NaN or infinite",
            hint=f"check the weights of the encoder and {remake} with --precision fp32",
        )


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        return value if value.dtype.kind in "fiub" else None
    return value if isinstance(value, str | bool | int | float) else None


def _filters(dataset: h5py.Dataset) -> set[int]:
    properties = dataset.id.get_create_plist()
    return {properties.get_filter(i)[0] for i in range(properties.get_nfilters())}
