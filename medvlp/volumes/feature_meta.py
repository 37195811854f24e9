"""What a feature file of a scan says of itself, and how that is stored as attributes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medvlp.io.records import (
    RecordFormat,
    flag_of,
    integer_of,
    integers_of,
    mapping_of,
    numbers_of,
    text_of,
)
from medvlp.volumes.volume import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "FORMAT",
    "VolumeFeatureMeta",
    "meta_from_attributes",
    "meta_to_attributes",
]

FORMAT = "medvlp volume features"
_RECORD = RecordFormat(
    name=FORMAT,
    version=1,
    foreign_code="MV1320",
    holds="holds no features of a scan",
    foreign_hint="features of slides are read by what reads slides; check the folder",
    remake="embed the scan again",
)


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
    return _RECORD.to_attributes(meta, {"findings": _findings_text})


def meta_from_attributes(attributes: Mapping[str, object], file: str) -> VolumeFeatureMeta:
    """Rebuild the description from a file's attributes.

    Args:
        attributes: Attributes of the file as plain values (see ``hdf5_checks``).
        file: Name of the file, for messages.

    Raises:
        FeatureError: MV1320 if the file holds no features of a scan, MV1314 if an attribute is
            missing or has the wrong kind.
    """
    return _RECORD.from_attributes(VolumeFeatureMeta, attributes, file, _DECODERS)


def _findings_text(findings: tuple[Finding, ...]) -> str:
    return json.dumps([[finding.code, finding.text] for finding in findings])


def _findings(value: object) -> tuple[Finding, ...]:
    return tuple(Finding(text_of(code), text_of(text)) for code, text in json.loads(text_of(value)))


_DECODERS: dict[str, Callable[[object], object]] = {
    "is_projected": flag_of,
    "is_normalized": flag_of,
    "preprocessing": mapping_of,
    "scan_shape_zyx": integers_of(3),
    "scan_spacing_mm": numbers_of(3),
    "num_air": integer_of,
    "findings": _findings,
}
"""How a field is read back, where it is not text."""
