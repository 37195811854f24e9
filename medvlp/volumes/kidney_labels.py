"""Kidneys, tumours and cysts of a label map: found, cut out, turned upright, told left from right.

Sides of kidneys come from the names of their labels, or from where both lie: the plane half way
between them parts the body. A kidney alone says nothing about its side. Either way they are those
that the header states: a mask of kidneys alone cannot show that it is mirrored.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import ndimage

from medvlp.errors import VolumeError
from medvlp.volumes.geometry import VolumeGeometry
from medvlp.volumes.laterality import require_upright_sides

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from medvlp.volumes.masks import Label, LabelMap

__all__ = [
    "CYST",
    "KIDNEYS",
    "TUMOUR",
    "Box",
    "KidneyLabels",
    "KidneyScene",
    "SideEvidence",
    "box_geometry",
    "find_scene",
]

Box = tuple[slice, slice, slice]
"""Part of an array ``(z, y, x)``."""

SideEvidence = Literal["names", "both kidneys", "none"]
"""What the sides rest on: names of labels, or that two kidneys lie far apart."""

TUMOUR, CYST = 1, 2
KIDNEYS: dict[int, Literal["right", "left", ""]] = {3: "right", 4: "left", 5: ""}
"""Class of voxels of a kidney -> its side."""

_UNKNOWN_SIDE = 5
_LEAST_KIDNEY_ML = 15.0
_LEAST_PIECE_ML = 1.0
"""Smaller pieces of a kidney's label are taken for slips of the pen."""

_LEAST_APART_MM = 50.0
_TOUCHING = np.ones((3, 3, 3), dtype=np.bool_)


@dataclass(frozen=True)
class KidneyLabels:
    """Which labels of a mask are kidneys, tumours and cysts.

    Attributes:
        kidney: Label of the kidneys' parenchyma, or the name of a pair without its side.
        tumour: Label of the tumours.
        cyst: Label of the cysts; None where they have none.
    """

    kidney: Label = "kidney"
    tumour: Label = "tumor"
    cyst: Label | None = "cyst"


@dataclass(frozen=True, eq=False)
class KidneyScene:
    """The part of a mask that holds kidneys and lesions, its axes running as L, P and S.

    Attributes:
        classes: ``TUMOUR``, ``CYST``, a key of ``KIDNEYS`` or 0, shape ``(Z, Y, X)``, uint8.
        geometry: Where its voxels lie.
        evidence: What the sides of the kidneys rest on.
        scan_ends: For each axis whether the scan ends where the part starts, and where it stops.
    """

    classes: NDArray[np.uint8]
    geometry: VolumeGeometry
    evidence: SideEvidence
    scan_ends: tuple[tuple[bool, bool], ...]

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel."""
        return float(abs(np.linalg.det(self.geometry.affine_lps[:3, :3]))) / 1000.0


def find_scene(mask: LabelMap, labels: KidneyLabels) -> KidneyScene:
    """Cut kidneys and lesions out of a mask and say which kidney is which.

    Args:
        mask: The label map.
        labels: Which labels to look for.

    Raises:
        VolumeError: MV2241 if no voxel is a kidney's, MV2243 if a name is not known, MV2245 if
            other labelled organs show that the mask is mirrored, MV2330 if one label is two
            structures, MV2331 if all that is labelled is too small for a kidney.
    """
    table = _class_of_label(mask, labels)
    box = _box(mask.labels, table)
    found = None if box is None else table[mask.labels[box]]
    if box is None or found is None or not (found >= min(KIDNEYS)).any():
        raise VolumeError(
            "MV2241",
            f"label {labels.kidney!r} has no voxel; the mask holds {mask.present()[:20]}",
            expected="a mask in which the kidneys were drawn",
        )
    require_upright_sides("the mask", mask)
    order = mask.geometry.axis_order("LPS")
    classes = np.ascontiguousarray(order.apply(found))
    geometry = box_geometry(mask.geometry, box).reordered(order)
    ends = [(box[k].start == 0, box[k].stop == mask.labels.shape[k]) for k in order.axes]
    ends = [(e[1], e[0]) if flip else e for e, flip in zip(ends, order.flips, strict=True)]
    named = bool(np.isin(table, (3, 4)).any())
    scene = KidneyScene(classes, geometry, "names" if named else "none", tuple(ends))
    return _with_sides(scene)


def box_geometry(geometry: VolumeGeometry, box: Box) -> VolumeGeometry:
    """Return where the voxels of a box of an array lie.

    Args:
        geometry: Where those of the array lie.
        box: Slices with start and stop along ``(z, y, x)``.
    """
    z, y, x = (part.stop - part.start for part in box)
    start = geometry.index_to_lps([[part.start for part in box]])[0].tolist()
    return VolumeGeometry(
        (z, y, x),
        geometry.spacing_zyx_mm,
        geometry.direction,
        (start[0], start[1], start[2]),
    )


def _class_of_label(mask: LabelMap, labels: KidneyLabels) -> NDArray[np.uint8]:
    """Return the class of each number that the mask's type can hold."""
    table = np.zeros(np.iinfo(mask.labels.dtype).max + 1, dtype=np.uint8)
    wanted = [(labels.tumour, TUMOUR), (labels.kidney, _UNKNOWN_SIDE)]
    wanted += [] if labels.cyst is None else [(labels.cyst, CYST)]
    for label, number_of_class in wanted:
        for number in mask.numbers_of(label):
            if not 0 < number < len(table):
                continue
            if table[number]:
                raise VolumeError(
                    "MV2330",
                    f"label {number} was given for two structures: {labels}",
                    expected="one label for each of kidney, tumour and cyst",
                )
            table[number] = number_of_class
            for place, side in KIDNEYS.items():
                name = mask.names.get(number, "").lower()
                if number_of_class == _UNKNOWN_SIDE and side and name.endswith(f"_{side}"):
                    table[number] = place
    return table


def _box(labels: NDArray[np.uint8] | NDArray[np.uint16], table: NDArray[np.uint8]) -> Box | None:
    """Return the bounding box of all that has a class; plane by plane, to save memory."""
    has_class = table > 0
    seen_z = np.zeros(labels.shape[0], dtype=np.bool_)
    seen_yx = np.zeros(labels.shape[1:], dtype=np.bool_)
    for z, plane in enumerate(labels):
        here = has_class[plane]
        seen_z[z] = here.any()
        if seen_z[z]:
            seen_yx |= here
    if not seen_z.any():
        return None
    return _span(seen_z), _span(np.any(seen_yx, axis=1)), _span(np.any(seen_yx, axis=0))


def _span(seen: NDArray[np.bool_]) -> slice:
    """Return the slice from the first true value to the last."""
    places = np.flatnonzero(seen)
    return slice(int(places[0]), int(places[-1]) + 1)


def _with_sides(scene: KidneyScene) -> KidneyScene:
    """Drop specks of kidneys, and give those without a side theirs where two lie far apart."""
    classes, evidence = scene.classes.copy(), scene.evidence
    is_large = False
    for place in KIDNEYS:
        pieces, ml, left_mm = _pieces(scene, classes == place)
        is_large = is_large or float(ml.sum()) >= _LEAST_KIDNEY_ML
        new = np.full(len(ml) + 1, place, dtype=np.uint8)
        new[0] = 0
        if place == _UNKNOWN_SIDE and len(ml):
            midline = _midline_mm(ml, left_mm)
            if midline is None:
                _, whole_ml, whole_left_mm = _pieces(scene, classes > 0)
                midline = _midline_mm(whole_ml, whole_left_mm)
            if midline is not None:
                evidence = "both kidneys"
                new[1:] = np.where(left_mm > midline, 4, 3)
        new[1:][ml < _LEAST_PIECE_ML] = 0
        chosen = pieces > 0
        classes[chosen] = new[pieces[chosen]]
    if not is_large:
        raise VolumeError(
            "MV2331",
            f"all that is labelled as kidney measures less than {_LEAST_KIDNEY_ML:g} ml",
            expected="a mask with at least one kidney",
            hint="check the labels: the mask may follow another scheme",
        )
    return replace(scene, classes=classes, evidence=evidence)


def _pieces(
    scene: KidneyScene, chosen: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]:
    """Return the connected pieces, their volumes in ml, and how far left their centres lie."""
    pieces, count = ndimage.label(chosen, structure=_TOUCHING)
    places = np.argwhere(pieces)
    owner = pieces[tuple(places.T)]
    sizes = np.bincount(owner, minlength=count + 1)[1:].astype(np.float64)
    left = scene.geometry.index_to_lps(places)[:, 0] if len(places) else np.zeros(0)
    sums = np.bincount(owner, weights=left, minlength=count + 1)[1:]
    return pieces, sizes * scene.voxel_ml, sums / np.maximum(sizes, 1)


def _midline_mm(ml: NDArray[np.float64], left_mm: NDArray[np.float64]) -> float | None:
    """Return where the plane between two kidneys lies, or None where there are no two."""
    large = left_mm[ml >= _LEAST_KIDNEY_ML]
    if len(large) < 2 or float(np.ptp(large)) < _LEAST_APART_MM:
        return None
    return float(large.min() + large.max()) / 2
