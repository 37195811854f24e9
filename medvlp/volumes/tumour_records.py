"""What is measured of kidneys and their tumours, and the attributes that it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from medvlp.volumes.renal_classes import size_class

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medvlp.volumes.kidney_contour import KidneyContour
    from medvlp.volumes.kidney_labels import SideEvidence
    from medvlp.volumes.renal_classes import Growth, PolarLocation, RenalPoints

__all__ = ["Kidney", "KidneyTumours", "TumourMeasures", "kidney_attributes"]

Side = Literal["left", "right", ""]


@dataclass(frozen=True, kw_only=True, eq=False)
class Kidney:
    """A kidney, without its lesions.

    Attributes:
        side: Side of the patient, or an empty string where it is not known.
        volume_ml: Volume of its parenchyma.
        centre_lps_mm: Centre of mass of its parenchyma, ``(x, y, z)``.
        upward_lps: Unit vector along which its length is measured, towards the upper pole.
        ends_mm: Where the lower and the upper pole end along that vector.
        contour: Its outline as it was without tumours.
    """

    side: Side
    volume_ml: float
    centre_lps_mm: tuple[float, float, float]
    upward_lps: tuple[float, float, float]
    ends_mm: tuple[float, float]
    contour: KidneyContour

    @property
    def length_mm(self) -> float:
        """Distance of the ends of its poles."""
        return self.ends_mm[1] - self.ends_mm[0]


@dataclass(frozen=True, kw_only=True)
class TumourMeasures:
    """One tumour: a connected piece of the label.

    Attributes:
        side: Side of the kidney that it belongs to; empty where that or the side is not known.
        axial_diameter_mm: Largest diameter within any axial slice, as on the screen.
        largest_diameter_mm: Largest diameter in any direction.
        extent_lps_mm: How far it reaches along x, y and z of the body.
        volume_ml: Its volume.
        centre_lps_mm: Its centre of mass, ``(x, y, z)``.
        gap_mm: Distance from the nearest parenchyma; 0 where they touch, None where no kidney is
            within 20 mm. Then the following are None as well.
        exophytic_share: Share of its volume outside the contour that the kidney had.
        growth: Class of that share.
        polar_location: Third of the kidney's length that its centre of mass lies in.
        thirds: Shares of its volume in the upper, middle and lower third.
        renal: Points of R.E.N.A.L. for size, growth and location.
        cut_sides: Sides of the body where the scan ends within it; its size is then a lower bound.
    """

    side: Side
    axial_diameter_mm: float
    largest_diameter_mm: float
    extent_lps_mm: tuple[float, float, float]
    volume_ml: float
    centre_lps_mm: tuple[float, float, float]
    gap_mm: float | None
    exophytic_share: float | None
    growth: Growth | None
    polar_location: PolarLocation | None
    thirds: tuple[float, float, float] | None
    renal: RenalPoints
    cut_sides: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class KidneyTumours:
    """What a mask holds.

    Attributes:
        kidneys: The kidneys, the right one first.
        tumours: Their tumours, the largest first; none where none is labelled.
        evidence: What the sides rest on.
        num_specks: Number of pieces of the tumour's label that were too small to be measured.
    """

    kidneys: tuple[Kidney, ...]
    tumours: tuple[TumourMeasures, ...]
    evidence: SideEvidence
    num_specks: int


def kidney_attributes(found: KidneyTumours, side: Side) -> Mapping[str, str]:
    """Return the attributes of one kidney that its mask answers, as a report's are named.

    Size, location and growth are those of its largest tumour.

    Args:
        found: What was measured.
        side: Which kidney.

    Returns:
        Attribute -> class; empty where the mask holds no kidney of that side.
    """
    own = [tumour for tumour in found.tumours if tumour.side == side and tumour.gap_mm is not None]
    if not own:
        is_there = any(kidney.side == side for kidney in found.kidneys)
        return {"mass": "absent"} if is_there else {}
    first = own[0]
    return {
        "mass": "present",
        "mass_size": size_class(first.axial_diameter_mm),
        "number": "one" if len(own) == 1 else "several",
        "polar_location": str(first.polar_location),
        "growth": str(first.growth),
    }
