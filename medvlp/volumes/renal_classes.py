"""Classes of a kidney's tumour by its measures: names of attributes, and points of R.E.N.A.L.

The names are those of the schema of reports of kidneys, so that what is measured in a mask and what
is read in a report are answers to one question.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "ENDOPHYTIC_BELOW",
    "Growth",
    "PolarLocation",
    "RenalPoints",
    "growth_of",
    "location_of",
    "points_of",
    "size_class",
]

PolarLocation = Literal["upper pole", "interpolar", "lower pole"]
Growth = Literal["endophytic", "partly exophytic", "mostly exophytic"]

_SIZES_MM = ((40.0, "up to 4 cm"), (70.0, "4 to 7 cm"), (100.0, "7 to 10 cm"))
_SMALL_MM, _LARGE_MM = 40.0, 70.0
_HALF = 0.5
_THIRDS = (1 / 3, 2 / 3)

ENDOPHYTIC_BELOW = 0.1
"""Share outside the kidney below which a tumour counts as inside.

A tenth of a ball's volume stands out by a fifth of its diameter: as much as a mask's rough border
and a contour that is half guessed make of a tumour that touches the surface from inside.
"""


@dataclass(frozen=True)
class RenalPoints:
    """Three of the five components of the R.E.N.A.L. score, 1 to 3 points each, 3 the hardest.

    The polar lines of the original run where the sinus begins and ends; here they part the kidney's
    length in thirds.

    Attributes:
        radius: 1 up to 4 cm, 2 below 7 cm, 3 from 7 cm on.
        exophytic: 1 half or more outside, 2 less than half, 3 inside; None where no kidney is near.
        polar: 1 all beyond a polar line, 2 across one, 3 more than half between them or across the
            middle of the kidney; None where no kidney is near.

    Source:
        Kutikov and Uzzo 2009, The R.E.N.A.L. nephrometry score, J Urol 182:844, table 1.
    """

    radius: int
    exophytic: int | None
    polar: int | None


def size_class(size_mm: float) -> str:
    """Return the class of a diameter."""
    return next((name for limit, name in _SIZES_MM if size_mm <= limit), "over 10 cm")


def growth_of(exophytic_share: float) -> Growth:
    """Return the class of a share of the volume outside the kidney."""
    if exophytic_share < ENDOPHYTIC_BELOW:
        return "endophytic"
    return "partly exophytic" if exophytic_share < _HALF else "mostly exophytic"


def location_of(place: float) -> PolarLocation:
    """Return the third of the kidney's length that a place lies in.

    Args:
        place: 0 at the end of the lower pole, 1 at that of the upper pole.
    """
    if place < _THIRDS[0]:
        return "lower pole"
    return "interpolar" if place <= _THIRDS[1] else "upper pole"


def points_of(
    size_mm: float,
    exophytic_share: float | None,
    thirds: tuple[float, float, float] | None,
    reach: tuple[float, float] | None,
) -> RenalPoints:
    """Return the points of a tumour.

    Args:
        size_mm: Its diameter.
        exophytic_share: Share of its volume outside the kidney, or None.
        thirds: Shares of its volume in the upper, middle and lower third, or None.
        reach: Its lowest and highest place along the kidney, 0 to 1, or None.
    """
    radius = 1 if size_mm <= _SMALL_MM else 3 if size_mm >= _LARGE_MM else 2
    exophytic = polar = None
    if exophytic_share is not None:
        exophytic = 3 - ("endophytic", "partly exophytic", "mostly exophytic").index(
            growth_of(exophytic_share)
        )
    if thirds is not None and reach is not None:
        is_central = thirds[1] > _HALF or reach[0] < _HALF < reach[1]
        is_polar = reach[1] <= _THIRDS[0] or reach[0] >= _THIRDS[1]
        polar = 1 if is_polar else 3 if is_central else 2
    return RenalPoints(radius, exophytic, polar)
