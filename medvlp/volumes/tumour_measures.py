"""Measure tumours of the kidney in a label map: size, side, polar location, exophytic share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from scipy.spatial import KDTree

from medvlp.volumes.diameters import (
    axial_diameter_mm,
    border_points_mm,
    extents_mm,
    largest_distance_mm,
)
from medvlp.volumes.kidney_contour import fit_contour
from medvlp.volumes.kidney_labels import (
    CYST,
    KIDNEYS,
    TUMOUR,
    KidneyLabels,
    box_geometry,
    find_scene,
)
from medvlp.volumes.renal_classes import growth_of, location_of, points_of
from medvlp.volumes.tumour_records import Kidney, KidneyTumours, TumourMeasures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from medvlp.volumes.kidney_labels import Box, KidneyScene
    from medvlp.volumes.masks import LabelMap

__all__ = ["measure_tumours"]

_TOUCHING = np.ones((3, 3, 3), dtype=np.bool_)
_NEAR_MM = 20.0
"""A tumour further from any kidney than this belongs to none."""

_STEEPEST = 0.5
"""Least share of the long axis along the body's; a kidney lying across is measured head to foot."""

_MOST_POINTS = 20_000
_ENDS = (("I", "S"), ("A", "P"), ("R", "L"))


def measure_tumours(
    mask: LabelMap, labels: KidneyLabels | None = None, *, least_ml: float = 0.1
) -> KidneyTumours:
    """Measure every tumour of the kidneys that a mask labels.

    Diameters are exact in mm on any grid; see :mod:`medvlp.volumes.diameters`. A tumour belongs to
    the kidney that it touches most, else to the nearest within 20 mm. Polar locations are thirds of
    the kidney's length along the principal axis of its parenchyma. Sides are those of the header;
    a mask that labels other organs as well is refused where these show that it is mirrored.

    Args:
        mask: The label map, in any orientation.
        labels: Which labels to measure; None for those of the KiTS challenges.
        least_ml: Volume below which a piece of the tumour's label is a speck.

    Raises:
        VolumeError: MV2241 (no kidney), MV2243 (unknown name), MV2245 (mirrored), MV2330 (one label
            for two structures), MV2331 (no kidney is large enough).
    """
    scene = find_scene(mask, labels or KidneyLabels())
    pieces, count = ndimage.label(scene.classes == TUMOUR, structure=_TOUCHING)
    boxes = ndimage.find_objects(pieces, max_label=count)
    ml = np.bincount(pieces[pieces > 0], minlength=count + 1)[1:] * scene.voxel_ml
    borders = _borders(scene)
    kidneys = {place: _kidney(scene, place, borders) for place in KIDNEYS if place in borders}
    order = [int(piece) for piece in np.argsort(-ml, kind="stable") if ml[piece] >= least_ml]
    tumours = [
        _tumour(scene, pieces[boxes[piece]] == piece + 1, boxes[piece], kidneys, borders)
        for piece in order
    ]
    return KidneyTumours(
        kidneys=tuple(kidneys.values()),
        tumours=tuple(tumours),
        evidence=scene.evidence,
        num_specks=count - len(order),
    )


def _borders(scene: KidneyScene) -> dict[int, NDArray[np.float64]]:
    """Return the border points of each class that occurs."""
    boxes = ndimage.find_objects(scene.classes, max_label=max(KIDNEYS))
    return {
        place: border_points_mm(scene.classes[box] == place, box_geometry(scene.geometry, box))
        for place, box in enumerate(boxes, start=1)
        if box is not None
    }


def _kidney(scene: KidneyScene, place: int, borders: Mapping[int, NDArray[np.float64]]) -> Kidney:
    points = scene.geometry.index_to_lps(np.argwhere(scene.classes == place))
    centre = points.mean(axis=0)
    upward = np.linalg.eigh(np.cov((points - centre).T))[1][:, 2]
    upward *= np.copysign(1.0, upward[2])
    if upward[2] < _STEEPEST:
        upward = np.asarray((0.0, 0.0, 1.0))
    along = borders[place] @ upward
    lesions = [borders[lesion] for lesion in (TUMOUR, CYST) if lesion in borders]
    return Kidney(
        side=KIDNEYS[place],
        volume_ml=len(points) * scene.voxel_ml,
        centre_lps_mm=_triple(centre),
        upward_lps=_triple(upward),
        ends_mm=(float(along.min()), float(along.max())),
        contour=fit_contour(borders[place], np.concatenate([np.zeros((0, 3)), *lesions])),
    )


def _tumour(
    scene: KidneyScene,
    chosen: NDArray[np.bool_],
    box: Box,
    kidneys: Mapping[int, Kidney],
    borders: Mapping[int, NDArray[np.float64]],
) -> TumourMeasures:
    """Measure one tumour, chosen within a box of the scene."""
    geometry = box_geometry(scene.geometry, box)
    border = border_points_mm(chosen, geometry)
    points = geometry.index_to_lps(np.argwhere(chosen))
    centre = points.mean(axis=0)
    axial_mm, _ = axial_diameter_mm(chosen, geometry)
    place, gap_mm = _own_kidney(scene, chosen, box, border, borders)
    share = thirds = reach = None
    if place is not None:
        kidney = kidneys[place]
        share = float(kidney.contour.is_outside(points[:: len(points) // _MOST_POINTS + 1]).mean())
        places = _along(kidney, points)
        middle = float(_along(kidney, centre[None])[0])
        upper, lower = float((places > 2 / 3).mean()), float((places < 1 / 3).mean())
        thirds = (upper, 1.0 - upper - lower, lower)
        ends = _along(kidney, border)
        reach = (float(ends.min()), float(ends.max()))
    return TumourMeasures(
        side="" if place is None else KIDNEYS[place],
        axial_diameter_mm=axial_mm,
        largest_diameter_mm=largest_distance_mm(border),
        extent_lps_mm=extents_mm(border),
        volume_ml=len(points) * scene.voxel_ml,
        centre_lps_mm=_triple(centre),
        gap_mm=gap_mm,
        exophytic_share=share,
        growth=None if share is None else growth_of(share),
        polar_location=None if thirds is None else location_of(middle),
        thirds=thirds,
        renal=points_of(axial_mm, share, thirds, reach),
        cut_sides=_cut_sides(scene, box),
    )


def _own_kidney(
    scene: KidneyScene,
    chosen: NDArray[np.bool_],
    box: Box,
    border: NDArray[np.float64],
    borders: Mapping[int, NDArray[np.float64]],
) -> tuple[int | None, float | None]:
    """Return the class of the kidney that a tumour belongs to, and its distance in mm."""
    wide = tuple(
        slice(max(part.start - 1, 0), min(part.stop + 1, size))
        for part, size in zip(box, scene.classes.shape, strict=True)
    )
    room = [
        (part.start - out.start, out.stop - part.stop) for part, out in zip(box, wide, strict=True)
    ]
    around = ndimage.binary_dilation(np.pad(chosen, room), structure=_TOUCHING)
    touched = np.bincount(scene.classes[wide][around], minlength=max(KIDNEYS) + 1)
    best = max(KIDNEYS, key=lambda place: int(touched[place]))
    if touched[best]:
        return best, 0.0
    tree = KDTree(border)
    gaps = {
        place: float(tree.query(borders[place], distance_upper_bound=_NEAR_MM)[0].min())
        for place in KIDNEYS
        if place in borders
    }
    best = min(gaps, key=lambda place: gaps[place])
    return (best, gaps[best]) if np.isfinite(gaps[best]) else (None, None)


def _along(kidney: Kidney, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return places of points ``(N, 3)`` along a kidney: 0 lower end, 1 upper end."""
    along = points @ np.asarray(kidney.upward_lps)
    return np.asarray((along - kidney.ends_mm[0]) / kidney.length_mm)


def _cut_sides(scene: KidneyScene, box: Box) -> tuple[str, ...]:
    """Return the sides of the body where a box touches an end of the scan."""
    return tuple(
        letters[at_stop]
        for part, size, ends, letters in zip(
            box, scene.classes.shape, scene.scan_ends, _ENDS, strict=True
        )
        for at_stop, touches in enumerate((part.start == 0, part.stop == size))
        if touches and ends[at_stop]
    )


def _triple(values: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = values.tolist()
    return x, y, z
