"""From which side an X-ray was taken, and how it lies: upright, patient's left on the right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from medvlp.radiographs.image import RadiographView, Side

__all__ = ["laterality_of", "upright", "view_of"]

_POSITIONS: dict[str, RadiographView] = {
    **dict.fromkeys(("PA", "POSTERO-ANTERIOR", "POSTEROANTERIOR"), "PA"),
    **dict.fromkeys(("AP", "ANTERO-POSTERIOR", "ANTEROPOSTERIOR"), "AP"),
    **dict.fromkeys(
        "LL RL LATERAL LAT LLAT RLAT LEFT-LATERAL RIGHT-LATERAL LEFT_LATERAL RIGHT_LATERAL".split(),
        "LATERAL",
    ),
    **dict.fromkeys(("LEFT LATERAL", "RIGHT LATERAL"), "LATERAL"),
}
"""Words of the element View Position; decubitus and oblique views are none of the three."""

_CODES: dict[str, RadiographView] = {
    **dict.fromkeys(("R-10214", "272479007"), "PA"),
    **dict.fromkeys(("R-10206", "399348003"), "AP"),
    **dict.fromkeys(
        "R-10236 399173006 R-10232 399198007 R-10228 399352003 399067008 399260004".split(),
        "LATERAL",
    ),
}
"""Codes of DICOM's context group 4010 in SNOMED's old and new writing."""


def view_of(
    position: str, codes: Iterable[str], orientation: tuple[str, ...]
) -> tuple[RadiographView | None, tuple[str, ...]]:
    """Return the view that a DICOM header states.

    Args:
        position: The element View Position, upper case.
        codes: Code values of the View Code Sequence.
        orientation: The element Patient Orientation: where rows and columns run to.

    Returns:
        The view, or None where none or two are stated, and what was noticed.
    """
    found: set[RadiographView] = {_CODES[code] for code in codes if code in _CODES}
    if position in _POSITIONS:
        found.add(_POSITIONS[position])
    if len(found) > 1:
        return None, (f"the header states two views: {' and '.join(sorted(found))}",)
    if found:
        return found.pop(), ()
    is_lateral = any(direction[:1] in {"A", "P"} for direction in orientation)
    return ("LATERAL" if is_lateral and not position else None), ()


def laterality_of(*values: str) -> Side | None:
    """Return the side of the body that an image shows, by the first element that states one."""
    for value in values:
        if value == "L":
            return "L"
        if value == "R":
            return "R"
    return None


def upright(
    pixels: NDArray[np.float32],
    spacing_mm: tuple[float, float] | None,
    orientation: tuple[str, ...],
) -> tuple[NDArray[np.float32], tuple[float, float] | None, tuple[str, ...]]:
    """Turn a picture so that rows run to the feet and columns of a frontal view to the left.

    Only what the header states is done: without a Patient Orientation, nothing is turned.

    Args:
        pixels: Shape ``(H, W)``.
        spacing_mm: ``(row, column)``, or None.
        orientation: Where rows run to (as one walks along columns) and where columns run to, such
            as ``("L", "F")``; letters behind the first are lesser components.

    Returns:
        Pixels, spacing, and what was noticed.
    """
    if len(orientation) != 2 or not all(orientation):
        return pixels, spacing_mm, ()
    across, down = (direction[0] for direction in orientation)
    done = []
    if across in "FH" and down in "LRAP":
        pixels, across, down = pixels.T, down, across
        spacing_mm = None if spacing_mm is None else (spacing_mm[1], spacing_mm[0])
        done.append("transposed")
    if down not in "FH" or across not in "LRAP":
        return pixels, spacing_mm, ()
    if down == "H":
        pixels = pixels[::-1]
        done.append("turned upside down")
    if across == "R":
        pixels = pixels[:, ::-1]
        done.append("mirrored")
    if not done:
        return pixels, spacing_mm, ()
    note = f"{' and '.join(done)}, as the stated orientation of the patient asks"
    return np.ascontiguousarray(pixels), spacing_mm, (note,)
