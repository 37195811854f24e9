"""The feature of one X-ray in HDF5, checked before it is trusted.

Laid out as feature files of slides and scans are: root attributes describe the file, the dataset
``features (1, D)`` float32 holds one row. Letter: D embedding.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvlp.errors import FeatureError
from medvlp.io.hdf5_checks import check_finite, open_checked, read_attributes, require_dataset
from medvlp.io.hdf5_writing import create_rows, store_attribute, whole_file
from medvlp.io.records import (
    RecordFormat,
    flag_of,
    integer_of,
    integers_of,
    mapping_of,
    text_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from medvlp.radiographs.image import Radiograph, RadiographView, Side, ValueRange

__all__ = [
    "FORMAT",
    "RadiographFeatureMeta",
    "RadiographFeatures",
    "described_image",
    "read_radiograph_feature_meta",
    "read_radiograph_features",
    "write_radiograph_features",
]

FORMAT = "medvlp radiograph features"
_REMAKE = "embed the X-ray again"
_RECORD = RecordFormat(
    name=FORMAT,
    version=1,
    foreign_code="MV2420",
    holds="holds no features of an X-ray",
    foreign_hint="features of slides and scans are read by what reads these; check the folder",
    remake=_REMAKE,
)


@dataclass(frozen=True, kw_only=True)
class RadiographFeatureMeta:
    """Everything a reader of the feature must know; stored as attributes of the file.

    Attributes:
        case_key: Name of the case in outputs.
        encoder: Name of the image encoder, as the user gave it.
        weights_sha256: Hash of the encoder's weights.
        is_projected: Whether the feature lies in the space shared with text.
        is_normalized: Whether it has unit length.
        precision: Arithmetic of the encoder, such as ``fp32`` or ``bf16``.
        preprocessing: Fields of the encoder's preprocessing, plain values.
        image_sha256: Hash of the file's bytes.
        image_shape: ``(H, W)`` of the X-ray.
        image_spacing_mm: Distance of its pixels along ``(row, column)``, in mm, or None.
        view: Direction of the beam, or None.
        laterality: Side of the body, or None.
        value_range: How stored values became gray levels.
        burned_in: Whether the file says that text is drawn into it, or None.
        frame: Which frame of the file.
        notes: What was noticed while it was read.
        params_sha256: Hash of all parameters that decide the feature.
        medvlp_version: Version that wrote the file.
    """

    case_key: str
    encoder: str
    weights_sha256: str
    is_projected: bool
    is_normalized: bool
    precision: str
    preprocessing: Mapping[str, object]
    image_sha256: str
    image_shape: tuple[int, int]
    image_spacing_mm: tuple[float, float] | None
    view: RadiographView | None
    laterality: Side | None
    value_range: ValueRange
    burned_in: bool | None
    frame: int
    notes: tuple[str, ...]
    params_sha256: str
    medvlp_version: str


@dataclass(frozen=True, eq=False)
class RadiographFeatures:
    """The feature of one X-ray.

    Attributes:
        features: One row, shape ``(1, D)``, float32, finite.
        meta: Description of the feature.
    """

    features: NDArray[np.float32]
    meta: RadiographFeatureMeta


def described_image(image: Radiograph) -> dict[str, object]:
    """Return the fields of a feature's description that the X-ray itself decides.

    Args:
        image: The X-ray.

    Returns:
        Keyword arguments of :class:`RadiographFeatureMeta`.
    """
    return {
        "image_shape": image.pixels.shape,
        "image_spacing_mm": image.spacing_mm,
        "view": image.view,
        "laterality": image.laterality,
        "value_range": image.value_range,
        "burned_in": image.burned_in,
        "notes": image.notes,
    }


def write_radiograph_features(path: Path, features: RadiographFeatures) -> None:
    """Write a feature file; equal features give equal bytes.

    The caller publishes the file under its final name.

    Args:
        path: Where to write.
        features: What to write.

    Raises:
        ValueError: If there is not one row of float32.
        FeatureError: MV1313 if the feature is NaN or infinite.
        OSError: If the file cannot be written.
    """
    _check_row(features.features)
    check_finite(features.features, features.meta.case_key, _REMAKE)
    with whole_file(path) as file:
        for name, value in _RECORD.to_attributes(features.meta, _ENCODERS).items():
            store_attribute(file, name, value)
        stored = create_rows(file, "features", features.features)
        for name, text in (("name", features.meta.case_key), ("encoder", features.meta.encoder)):
            store_attribute(stored, name, text)


def read_radiograph_features(path: Path) -> RadiographFeatures:
    """Read a feature file, after checks that a hostile or damaged one does not pass.

    Args:
        path: The file.

    Returns:
        The feature; float16 is widened to float32.

    Raises:
        FeatureError: MV1301 not readable, MV1310 damaged, MV1311 points into other files, MV1312
            sizes that do not fit the file, MV1313 NaN or infinite features, MV1314 parts missing
            or of the wrong shape or type, MV2420 no features of an X-ray.
    """
    with open_checked(path) as file:
        meta = _meta(read_attributes(file), path.name)
        size = path.stat().st_size
        dataset = require_dataset(file, "features", ndim=2, kinds="f", file_bytes=size)
        found = dataset[:].astype(np.float32, copy=False)
    try:
        _check_row(found)
    except ValueError as error:
        raise FeatureError("MV1314", f"{path.name}: {error}") from error
    check_finite(found, path.name, _REMAKE)
    return RadiographFeatures(found, meta)


def read_radiograph_feature_meta(path: Path) -> RadiographFeatureMeta:
    """Read only the description of a feature file.

    Args:
        path: The file.

    Raises:
        FeatureError: As :func:`read_radiograph_features`, for what the description needs.
    """
    with open_checked(path) as file:
        return _meta(read_attributes(file), path.name)


def _meta(attributes: Mapping[str, object], name: str) -> RadiographFeatureMeta:
    return _RECORD.from_attributes(RadiographFeatureMeta, attributes, name, _DECODERS)


def _check_row(features: NDArray[np.float32]) -> None:
    if features.dtype != np.float32 or features.ndim != 2 or len(features) != 1:
        msg = f"features must be one row of float32, got {features.shape} {features.dtype}"
        raise ValueError(msg)


def _spacing(value: object) -> tuple[float, float] | None:
    found = json.loads(text_of(value))
    if found is None:
        return None
    row, column = (float(number) for number in found)
    return row, column


def _optional_flag(value: object) -> bool | None:
    found = json.loads(text_of(value))
    return None if found is None else flag_of(found)


def _optional_word(value: object) -> str | None:
    return text_of(value) or None


def _words(value: object) -> tuple[str, ...]:
    return tuple(text_of(word) for word in json.loads(text_of(value)))


_ENCODERS: dict[str, Callable[[object], str]] = {
    "image_spacing_mm": json.dumps,
    "burned_in": json.dumps,
    "notes": json.dumps,
    "view": lambda value: str(value or ""),
    "laterality": lambda value: str(value or ""),
}
"""How a field is stored, where it can be absent or is a list of texts."""

_DECODERS: dict[str, Callable[[object], object]] = {
    "is_projected": flag_of,
    "is_normalized": flag_of,
    "preprocessing": mapping_of,
    "image_shape": integers_of(2),
    "image_spacing_mm": _spacing,
    "view": _optional_word,
    "laterality": _optional_word,
    "burned_in": _optional_flag,
    "frame": integer_of,
    "notes": _words,
}
"""How a field is read back, where it is not text."""
