"""Cut the box of each side of a paired organ out of a scan; meant for a worker process.

Letters: S sides that were found, Z Y X box.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import ndimage

from medvlp.errors import VolumeError
from medvlp.volumes.case_scan import case_content_sha256, opened_case
from medvlp.volumes.crops import CropSpec, crop_volumes
from medvlp.volumes.dicom_reader import IrregularChoice
from medvlp.volumes.hounsfield import require_hounsfield, sampled_volume
from medvlp.volumes.label_names import LabelScheme
from medvlp.volumes.laterality import require_upright_sides
from medvlp.volumes.masks import LabelMap
from medvlp.volumes.organ_masks import mask_content_sha256, read_organ_mask
from medvlp.volumes.regions import Region, find_regions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medvlp.types import Case

__all__ = ["OrganPlan", "SideCrops", "cut_sides", "find_sides"]

_SIDES: tuple[Literal["left", "right"], ...] = ("left", "right")


@dataclass(frozen=True, kw_only=True)
class OrganPlan:
    """Which organ, and what its box looks like.

    Attributes:
        structures: Labels that make the organ, without their side; those that a mask does not know
            are passed over. The first is the organ itself.
        centre_on: Labels, without their side, that the box is centred on instead; sides without
            them are left out. Empty: the organ.
        spec: The box.
        irregular: What becomes of missing, uneven or leaning slices.
        mask_names: Names of the labels of masks that do not name them themselves.
    """

    structures: tuple[str, ...]
    centre_on: tuple[str, ...] = ()
    spec: CropSpec
    irregular: IrregularChoice = "refuse"
    mask_names: LabelScheme | None = None


@dataclass(frozen=True, eq=False)
class SideCrops:
    """The boxes of a scan.

    Attributes:
        sides: Side of each box, the left one first.
        hu: Hounsfield units, shape ``(S, Z, Y, X)``, float32.
        volume_ml: Volume of the organ on each side.
        padded_share: Share of each box outside the scan.
        phase: Contrast phase that the header hints at, or an empty string.
        findings: Codes of what was noticed, sorted.
        scan_sha256: Hash of the scan's bytes.
        mask_sha256: Hash of the mask's bytes.
    """

    sides: tuple[Literal["left", "right"], ...]
    hu: NDArray[np.float32]
    volume_ml: tuple[float, ...]
    padded_share: tuple[float, ...]
    phase: str
    findings: tuple[str, ...]
    scan_sha256: str
    mask_sha256: str


def cut_sides(case: Case, plan: OrganPlan) -> SideCrops:
    """Open a scan with its mask, check values and sides of the body, and cut the boxes.

    Args:
        case: The scan; it must have a mask.
        plan: The organ and its box.

    Raises:
        VolumeError: What the readers raise; MV2236 or MV2237 where the values are no Hounsfield
            units, MV2245 where left and right are swapped, MV2240 to MV2244 where the mask does
            not fit, MV2241 where the organ is not in it, MV1729 where its side cannot be told.
    """
    if case.mask is None:
        msg = f"{case.case_id} has no mask"
        raise ValueError(msg)
    name = case.path.name
    with opened_case(case, irregular=plan.irregular) as scan:
        require_hounsfield(name, sampled_volume(scan.source))
        mask = read_organ_mask(
            case.mask,
            like=scan.source.geometry,
            names=plan.mask_names,
            region=plan.structures[0],
        )
        verdict = require_upright_sides(name, mask)
        found = find_sides(mask, plan.structures, plan.centre_on)
        crops = crop_volumes(scan.source, [r.centre_lps_mm for r in found.values()], plan.spec)
        codes = {finding.code for finding in (*scan.findings, *mask.findings)}
        if verdict.is_mirrored is None:
            codes.add("MV2245")
        return SideCrops(
            sides=tuple(found),
            hu=np.stack([crop.values for crop in crops]),
            volume_ml=tuple(region.volume_ml for region in found.values()),
            padded_share=tuple(crop.padded_share for crop in crops),
            phase=scan.found.phase,
            findings=tuple(sorted(codes)),
            scan_sha256=case_content_sha256(case),
            mask_sha256=mask_content_sha256(case.mask),
        )


def find_sides(
    mask: LabelMap, structures: tuple[str, ...], centre_on: tuple[str, ...] = ()
) -> dict[Literal["left", "right"], Region]:
    """Find where each side of a paired organ lies, its parts and lesions taken together.

    Args:
        mask: The label map; its labels name their sides (``kidney_left``), or hold both sides.
        structures: Labels that make the organ, without their side.
        centre_on: Labels that the regions are of instead; see :class:`OrganPlan`.

    Returns:
        Side -> its region, the left one first; only sides that are there.

    Raises:
        VolumeError: MV2241 if nothing is there, MV2243 if the mask knows no such label, MV1729 if
            there is one piece and nothing tells its side.
    """
    organ = _by_side(mask, structures)
    if not centre_on:
        return organ
    sided = _sided_labels(mask, centre_on)
    if sided:
        found = {
            side: replace(find_regions(mask, sided[side])[0], side=side)
            for side in _SIDES
            if side in sided and side in organ
        }
    else:
        found = _nearest_pieces(mask, centre_on, organ)
    if not found:
        raise VolumeError(
            "MV2241",
            f"no voxel of {' or '.join(centre_on)} lies in an organ of the mask",
            expected="a mask in which it was drawn",
            hint="leave out scans without it, or centre on the organ",
        )
    return found


def _by_side(mask: LabelMap, structures: tuple[str, ...]) -> dict[Literal["left", "right"], Region]:
    sided = _sided_labels(mask, structures)
    if sided:
        return {
            side: replace(find_regions(mask, sided[side])[0], side=side)
            for side in _SIDES
            if side in sided
        }
    regions = find_regions(mask, _known(mask, structures), by_side=True)
    if not all(region.side for region in regions):
        raise VolumeError(
            "MV1729",
            f"the mask holds one piece of {structures[0]}, and nothing tells its side",
            expected=f"labels that name it, such as {structures[0]}_left, or both sides",
            hint="name the labels of the mask by side, or leave the scan out",
        )
    by_name = {region.side: region for region in regions}
    return {side: by_name[side] for side in _SIDES if side in by_name}


def _sided_labels(
    mask: LabelMap, structures: tuple[str, ...]
) -> dict[Literal["left", "right"], tuple[str, ...]]:
    """Return the labels of each side that occur in the mask; nothing where none names a side."""
    present = set(mask.present())
    there = {name.lower() for number, name in mask.names.items() if number in present}
    found = {
        side: tuple(f"{name}_{side}" for name in structures if f"{name}_{side}" in there)
        for side in _SIDES
    }
    return {side: labels for side, labels in found.items() if labels}


def _known(mask: LabelMap, structures: tuple[str, ...]) -> tuple[str, ...]:
    names = {name.lower() for name in mask.names.values()}
    known = tuple(name for name in structures if name in names)
    return known or structures[:1]


def _nearest_pieces(
    mask: LabelMap, labels: tuple[str, ...], organ: dict[Literal["left", "right"], Region]
) -> dict[Literal["left", "right"], Region]:
    """Give each piece of a label without sides to the nearest organ; the largest one counts."""
    pieces, count = ndimage.label(mask.select(_known(mask, labels)))
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)
    found: dict[Literal["left", "right"], Region] = {}
    for piece in sorted(range(1, count + 1), key=lambda number: -int(sizes[number])):
        single = LabelMap((pieces == piece).astype(np.uint8), mask.geometry, {1: labels[0]})
        region = find_regions(single, 1)[0]
        distances = {
            side: float(np.linalg.norm(np.subtract(region.centre_lps_mm, other.centre_lps_mm)))
            for side, other in organ.items()
        }
        side = min(distances, key=lambda name: distances[name])
        found.setdefault(side, replace(region, side=side))
    return {side: found[side] for side in _SIDES if side in found}
