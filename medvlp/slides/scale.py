"""How large a pixel is: micrometres per level-0 pixel from metadata, or from the user."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from medvlp.errors import SlideError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PLAUSIBLE_MPP", "Scale", "ScaleSource", "find_scale"]

ScaleSource = Literal["given", "metadata", "tiff resolution", "fallback"]

PLAUSIBLE_MPP = (0.05, 20.0)
"""Micrometres per level-0 pixel that a slide scanner can have produced. Finer than a light
microscope resolves, or coarser than a macro camera, means a placeholder such as 72 dots per inch
(352.8)."""

_UM_PER_UNIT = {"centimeter": 10_000.0, "inch": 25_400.0}
_HINT = (
    "state the micrometres per pixel with --slide-mpp, "
    "or for each slide in the manifest column slide_mpp"
)


@dataclass(frozen=True)
class Scale:
    """Physical size of a level-0 pixel and where it was learnt.

    Attributes:
        mpp_xy: ``(x, y)`` micrometres per level-0 pixel; the axes may differ.
        source: ``given`` (by the user, instead of the metadata), ``metadata``, ``tiff resolution``
            (tags with a real unit), or ``fallback`` (by the user, because the metadata has none).
    """

    mpp_xy: tuple[float, float]
    source: ScaleSource


def find_scale(
    properties: Mapping[str, str],
    slide: str,
    *,
    given_mpp: float | None = None,
    fallback_mpp: float | None = None,
) -> Scale:
    """Decide the scale of a slide.

    In this order: ``given_mpp``; ``openslide.mpp-x`` and ``-y``; the TIFF resolution tags if their
    unit is centimetre or inch and the value is plausible; ``fallback_mpp``. A value stated by the
    user is taken as it is; metadata outside :data:`PLAUSIBLE_MPP` is questioned, not used.

    Args:
        properties: OpenSlide's properties of the slide.
        slide: Name of the file, for messages.
        given_mpp: Micrometres per pixel that replace the metadata, both axes.
        fallback_mpp: Micrometres per pixel used where the metadata has none or an implausible one.

    Returns:
        The scale and its source.

    Raises:
        SlideError: MV1203 if nobody states a scale, MV1204 if the one stated cannot be true.
    """
    for value in (given_mpp, fallback_mpp):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise SlideError(
                "MV1204",
                f"{slide}: the stated slide mpp {value} is not a size",
                expected="a positive number of micrometres per pixel",
                hint="correct --slide-mpp or the manifest column slide_mpp",
            )
    if given_mpp is not None:
        return Scale((given_mpp, given_mpp), "given")
    stated = _metadata_mpp(properties)
    if stated is not None and all(_is_plausible(mpp) for mpp in stated):
        return Scale(stated, "metadata")
    tagged = _tiff_resolution_mpp(properties) if stated is None else None
    if tagged is not None and all(_is_plausible(mpp) for mpp in tagged):
        return Scale(tagged, "tiff resolution")
    if fallback_mpp is not None:
        return Scale((fallback_mpp, fallback_mpp), "fallback")
    if stated is None:
        raise SlideError(
            "MV1203", f"{slide} does not state its micrometres per pixel (mpp)", hint=_HINT
        )
    low, high = PLAUSIBLE_MPP
    raise SlideError(
        "MV1204",
        f"{slide}: the metadata states {stated[0]:g} x {stated[1]:g} micrometres per pixel",
        expected=f"between {low:g} and {high:g}, as a slide scanner produces",
        hint=_HINT,
    )


def _is_plausible(mpp: float) -> bool:
    return PLAUSIBLE_MPP[0] <= mpp <= PLAUSIBLE_MPP[1]


def _metadata_mpp(properties: Mapping[str, str]) -> tuple[float, float] | None:
    x = _number(properties.get("openslide.mpp-x"))
    y = _number(properties.get("openslide.mpp-y"))
    return None if x is None or y is None else (x, y)


def _tiff_resolution_mpp(properties: Mapping[str, str]) -> tuple[float, float] | None:
    unit_um = _UM_PER_UNIT.get(properties.get("tiff.ResolutionUnit", ""))
    x = _number(properties.get("tiff.XResolution"))
    y = _number(properties.get("tiff.YResolution"))
    if unit_um is None or not x or not y:
        return None
    return unit_um / x, unit_um / y


def _number(text: str | None) -> float | None:
    """Return the number that a property holds; anything else counts as not stated."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
