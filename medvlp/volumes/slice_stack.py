"""Sort the slices of a series along their normal and say what kind of grid they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvlp.errors import VolumeError
from medvlp.volumes.geometry import VolumeGeometry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from medvlp.volumes.dicom_slices import SliceHeader

__all__ = ["SAME_PLACE_MM", "SliceStack", "plane_axes", "stack_slices"]

SAME_PLACE_MM = 0.01
"""Slices nearer than this lie at one position, in mm."""

_UPRIGHT = 1e-3
_SPACING_MM = (1e-3, 100.0)
_GRID_SHARE, _GRID_MM = 0.05, 0.11
"""A slice may lie off the regular grid by this share of the spacing, or by this many mm.

Positions rounded to tenths lie up to 0.05 mm off, and so do the two ends of the grid.
"""

_LATERAL_PX = 0.2
"""The whole stack may lean by this share of a pixel."""


@dataclass(frozen=True, eq=False)
class SliceStack:
    """Slices in order.

    Attributes:
        headers: The slices, sorted along the normal of their plane.
        geometry: The grid they lie on; the nearest regular one where they are irregular.
        along_mm: Position of each slice along the normal, from the first, shape ``(Z,)``.
        lateral_mm: Shift of each slice in its plane against the first, along rows and columns,
            shape ``(Z, 2)`` as ``(x, y)``.
        irregularity: Why the slices are no regular grid, or None.
    """

    headers: tuple[SliceHeader, ...]
    geometry: VolumeGeometry
    along_mm: NDArray[np.float64]
    lateral_mm: NDArray[np.float64]
    irregularity: VolumeError | None


def plane_axes(header: SliceHeader) -> NDArray[np.float64]:
    """Return the unit vectors along a row, down a column and of the normal, as columns.

    Raises:
        VolumeError: MV2219 if position, orientation or spacing are absent or make no plane.
    """
    name = header.name
    if header.orientation is None or header.position_mm is None or header.pixel_spacing_mm is None:
        absent = [
            word
            for word, value in (
                ("position", header.position_mm),
                ("orientation", header.orientation),
                ("pixel spacing", header.pixel_spacing_mm),
            )
            if value is None
        ]
        raise VolumeError(
            "MV2219",
            f"{name} does not state its {' and '.join(absent)}",
            expected="where in the patient the slice lies",
        )
    row, column = np.asarray(header.orientation[:3]), np.asarray(header.orientation[3:])
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    off = (float(lengths[0]) - 1, float(lengths[1]) - 1, float(row @ column))
    if max(abs(value) for value in off) > _UPRIGHT:
        raise VolumeError(
            "MV2219",
            f"{name} has an orientation that is no pair of upright unit vectors: "
            f"lengths {lengths[0]:.4f} and {lengths[1]:.4f}, cosine {float(row @ column):.4f}",
        )
    if not all(_SPACING_MM[0] <= mm <= _SPACING_MM[1] for mm in header.pixel_spacing_mm):
        raise VolumeError("MV2219", f"{name} states a pixel spacing of {header.pixel_spacing_mm}")
    normal = np.cross(row, column)
    return np.column_stack([row / lengths[0], column / lengths[1], normal / np.linalg.norm(normal)])


def stack_slices(name: str, headers: Sequence[SliceHeader]) -> SliceStack:
    """Sort slices of one orientation along their normal and check what grid they make.

    Slices that miss, lie unevenly, or lean are told in ``irregularity``; the caller decides.

    Args:
        name: The series, for messages.
        headers: Slices of one series, in any order, at least one.

    Raises:
        VolumeError: MV2214 (one slice), MV2215 (two slices at one position), MV2219 (no geometry),
            MV2220 (slices of different size or orientation).
    """
    _check_alike(name, headers)
    axes = plane_axes(headers[0])
    positions = np.asarray([header.position_mm for header in headers], dtype=np.float64)
    along = positions @ axes[:, 2]
    order = np.argsort(along, kind="stable")
    ordered = tuple(headers[index] for index in order)
    along, positions = along[order] - along[order[0]], positions[order]
    if len(ordered) == 1:
        raise VolumeError(
            "MV2214",
            f"{name} holds one slice, {ordered[0].name}",
            expected="a volume of several slices",
            hint="give the folder of the whole series",
        )
    gaps = np.diff(along)
    _check_places(name, ordered, gaps)
    lateral = (positions - positions[0]) @ axes[:, :2]
    usual = float(np.sort(gaps)[(len(gaps) - 1) // 2])
    irregularity = _gap_fault(name, ordered, along, usual) or _lean_fault(
        name, ordered, along, lateral
    )
    count, step = len(ordered), float(along[-1] / (len(along) - 1))
    if irregularity is not None and irregularity.code != "MV2218":
        count, step = int(along[-1] / usual + 1e-6) + 1, usual
    layout, spacing = ordered[0].pixels, ordered[0].pixel_spacing_mm or (1.0, 1.0)
    origin = (float(positions[0, 0]), float(positions[0, 1]), float(positions[0, 2]))
    geometry = VolumeGeometry(
        (count, layout.rows, layout.columns), (step, spacing[0], spacing[1]), axes, origin
    )
    return SliceStack(ordered, geometry, along, lateral, irregularity)


def _check_alike(name: str, headers: Sequence[SliceHeader]) -> None:
    first = headers[0]
    plane_axes(first)
    for header in headers[1:]:
        plane_axes(header)
        size = (header.pixels.rows, header.pixels.columns)
        if size != (first.pixels.rows, first.pixels.columns):
            raise VolumeError(
                "MV2220",
                f"{name}: {header.name} has {size} pixels, {first.name} "
                f"{(first.pixels.rows, first.pixels.columns)} (rows, columns)",
                expected="slices of one size",
            )
        for what, value, other, tolerance in (
            ("pixel spacing", header.pixel_spacing_mm, first.pixel_spacing_mm, 1e-4),
            ("orientation", header.orientation, first.orientation, 1e-3),
        ):
            if not np.allclose(value or 0.0, other or 0.0, rtol=0, atol=tolerance):
                raise VolumeError(
                    "MV2220",
                    f"{name}: {header.name} has {what} {value}, {first.name} {other}",
                    expected=f"slices of one {what}",
                )


def _check_places(name: str, ordered: Sequence[SliceHeader], gaps: NDArray[np.float64]) -> None:
    same = np.flatnonzero(gaps < SAME_PLACE_MM)
    if len(same):
        at = int(same[0])
        raise VolumeError(
            "MV2215",
            f"{name}: {ordered[at].name} and {ordered[at + 1].name} lie at one position "
            f"({gaps[at]:.3f} mm apart), as do {len(same)} pairs of {len(ordered)} slices",
            expected="one slice at each position",
            hint="keep one reconstruction, phase or time point in the folder",
        )


def _gap_fault(
    name: str, ordered: Sequence[SliceHeader], along: NDArray[np.float64], usual: float
) -> VolumeError | None:
    gaps = np.diff(along)
    tolerance = max(_GRID_SHARE * usual, _GRID_MM)
    steps = np.maximum(np.rint(gaps / usual), 1)
    if len(gaps) > 1 and (np.abs(gaps - steps * usual) <= tolerance).all() and steps.max() > 1:
        at, missing = int(np.argmax(steps > 1)), int(steps.sum() - len(gaps))
        return VolumeError(
            "MV2216",
            f"{name}: {missing} {'slice is' if missing == 1 else 'slices are'} missing; first gap "
            f"{gaps[at]:.3f} mm between "
            f"{ordered[at].name} and {ordered[at + 1].name} (slices {at} and {at + 1} of "
            f"{len(ordered)}), where slices lie {usual:.3f} mm apart",
            expected="a gapless series",
            hint="fetch the missing slices, or interpolate with --irregular resample",
        )
    grid = np.linspace(0.0, along[-1], len(along))
    step = float(along[-1]) / max(len(along) - 1, 1)
    off = np.abs(along - grid)
    if off.max() > max(_GRID_SHARE * step, _GRID_MM) or gaps.max() > 1.5 * max(usual, _GRID_MM * 4):
        at = int(np.argmax(np.abs(gaps - usual)))
        return VolumeError(
            "MV2217",
            f"{name}: the spacing varies from {gaps.min():.3f} to {gaps.max():.3f} mm; between "
            f"{ordered[at].name} and {ordered[at + 1].name} (slices {at} and {at + 1} of "
            f"{len(ordered)}) it is {gaps[at]:.3f} mm, usually {usual:.3f} mm",
            expected="one spacing",
            hint="pass --irregular resample to interpolate an even spacing",
        )
    return None


def _lean_fault(
    name: str,
    ordered: Sequence[SliceHeader],
    along: NDArray[np.float64],
    lateral: NDArray[np.float64],
) -> VolumeError | None:
    spacing = ordered[0].pixel_spacing_mm or (1.0, 1.0)
    off = np.linalg.norm(lateral, axis=1)
    if off.max() <= _LATERAL_PX * min(spacing):
        return None
    at = int(np.argmax(off))
    tilt_deg = float(np.degrees(np.arctan2(off[at], along[at])))
    return VolumeError(
        "MV2218",
        f"{name}: the slices lean by {tilt_deg:.2f} degrees (gantry tilt): {ordered[at].name} "
        f"(slice {at} of {len(ordered)}) lies {off[at]:.3f} mm beside the normal of the first",
        expected="slices above one another",
        hint="pass --irregular resample to interpolate an upright grid",
    )
