"""What a feature file of a scan says of itself, and how that is stored as attributes."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from medvlp.errors import FeatureError
from medvlp.volumes.volume import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "FORMAT",
    "FORMAT_VERSION",
    "VolumeFeatureMeta",
    "meta_from_attributes",
    "meta_to_attributes",
]

FORMAT = "medvlp volume features"
FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class VolumeFeatureMeta:
    """Everything a reader of the features of a scan must know; stored as attributes of the file.

    Attributes:
        case_key: Name of the case in outputs.
        encoder: Name of the volume encoder, as the user gave it.
        weights_sha256: Hash of the encoder's weights.
        is_projected: Whether features lie in the space shared with text.
        is_normalized: Whether each feature has unit length.
        precision: Arithmetic of the encoder, such as ``fp32`` or ``bf16``.
        preprocessing: Fields of the encoder's :class:`medvlp.types.VolumePreprocessing`.
        scan_format: Kind of the scan's files, such as ``dicom``.
        scan_sha256: Hash of the scan's bytes.
        scan_shape_zyx: Voxels of the scan along ``(z, y, x)``.
        scan_spacing_mm: Distance of its voxels along ``(z, y, x)``, in mm.
        scan_axes: Sides towards which x, y and z of the scan grow.
        geometry_sha256: Hash of the scan's geometry.
        mask_source: Where organs came from: ``file``, the name of an organ finder, or empty.
        mask_sha256: Hash of the mask's bytes; empty without a mask file.
        num_air: Windows that hold nothing but air and have no feature.
        findings: What was noticed while the scan was read.
        params_sha256: Hash of all parameters that decide the features.
        medvlp_version: Version that wrote the file.
    """

    case_key: str
    encoder: str
    weights_sha256: str
    is_projected: bool
    is_normalized: bool
    precision: str
    preprocessing: Mapping[str, object]
    scan_format: str
    scan_sha256: str
    scan_shape_zyx: tuple[int, int, int]
    scan_spacing_mm: tuple[float, float, float]
    scan_axes: str
    geometry_sha256: str
    mask_source: str
    mask_sha256: str
    num_air: int
    findings: tuple[Finding, ...]
    params_sha256: str
    medvlp_version: str


def meta_to_attributes(meta: VolumeFeatureMeta) -> dict[str, object]:
    """Return the attributes of a file in their fixed order, as values that HDF5 stores.

    Args:
        meta: What to store.
    """
    attributes: dict[str, object] = {"format": FORMAT, "format_version": FORMAT_VERSION}
    for field in fields(VolumeFeatureMeta):
        value = getattr(meta, field.name)
        if field.name == "findings":
            value = json.dumps([[finding.code, finding.text] for finding in value])
        elif field.name == "preprocessing":
            value = json.dumps(value, sort_keys=True)
        attributes[field.name] = np.array(value) if isinstance(value, tuple) else value
    return attributes


def meta_from_attributes(attributes: Mapping[str, object], file: str) -> VolumeFeatureMeta:
    """Rebuild the description from a file's attributes.

    Args:
        attributes: Attributes of the file as plain values (see ``hdf5_checks``).
        file: Name of the file, for messages.

    Raises:
        FeatureError: MV1320 if the file holds no features of a scan, MV1314 if an attribute is
            missing or has the wrong kind.
    """
    if attributes.get("format") != FORMAT:
        raise FeatureError(
            "MV1320",
            f"{file} is an HDF5 file but holds no features of a scan",
            expected=f"the attribute format = {FORMAT!r}",
            hint="features of slides are read by what reads slides; check the folder",
        )
    if attributes.get("format_version") != FORMAT_VERSION:
        raise FeatureError(
            "MV1314",
            f"{file} has format version {attributes.get('format_version')}",
            expected=f"version {FORMAT_VERSION}",
            hint="read it with the version of medvlp that wrote it, or embed the scan again",
        )
    values: dict[str, Any] = {}
    for field in fields(VolumeFeatureMeta):
        if field.name not in attributes:
            raise FeatureError("MV1314", f"{file} lacks the attribute {field.name!r}")
        decode = _DECODERS.get(field.name, _text)
        try:
            values[field.name] = decode(attributes[field.name])
        except (TypeError, ValueError) as error:
            raise FeatureError(
                "MV1314", f"{file}: the attribute {field.name!r} is {attributes[field.name]!r}"
            ) from error
    return VolumeFeatureMeta(**values)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is no truth value")
    return value


def _integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r} is no whole number")
    return value


def _integers(value: object) -> tuple[int, int, int]:
    z, y, x = _array(value, "iu").tolist()
    return z, y, x


def _numbers(value: object) -> tuple[float, float, float]:
    z, y, x = (float(number) for number in _array(value, "f").tolist())
    return z, y, x


def _array(value: object, kinds: str) -> np.ndarray[Any, Any]:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in kinds or value.shape != (3,):
        raise TypeError(f"{value!r} is no row of three numbers")
    return value


def _mapping(value: object) -> dict[str, object]:
    found = json.loads(_text(value))
    if not isinstance(found, dict):
        raise TypeError(f"{value!r} is no mapping")
    return found


def _findings(value: object) -> tuple[Finding, ...]:
    return tuple(Finding(_text(code), _text(text)) for code, text in json.loads(_text(value)))


_DECODERS: dict[str, Callable[[object], object]] = {
    "is_projected": _flag,
    "is_normalized": _flag,
    "preprocessing": _mapping,
    "scan_shape_zyx": _integers,
    "scan_spacing_mm": _numbers,
    "num_air": _integer,
    "findings": _findings,
}
"""How a field is read back, where it is not text."""
