"""Tile features in HDF5: a superset of TRIDENT's layout, checked before it is trusted.

Root attributes describe the file (``feature_meta``). Datasets: ``features (N, D)`` float32 and
``coords (N, 2)`` int64 of good tiles; ``failed_coords (M, 2)`` and ``failed_status (M,)`` of the
others. Letters: N good tiles, M failed tiles, D embedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvlp.errors import FeatureError
from medvlp.io.hdf5_checks import check_finite, open_checked, read_attributes, require_dataset
from medvlp.io.hdf5_writing import create_rows, store_attribute, whole_file
from medvlp.slides.feature_match import check_features_match
from medvlp.slides.feature_meta import (
    FeatureMeta,
    meta_from_attributes,
    meta_to_attributes,
    trident_attributes,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = [
    "FeatureMeta",
    "SlideFeatures",
    "check_features_match",
    "read_feature_meta",
    "read_features",
    "write_features",
]

_REMAKE = "embed the slide again"


@dataclass(frozen=True)
class SlideFeatures:
    """The features of one slide.

    Attributes:
        features: One row per good tile, shape ``(N, D)``, float32, finite.
        coords: Top-left corners ``(x, y)`` of good tiles in level-0 pixels, ``(N, 2)``, int64.
        failed_coords: Corners of the tiles that have no feature, ``(M, 2)``, int64.
        failed_status: Why, ``(M,)``, uint8; 1 undecodable.
        meta: Description of the features.
    """

    features: NDArray[np.float32]
    coords: NDArray[np.int64]
    failed_coords: NDArray[np.int64]
    failed_status: NDArray[np.uint8]
    meta: FeatureMeta


def write_features(path: Path, features: SlideFeatures) -> None:
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
    _check_arrays(features)
    check_finite(features.features, features.meta.case_key, _REMAKE)
    with whole_file(path) as file:
        for name, value in meta_to_attributes(features.meta).items():
            store_attribute(file, name, value)
        stored = create_rows(file, "features", features.features)
        for name, value in (
            ("name", features.meta.case_key),
            ("savetodir", "."),
            ("encoder", features.meta.encoder),
        ):
            stored.attrs[name] = value
        coords = create_rows(file, "coords", features.coords)
        for name, value in trident_attributes(features.meta).items():
            coords.attrs[name] = value
        create_rows(file, "failed_coords", features.failed_coords)
        create_rows(file, "failed_status", features.failed_status)


def read_features(path: Path) -> SlideFeatures:
    """Read a feature file, after checks that a hostile or damaged one does not pass.

    Args:
        path: The file.

    Returns:
        The features; float16 is widened to float32.

    Raises:
        FeatureError: MV1301 not readable, MV1310 not a feature file or damaged, MV1311 points into
            other files, MV1312 sizes that do not fit the file, MV1313 NaN or infinite features,
            MV1314 parts missing or of the wrong shape or type.
    """
    with open_checked(path) as file:
        meta = meta_from_attributes(read_attributes(file), path.name)
        size = path.stat().st_size
        features = require_dataset(file, "features", ndim=2, kinds="f", file_bytes=size)
        coords = require_dataset(file, "coords", ndim=2, kinds="iu", file_bytes=size)
        failed = require_dataset(file, "failed_coords", ndim=2, kinds="iu", file_bytes=size)
        status = require_dataset(file, "failed_status", ndim=1, kinds="iu", file_bytes=size)
        found = SlideFeatures(
            features=features[:].astype(np.float32, copy=False),
            coords=coords[:].astype(np.int64, copy=False),
            failed_coords=failed[:].astype(np.int64, copy=False),
            failed_status=status[:].astype(np.uint8, copy=False),
            meta=meta,
        )
    try:
        _check_arrays(found)
    except ValueError as error:
        raise FeatureError("MV1314", f"{path.name}: {error}") from error
    check_finite(found.features, path.name, _REMAKE)
    return found


def read_feature_meta(path: Path) -> FeatureMeta:
    """Read only the description of a feature file; nothing large is loaded.

    Args:
        path: The file.

    Raises:
        FeatureError: As :func:`read_features`, for what the description needs.
    """
    with open_checked(path) as file:
        return meta_from_attributes(read_attributes(file), path.name)


def _check_arrays(features: SlideFeatures) -> None:
    for name, array, dtype, ndim in (
        ("features", features.features, np.float32, 2),
        ("coords", features.coords, np.int64, 2),
        ("failed_coords", features.failed_coords, np.int64, 2),
        ("failed_status", features.failed_status, np.uint8, 1),
    ):
        if array.dtype != dtype or array.ndim != ndim:
            msg = (
                f"{name} must have {ndim} axes of {np.dtype(dtype)}, "
                f"got {array.ndim} of {array.dtype}"
            )
            raise ValueError(msg)
    if features.coords.shape[1] != 2 or features.failed_coords.shape[1] != 2:
        msg = (
            "coords and failed_coords must have two columns (x, y), got shapes "
            f"{features.coords.shape} and {features.failed_coords.shape}"
        )
        raise ValueError(msg)
    for one, other in (("features", "coords"), ("failed_coords", "failed_status")):
        if len(getattr(features, one)) != len(getattr(features, other)):
            msg = (
                f"{one} and {other} must have as many rows, got {len(getattr(features, one))} "
                f"and {len(getattr(features, other))}"
            )
            raise ValueError(msg)
