"""Cut the encoded boxes of a scan again for people: sections of each and what surrounds it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from medvlp.volumes.case_scan import opened_case
from medvlp.volumes.crops import crop_volume
from medvlp.volumes.organ_masks import read_organ_mask
from medvlp.volumes.sections import Section, cut_sections
from medvlp.volumes.units import ScanUnit, crop_spec, region_label
from medvlp.volumes.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from medvlp.types import Case, VolumePreprocessing
    from medvlp.volumes.geometry import VolumeGeometry
    from medvlp.volumes.survey import ScanRules

__all__ = ["UnitView", "cut_unit_views"]


@dataclass(frozen=True, eq=False)
class UnitView:
    """Sections through the middle of one box.

    Attributes:
        name: Name of the box.
        surroundings: Sections of the scan, in its voxels.
        seen: Sections of the box in the voxels of the encoder; NaN where it was filled with air.
    """

    name: str
    surroundings: tuple[Section, ...]
    seen: tuple[Section, ...]


def cut_unit_views(
    case: Case,
    units: Sequence[ScanUnit],
    preprocessing: VolumePreprocessing,
    rules: ScanRules,
) -> list[UnitView]:
    """Open a scan again and cut sections through boxes; meant for a worker process.

    The scan is read whole, once, since a compressed file cannot be read from the middle.

    Args:
        case: The scan, with its mask where there is one.
        units: The boxes.
        preprocessing: How the encoder was given them.
        rules: What was accepted of the scan and its mask.

    Raises:
        VolumeError: What the readers of scans and masks raise.
    """
    with opened_case(case, irregular=rules.irregular) as scan:
        volume = scan.source.read()
    organ = _organ(case, volume.geometry, preprocessing, rules)
    unpadded = replace(crop_spec(preprocessing), air_hu=math.nan)
    views = []
    for unit in units:
        crop = crop_volume(volume, unit.centre_lps_mm, unpadded)
        views.append(
            UnitView(
                name=unit.name,
                surroundings=cut_sections(volume, crop.geometry, organ=organ),
                seen=cut_sections(
                    Volume(crop.values, crop.geometry),
                    crop.geometry,
                    surroundings_mm=max(preprocessing.box_mm),
                ),
            )
        )
    return views


def _organ(
    case: Case,
    geometry: VolumeGeometry,
    preprocessing: VolumePreprocessing,
    rules: ScanRules,
) -> NDArray[np.bool_] | None:
    """Return where the organ lies that the boxes are centred on, both sides of a pair."""
    if preprocessing.region is None or case.mask is None:
        return None
    mask = read_organ_mask(
        case.mask, like=geometry, names=rules.mask_names, region=preprocessing.region
    )
    return mask.select(region_label(mask, preprocessing.region))
