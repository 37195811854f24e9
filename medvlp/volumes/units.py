"""Plan the boxes of a scan that are encoded: organ sides, or windows over the whole scan."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvlp.volumes.crops import CropSpec
from medvlp.volumes.label_names import label_names
from medvlp.volumes.regions import find_regions

if TYPE_CHECKING:
    from medvlp.types import VolumePreprocessing
    from medvlp.volumes.geometry import VolumeGeometry
    from medvlp.volumes.masks import Label, LabelMap

__all__ = ["ScanUnit", "crop_spec", "is_paired", "plan_windows", "region_label", "units_of_region"]

_SPACING_DIGITS = 6
"""As in crops: spacings are rounded so that formats agree."""

_LESIONS = frozenset({"tumor", "cyst"})
"""Labels that are parts of an organ where a scheme draws them separately."""


@dataclass(frozen=True, kw_only=True)
class ScanUnit:
    """One box of a scan.

    Attributes:
        name: The organ with its side, or ``window z y x`` with the place in the raster.
        centre_lps_mm: Where the box is centred, ``(x, y, z)`` in LPS, in mm; samples are rounded
            to the grid of the scan.
        cut_sides: Sides of the body where the organ touches the edge of the scan, sorted.
        volume_ml: Volume of the organ; 0 for windows.
    """

    name: str
    centre_lps_mm: tuple[float, float, float]
    cut_sides: tuple[str, ...] = ()
    volume_ml: float = 0.0


def crop_spec(preprocessing: VolumePreprocessing) -> CropSpec:
    """Return the box that an encoder wants."""
    return CropSpec(
        box_mm=preprocessing.box_mm,
        spacing_mm=preprocessing.spacing_mm,
        orientation=preprocessing.orientation,
        air_hu=preprocessing.air_hu,
    )


def is_paired(region: str) -> bool:
    """Say whether the body has an organ of this name on either side."""
    return f"{region.lower()}_left" in label_names("totalsegmentator").values()


def region_label(mask: LabelMap, region: str) -> Label:
    """Return what to look for in a mask: the organ, with lesions that are drawn apart from it.

    Args:
        mask: The label map.
        region: Name of the organ.
    """
    names = {name.lower() for name in mask.names.values()}
    parts = sorted(_LESIONS & names) if region.lower() in names and is_paired(region) else []
    return (region, *parts) if parts else region


def units_of_region(mask: LabelMap, region: str) -> tuple[ScanUnit, ...]:
    """Return one box for each side of an organ, the right one first.

    Args:
        mask: The label map.
        region: Name of the organ.

    Raises:
        VolumeError: MV2241 if no voxel has the label, MV2243 if its name is not known.
    """
    found = find_regions(mask, region_label(mask, region), by_side=is_paired(region))
    return tuple(
        ScanUnit(
            name=part.name,
            centre_lps_mm=part.centre_lps_mm,
            cut_sides=part.cut_sides,
            volume_ml=part.volume_ml,
        )
        for part in found
    )


def plan_windows(
    geometry: VolumeGeometry, preprocessing: VolumePreprocessing
) -> tuple[ScanUnit, ...]:
    """Return boxes that cover a whole scan, or one around its middle.

    The raster starts at the first voxel of the turned scan; its last window along an axis ends at
    the last voxel, so that only scans smaller than a window are padded.

    Args:
        geometry: Where the voxels lie.
        preprocessing: Size and spacing of a window, and the share that neighbours overlap.
    """
    turned = geometry.reordered(geometry.axis_order(preprocessing.orientation))
    starts = []
    for axis in range(3):
        step = preprocessing.spacing_mm[axis] / round(turned.spacing_zyx_mm[axis], _SPACING_DIGITS)
        samples = round((turned.shape_zyx[axis] - 1) / step + 1.0)
        size = preprocessing.shape_zyx[axis]
        starts.append(
            [(start + size // 2) * step for start in _starts(samples, size, preprocessing.overlap)]
        )
    units = []
    for places in itertools.product(*(range(len(along)) for along in starts)):
        index = [starts[axis][place] for axis, place in enumerate(places)]
        x_mm, y_mm, z_mm = turned.index_to_lps(np.asarray([index]))[0].tolist()
        name = f"window {' '.join(str(place) for place in places)}"
        units.append(ScanUnit(name=name, centre_lps_mm=(x_mm, y_mm, z_mm)))
    return tuple(units)


def _starts(samples: int, size: int, overlap: float | None) -> list[int]:
    """Return the first sample of each window along one axis."""
    if samples <= size or overlap is None:
        return [(samples - size) // 2]
    stride = max(1, round(size * (1.0 - overlap)))
    count = math.ceil((samples - size) / stride) + 1
    return [min(place * stride, samples - size) for place in range(count)]
