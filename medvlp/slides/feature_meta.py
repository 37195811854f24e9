"""What a tile feature file says of itself, and how that is stored as attributes."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from medvlp.errors import FeatureError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "FORMAT",
    "FORMAT_VERSION",
    "FeatureMeta",
    "meta_from_attributes",
    "meta_to_attributes",
    "trident_attributes",
]

T = TypeVar("T")

FORMAT = "medvlp tile features"
FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class FeatureMeta:
    """Everything a reader of tile features must know; stored as attributes of the file.

    Attributes:
        case_key: Name of the case in outputs.
        encoder: Name of the image encoder, as the user gave it.
        weights_sha256: Hash of the encoder's weights.
        is_projected: Whether features lie in the space shared with text.
        is_normalized: Whether each feature has unit length.
        precision: Arithmetic of the encoder, such as ``fp32`` or ``bf16``.
        level0_size_px0: ``(width, height)`` of the slide in level-0 pixels.
        level0_mpp_xy: ``(x, y)`` micrometres per level-0 pixel.
        mpp_source: Where that scale was learnt: ``metadata``, ``given`` and so on.
        target_mpp: Micrometres per tile pixel that were asked for.
        true_mpp_xy: ``(x, y)`` micrometres per tile pixel after rounding to whole level-0 pixels.
        tile_px: Side of a tile in pixels, before the encoder's own resize.
        tile_px0: ``(width, height)`` of a tile in level-0 pixels.
        step_px0: ``(x, y)`` from one tile to the next in level-0 pixels.
        overlap: Share of a tile's side that the next tile repeats.
        read_level: Pyramid level the pixels came from.
        resampler: Filter that brought the pixels to ``tile_px``.
        reader: Decoder and version that made the pixels.
        slide_sha256: Hash of the slide's bytes.
        params_sha256: Hash of all parameters that decide the features.
        tissue: Settings of the tissue finder and of the least tissue per tile, plain values.
        medvlp_version: Version that wrote the file.
    """

    case_key: str
    encoder: str
    weights_sha256: str
    is_projected: bool
    is_normalized: bool
    precision: str
    level0_size_px0: tuple[int, int]
    level0_mpp_xy: tuple[float, float]
    mpp_source: str
    target_mpp: float
    true_mpp_xy: tuple[float, float]
    tile_px: int
    tile_px0: tuple[int, int]
    step_px0: tuple[int, int]
    overlap: float
    read_level: int
    resampler: str
    reader: str
    slide_sha256: str
    params_sha256: str
    tissue: Mapping[str, object]
    medvlp_version: str


def meta_to_attributes(meta: FeatureMeta) -> dict[str, object]:
    """Return the attributes of a file in their fixed order, as values that HDF5 stores.

    Args:
        meta: What to store.
    """
    attributes: dict[str, object] = {"format": FORMAT, "format_version": FORMAT_VERSION}
    for field in fields(FeatureMeta):
        attributes[field.name] = _encode(getattr(meta, field.name))
    return attributes


def meta_from_attributes(attributes: Mapping[str, object], file: str) -> FeatureMeta:
    """Rebuild the description from a file's attributes.

    Args:
        attributes: Attributes of the file as plain values (see ``hdf5_checks``).
        file: Name of the file, for messages.

    Raises:
        FeatureError: MV1310 if the file is no tile feature file of ours, MV1314 if an attribute is
            missing or has the wrong kind.
    """
    if attributes.get("format") != FORMAT:
        raise FeatureError(
            "MV1310",
            f"{file} is an HDF5 file but not a tile feature file of medvlp",
            expected=f"the attribute format = {FORMAT!r}",
            hint="feature files of other tools are brought in with 'medvlp import'",
        )
    if attributes.get("format_version") != FORMAT_VERSION:
        raise FeatureError(
            "MV1314",
            f"{file} has format version {attributes.get('format_version')}",
            expected=f"version {FORMAT_VERSION}",
            hint="read it with the version of medvlp that wrote it, or embed the slide again",
        )
    values: dict[str, Any] = {}
    for field in fields(FeatureMeta):
        if field.name not in attributes:
            raise FeatureError("MV1314", f"{file} lacks the attribute {field.name!r}")
        decode = _DECODERS.get(field.name, _text)
        try:
            values[field.name] = decode(attributes[field.name])
        except (TypeError, ValueError) as error:
            raise FeatureError(
                "MV1314", f"{file}: the attribute {field.name!r} is {attributes[field.name]!r}"
            ) from error
    return FeatureMeta(**values)


def trident_attributes(meta: FeatureMeta) -> dict[str, object]:
    """Return the attributes that TRIDENT's and Patho-Bench's readers look for on ``coords``.

    Magnifications are ``10 / mpp`` and fractional, so that their arithmetic gives the true scale.
    ``patch_size_level0`` is one number there: the mean of both axes.

    Args:
        meta: Description of the file.
    """
    level0_mpp = math.sqrt(meta.level0_mpp_xy[0] * meta.level0_mpp_xy[1])
    return {
        "patch_size": meta.tile_px,
        "patch_size_level0": round(sum(meta.tile_px0) / 2),
        "level0_magnification": 10.0 / level0_mpp,
        "target_magnification": 10.0 / meta.target_mpp,
        "overlap": round(meta.overlap * meta.tile_px),
        "name": meta.case_key,
        "savetodir": ".",
        "level0_width": meta.level0_size_px0[0],
        "level0_height": meta.level0_size_px0[1],
    }


def _encode(value: object) -> object:
    """Return a field as HDF5 stores it: text, a number, a truth value or an array of numbers."""
    if isinstance(value, tuple):
        return np.array(value)
    if isinstance(value, str | bool | int | float):
        return value
    return json.dumps(value, sort_keys=True)


def _text(value: object) -> str:
    return _of_kind(value, str)


def _flag(value: object) -> bool:
    return _of_kind(value, bool)


def _integer(value: object) -> int:
    return _of_kind(value, int)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int) else _of_kind(value, float)


def _integer_pair(value: object) -> tuple[int, int]:
    x, y = _of_kind(value, np.ndarray).tolist()
    return _integer(x), _integer(y)


def _number_pair(value: object) -> tuple[float, float]:
    x, y = _of_kind(value, np.ndarray).tolist()
    return _number(x), _number(y)


def _mapping(value: object) -> dict[str, object]:
    return _of_kind(json.loads(_text(value)), dict)


def _of_kind(value: object, kind: type[T]) -> T:
    if not isinstance(value, kind):
        msg = f"{value!r} is no {kind.__name__}"
        raise TypeError(msg)
    return value


_DECODERS: dict[str, Callable[[object], object]] = {
    "is_projected": _flag,
    "is_normalized": _flag,
    "level0_size_px0": _integer_pair,
    "level0_mpp_xy": _number_pair,
    "target_mpp": _number,
    "true_mpp_xy": _number_pair,
    "tile_px": _integer,
    "tile_px0": _integer_pair,
    "step_px0": _integer_pair,
    "overlap": _number,
    "read_level": _integer,
    "tissue": _mapping,
}
"""How a field is read back, where it is not text."""
