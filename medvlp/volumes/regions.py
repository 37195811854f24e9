"""Find where a labelled organ lies, and cut its box out of the scan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import ndimage

from medvlp.errors import VolumeError
from medvlp.volumes.crops import crop_volumes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medvlp.volumes.crops import Crop, CropSpec
    from medvlp.volumes.geometry import VolumeGeometry
    from medvlp.volumes.masks import Label, LabelMap
    from medvlp.volumes.volume import VolumeSource

__all__ = ["Region", "crop_regions", "find_regions"]

Side = Literal["", "left", "right"]

_LEAST_SIDE_ML = 15.0
"""Smaller pieces of a label without sides are not taken for an organ of their own."""

_OPPOSITE = dict(zip("LRAPIS", "RLPASI", strict=True))


@dataclass(frozen=True)
class Region:
    """An organ, or one side of a pair.

    Attributes:
        name: What was asked for, with ``_left`` or ``_right`` where it is one side.
        side: Side of the patient, or an empty string.
        centre_lps_mm: Middle of its bounding box as ``(x, y, z)`` in LPS, in mm.
        extent_mm: Size of its bounding box along ``(z, y, x)`` of the mask, in mm.
        volume_ml: Its volume.
        cut_sides: Sides of the body where it touches the edge of the scan, such as ``I``; the
            field of view has probably cut it there.
    """

    name: str
    side: Side
    centre_lps_mm: tuple[float, float, float]
    extent_mm: tuple[float, float, float]
    volume_ml: float
    cut_sides: tuple[str, ...]


def find_regions(mask: LabelMap, label: Label, *, by_side: bool = False) -> list[Region]:
    """Find the organs of a label.

    Args:
        mask: The label map.
        label: A number, a name, the name of a pair without its side (``kidney``), or several of
            these that make one structure (``("kidney", "tumor")``).
        by_side: Part a label that holds both sides into two regions, by its largest pieces. Pieces
            above or before one another are one side in parts and stay together, without a side;
            a label whose name has a side is never parted.

    Returns:
        One region; one per side where the label is a pair or is parted, the right one first.

    Raises:
        VolumeError: MV2241 if no voxel has the label, MV2243 if its name is not known.
    """
    numbers = [number for number in mask.numbers_of(label) if (mask.labels == number).any()]
    own_names = [mask.names.get(number, "") for number in numbers]
    if isinstance(label, tuple):
        chosen, name = mask.select(label), str(label[0])
        return _parted(mask, chosen, name) if by_side else [_region(mask, chosen, name, "")]
    if len(numbers) > 1:
        regions = [
            _region(mask, mask.labels == number, name, _named_side(name))
            for number, name in zip(numbers, own_names, strict=True)
        ]
    elif by_side and not any(_named_side(name) for name in own_names):
        regions = _parted(mask, mask.select(label), str(label))
    else:
        chosen = mask.select(label)
        name = mask.names.get(numbers[0], str(label))
        regions = [_region(mask, chosen, name, _named_side(name))]
    return sorted(regions, key=lambda region: region.centre_lps_mm[0])


def crop_regions(
    source: VolumeSource, mask: LabelMap, label: Label, spec: CropSpec, *, by_side: bool = False
) -> list[tuple[Region, Crop]]:
    """Cut the box of each organ of a label out of a scan.

    Args:
        source: The scan.
        mask: A label map on the scan's grid.
        label: See :func:`find_regions`.
        spec: The box.
        by_side: See :func:`find_regions`.

    Raises:
        VolumeError: MV2240 if the mask has another grid, MV2241, MV2243, or what reading raises.
    """
    difference = source.geometry.difference(
        mask.geometry, tolerance_mm=0.25 * min(source.geometry.spacing_zyx_mm)
    )
    if difference:
        raise VolumeError(
            "MV2240",
            f"the mask has another grid than the scan: {difference}",
            expected="a mask read with like=scan.geometry",
        )
    regions = find_regions(mask, label, by_side=by_side)
    crops = crop_volumes(source, [region.centre_lps_mm for region in regions], spec)
    return list(zip(regions, crops, strict=True))


def _named_side(name: str) -> Side:
    if name.endswith("_left"):
        return "left"
    return "right" if name.endswith("_right") else ""


def _region(mask: LabelMap, chosen: NDArray[np.bool_], name: str, side: Side) -> Region:
    box = ndimage.find_objects(chosen.astype(np.uint8))[0]
    geometry = mask.geometry
    ends = np.asarray([(part.start, part.stop - 1) for part in box], dtype=np.float64)
    x_mm, y_mm, z_mm = geometry.index_to_lps([ends.mean(axis=1)])[0]
    sizes = (ends[:, 1] - ends[:, 0] + 1) * np.asarray(geometry.spacing_zyx_mm)
    return Region(
        name,
        side,
        (float(x_mm), float(y_mm), float(z_mm)),
        (float(sizes[0]), float(sizes[1]), float(sizes[2])),
        float(chosen.sum()) * float(np.prod(geometry.spacing_zyx_mm)) / 1000.0,
        _cut_sides(mask, box),
    )


def _cut_sides(mask: LabelMap, box: tuple[slice, slice, slice]) -> tuple[str, ...]:
    """Return the sides of the body where a bounding box touches the edge of the volume."""
    sides = []
    for axis, part in enumerate(box):
        letter = mask.geometry.axis_codes[2 - axis]
        if part.start == 0:
            sides.append(_OPPOSITE[letter])
        if part.stop == mask.labels.shape[axis]:
            sides.append(letter)
    return tuple(sorted(sides))


def _parted(mask: LabelMap, chosen: NDArray[np.bool_], name: str) -> list[Region]:
    """Part a label into its two largest pieces; the one further to the left is the left one."""
    pieces, count = ndimage.label(chosen)
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    voxel_ml = float(np.prod(mask.geometry.spacing_zyx_mm)) / 1000.0
    order = np.argsort(sizes)[::-1][:2]
    large = [int(piece) + 1 for piece in order if sizes[piece] * voxel_ml >= _LEAST_SIDE_ML]
    if len(large) < 2 or _overlap_across(mask.geometry, *(pieces == piece for piece in large)):
        return [_region(mask, chosen, name, "")]
    regions = [_region(mask, pieces == piece, name, "") for piece in large]
    regions.sort(key=lambda region: region.centre_lps_mm[0])
    sides: tuple[Side, Side] = ("right", "left")
    return [
        Region(
            f"{name}_{side}",
            side,
            region.centre_lps_mm,
            region.extent_mm,
            region.volume_ml,
            region.cut_sides,
        )
        for side, region in zip(sides, regions, strict=True)
    ]


def _overlap_across(
    geometry: VolumeGeometry, one: NDArray[np.bool_], other: NDArray[np.bool_]
) -> bool:
    """Say whether two pieces lie beside no midline: their reaches from right to left overlap."""
    (low, high), (other_low, other_high) = (
        (x_mm.min(), x_mm.max())
        for x_mm in (geometry.index_to_lps(np.argwhere(piece))[:, 0] for piece in (one, other))
    )
    return bool(low <= other_high and other_low <= high)
