"""What a tile feature file says of itself, and how that is stored as attributes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medvlp.io.records import (
    RecordFormat,
    flag_of,
    integer_of,
    integers_of,
    mapping_of,
    number_of,
    numbers_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "FORMAT",
    "FeatureMeta",
    "meta_from_attributes",
    "meta_to_attributes",
    "trident_attributes",
]

FORMAT = "medvlp tile features"
_RECORD = RecordFormat(
    name=FORMAT,
    version=1,
    foreign_code="MV1310",
    holds="not a tile feature file of medvlp",
    foreign_hint="feature files of other tools are brought in with 'medvlp import'",
    remake="embed the slide again",
)
_PAIR_OF_INTEGERS, _PAIR_OF_NUMBERS = integers_of(2), numbers_of(2)
_DECODERS: dict[str, Callable[[object], object]] = {
    "is_projected": flag_of,
    "is_normalized": flag_of,
    "level0_size_px0": _PAIR_OF_INTEGERS,
    "level0_mpp_xy": _PAIR_OF_NUMBERS,
    "target_mpp": number_of,
    "true_mpp_xy": _PAIR_OF_NUMBERS,
    "tile_px": integer_of,
    "tile_px0": _PAIR_OF_INTEGERS,
    "step_px0": _PAIR_OF_INTEGERS,
    "overlap": number_of,
    "read_level": integer_of,
    "tissue": mapping_of,
}
"""How a field is read back, where it is not text."""


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
    return _RECORD.to_attributes(meta)


def meta_from_attributes(attributes: Mapping[str, object], file: str) -> FeatureMeta:
    """Rebuild the description from a file's attributes.

    Args:
        attributes: Attributes of the file as plain values (see ``hdf5_checks``).
        file: Name of the file, for messages.

    Raises:
        FeatureError: MV1310 if the file is no tile feature file of ours, MV1314 if an attribute is
            missing or has the wrong kind.
    """
    return _RECORD.from_attributes(FeatureMeta, attributes, file, _DECODERS)


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
