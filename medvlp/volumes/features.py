"""Features of the boxes of a scan in HDF5, checked before they are trusted.

Root attributes describe the file (``feature_meta``). Datasets, one row per unit, that is per box
that was encoded: ``features (U, D)`` float32, ``coords_mm (U, 3)`` float64, ``padded_share (U,)``
float32, and the texts ``units``, ``padded_sides`` and ``cut_sides``. Letters: U units, D embedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvlp.errors import FeatureError
from medvlp.io.hdf5_checks import check_finite, open_checked, read_attributes, require_dataset
from medvlp.io.hdf5_writing import create_rows, store_attribute, whole_file
from medvlp.volumes.feature_meta import (
    VolumeFeatureMeta,
    meta_from_attributes,
    meta_to_attributes,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = [
    "VolumeFeatureMeta",
    "VolumeFeatures",
    "read_volume_feature_meta",
    "read_volume_features",
    "write_volume_features",
]

_REMAKE = "embed the scan again"
_TEXTS = ("units", "padded_sides", "cut_sides")


@dataclass(frozen=True, eq=False)
class VolumeFeatures:
    """The features of one scan.

    Attributes:
        features: One row per unit, shape ``(U, D)``, float32, finite.
        coords_mm: Centres of the boxes as ``(z, y, x)`` in LPS, in mm, ``(U, 3)``, float64.
        units: Names of the boxes: an organ such as ``kidney_left``, or ``window z y x`` with the
            place of the window in the raster.
        padded_share: Share of a box that lies outside the scan and was filled with air, ``(U,)``,
            float32, 0 to 1.
        padded_sides: Sides of the body where the box leaves the scan, such as ``IR``, else empty.
        cut_sides: Sides where the organ itself touches the edge of the scan, so that the field of
            view has probably cut it; empty for windows.
        meta: Description of the features.
    """

    features: NDArray[np.float32]
    coords_mm: NDArray[np.float64]
    units: tuple[str, ...]
    padded_share: NDArray[np.float32]
    padded_sides: tuple[str, ...]
    cut_sides: tuple[str, ...]
    meta: VolumeFeatureMeta


def write_volume_features(path: Path, features: VolumeFeatures) -> None:
    """Write a feature file; equal features give equal bytes.

    The caller publishes the file under its final name.

    Args:
        path: Where to write.
        features: What to write.

    Raises:
        ValueError: If shapes or types do not fit together.
        FeatureError: MV1313 if a feature is NaN or infinite.
        OSError: If the file cannot be written.
    """
    _check_rows(features)
    check_finite(features.features, features.meta.case_key, _REMAKE)
    with whole_file(path) as file:
        for name, value in meta_to_attributes(features.meta).items():
            store_attribute(file, name, value)
        stored = create_rows(file, "features", features.features)
        for name, text in (("name", features.meta.case_key), ("encoder", features.meta.encoder)):
            store_attribute(stored, name, text)
        create_rows(file, "coords_mm", features.coords_mm)
        create_rows(file, "padded_share", features.padded_share)
        for name in _TEXTS:
            create_rows(file, name, _as_bytes(getattr(features, name)))


def read_volume_features(path: Path) -> VolumeFeatures:
    """Read a feature file, after checks that a hostile or damaged one does not pass.

    Args:
        path: The file.

    Returns:
        The features; float16 is widened to float32.

    Raises:
        FeatureError: MV1301 not readable, MV1310 damaged, MV1311 points into other files, MV1312
            sizes that do not fit the file, MV1313 NaN or infinite features, MV1314 parts missing
            or of the wrong shape or type, MV1320 no features of a scan.
    """
    with open_checked(path) as file:
        meta = meta_from_attributes(read_attributes(file), path.name)
        size = path.stat().st_size
        numbers = {
            name: require_dataset(file, name, ndim=ndim, kinds="f", file_bytes=size)
            for name, ndim in (("features", 2), ("coords_mm", 2), ("padded_share", 1))
        }
        texts = {
            name: require_dataset(file, name, ndim=1, kinds="S", file_bytes=size) for name in _TEXTS
        }
        found = VolumeFeatures(
            features=numbers["features"][:].astype(np.float32, copy=False),
            coords_mm=numbers["coords_mm"][:].astype(np.float64, copy=False),
            padded_share=numbers["padded_share"][:].astype(np.float32, copy=False),
            units=_as_text(texts["units"][:]),
            padded_sides=_as_text(texts["padded_sides"][:]),
            cut_sides=_as_text(texts["cut_sides"][:]),
            meta=meta,
        )
    try:
        _check_rows(found)
    except ValueError as error:
        raise FeatureError("MV1314", f"{path.name}: {error}") from error
    check_finite(found.features, path.name, _REMAKE)
    return found


def read_volume_feature_meta(path: Path) -> VolumeFeatureMeta:
    """Read only the description of a feature file; nothing large is loaded.

    Args:
        path: The file.

    Raises:
        FeatureError: As :func:`read_volume_features`, for what the description needs.
    """
    with open_checked(path) as file:
        return meta_from_attributes(read_attributes(file), path.name)


def _as_bytes(texts: tuple[str, ...]) -> NDArray[np.bytes_]:
    return np.array([text.encode() for text in texts], dtype=np.bytes_)


def _as_text(values: NDArray[np.bytes_]) -> tuple[str, ...]:
    return tuple(bytes(value).decode("utf-8", "replace") for value in values)


def _check_rows(features: VolumeFeatures) -> None:
    count = len(features.features)
    for name, array, dtype, shape in (
        ("features", features.features, np.float32, (count, *features.features.shape[1:2])),
        ("coords_mm", features.coords_mm, np.float64, (count, 3)),
        ("padded_share", features.padded_share, np.float32, (count,)),
    ):
        if array.dtype != dtype or array.shape != shape:
            msg = f"{name} must be {np.dtype(dtype)} of shape {shape}, got {array.dtype} of "
            raise ValueError(msg + f"{array.shape}")
    for name in _TEXTS:
        if len(getattr(features, name)) != count:
            msg = f"{name} must have {count} entries, got {len(getattr(features, name))}"
            raise ValueError(msg)
    if not np.isfinite(features.coords_mm).all():
        raise ValueError("coords_mm must be finite")
