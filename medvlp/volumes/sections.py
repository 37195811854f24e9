"""Axial, coronal and sagittal sections of a scan around a place, laid out as radiologists look.

The patient's right is on the left of axial and coronal sections, the front at the top of axial and
on the left of sagittal ones, the head at the top of coronal and sagittal ones. No value is
interpolated: a section is one plane of voxels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from medvlp.volumes.geometry import VolumeGeometry
    from medvlp.volumes.volume import Volume

__all__ = ["Plane", "Section", "cut_sections"]

Plane = Literal["axial", "coronal", "sagittal"]

_ORIENTATION = "LPS"
_PLANES: tuple[Plane, ...] = ("axial", "coronal", "sagittal")
_SIDES: dict[Plane, tuple[str, str, str, str]] = {
    "axial": ("R", "L", "A", "P"),
    "coronal": ("R", "L", "S", "I"),
    "sagittal": ("A", "P", "S", "I"),
}


@dataclass(frozen=True, eq=False)
class Section:
    """One plane of voxels.

    Attributes:
        plane: Which plane it is.
        hu: Hounsfield units, shape ``(rows, cols)``, float32; NaN outside of the scan.
        mm_per_px: Distance of rows and distance of columns, in mm.
        sides: Sides of the body at the left, right, top and bottom edge.
        box_px: Edges of the box as ``(top, left, bottom, right)``; pixel i reaches from i to i + 1.
        organ: Where the organ is, shape ``(rows, cols)``; None without a mask.
    """

    plane: Plane
    hu: NDArray[np.float32]
    mm_per_px: tuple[float, float]
    sides: tuple[str, str, str, str]
    box_px: tuple[float, float, float, float]
    organ: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class _Span:
    """Voxels along one axis: those to show, the one to cut at, and the ends of the box."""

    first: int
    stop: int
    cut: int
    low: float
    high: float


def cut_sections(
    volume: Volume,
    box: VolumeGeometry,
    *,
    organ: NDArray[np.bool_] | None = None,
    surroundings_mm: float = 500.0,
) -> tuple[Section, Section, Section]:
    """Cut the three planes through the middle of a box.

    Args:
        volume: The scan, axes in any order; oblique axes stay what they are and are named after the
            nearest axis of the body.
        box: Samples of the box; its axes are those of the scan, in any order.
        organ: Where an organ is, on the grid of the scan, shape ``(Z, Y, X)``.
        surroundings_mm: How much is shown along each axis where the scan has it; the whole box
            is shown, also where it leaves the scan.

    Returns:
        The axial, the coronal and the sagittal section.
    """
    order = volume.geometry.axis_order(_ORIENTATION)
    geometry = volume.geometry.reordered(order)
    values = order.apply(np.asarray(volume.hu))
    labels = None if organ is None else order.apply(organ)
    spans = _spans(geometry, box, surroundings_mm)
    found = [_section(axis, values, labels, spans, geometry.spacing_zyx_mm) for axis in range(3)]
    return found[0], found[1], found[2]


def _spans(geometry: VolumeGeometry, box: VolumeGeometry, surroundings_mm: float) -> list[_Span]:
    turned = box.reordered(box.axis_order(_ORIENTATION))
    ends = geometry.lps_to_index(
        turned.index_to_lps([(0, 0, 0), tuple(size - 1 for size in turned.shape_zyx)])
    )
    spans = []
    for axis, (size, spacing) in enumerate(
        zip(geometry.shape_zyx, geometry.spacing_zyx_mm, strict=True)
    ):
        half_sample = turned.spacing_zyx_mm[axis] / spacing / 2
        low, high = float(ends[0, axis]) - half_sample, float(ends[1, axis]) + half_sample
        middle = (low + high) / 2
        reach = surroundings_mm / spacing / 2
        first = min(max(middle - reach, -0.5), low)
        last = max(min(middle + reach, size - 0.5), high)
        spans.append(
            _Span(
                first=math.floor(first + 0.5),
                stop=math.ceil(last + 0.5),
                cut=min(max(round(middle), 0), size - 1),
                low=low,
                high=high,
            )
        )
    return spans


def _section(
    across: int,
    values: NDArray[np.generic],
    labels: NDArray[np.bool_] | None,
    spans: Sequence[_Span],
    spacing_zyx_mm: Sequence[float],
) -> Section:
    """Cut one plane; z runs up in the picture, y down or to the right, x to the right."""
    rows, cols = (axis for axis in range(3) if axis != across)
    is_upside_down = rows == 0
    row, col = spans[rows], spans[cols]
    shown = _window(np.take(values, spans[across].cut, axis=across), row, col, np.nan)
    organ = None
    if labels is not None:
        cut = np.take(labels, spans[across].cut, axis=across)
        organ = _window(cut, row, col, 0.0) > 0
    top, bottom = row.low + 0.5 - row.first, row.high + 0.5 - row.first
    if is_upside_down:
        shown = shown[::-1]
        organ = None if organ is None else organ[::-1]
        top, bottom = len(shown) - bottom, len(shown) - top
    plane = _PLANES[across]
    return Section(
        plane=plane,
        hu=np.ascontiguousarray(shown),
        mm_per_px=(spacing_zyx_mm[rows], spacing_zyx_mm[cols]),
        sides=_SIDES[plane],
        box_px=(top, col.low + 0.5 - col.first, bottom, col.high + 0.5 - col.first),
        organ=None if organ is None else np.ascontiguousarray(organ),
    )


def _window(
    cut: NDArray[np.generic], row: _Span, col: _Span, outside: float
) -> NDArray[np.float32]:
    """Return a part of a plane that may reach beyond it."""
    shown = np.full((row.stop - row.first, col.stop - col.first), outside, dtype=np.float32)
    top, left = max(row.first, 0), max(col.first, 0)
    bottom, right = min(row.stop, cut.shape[0]), min(col.stop, cut.shape[1])
    shown[top - row.first : bottom - row.first, left - col.first : right - col.first] = cut[
        top:bottom, left:right
    ]
    return shown
