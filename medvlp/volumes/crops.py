"""Cut a box of physical size out of a scan: one trilinear interpolation, no more is read.

The samples lie where MONAI's ``Orientationd`` followed by ``Spacingd`` puts them: on a grid that
starts at the first voxel of the reoriented scan and steps by the wanted spacing. A box is a range
of that grid, so that crops of one scan fit together and do not depend on the format of the file.
Only the voxels around the box are read. What lies outside the scan becomes air.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from medvlp.errors import VolumeError
from medvlp.volumes.geometry import VolumeGeometry
from medvlp.volumes.regular_grid import AIR_HU

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from medvlp.volumes.volume import VolumeSource

__all__ = ["Crop", "CropSpec", "crop_volume", "crop_volumes", "needed_box"]

_SPACING_DIGITS = 6
"""Spacings are rounded to 1e-6 mm: DICOM's decimals and NIfTI's float32 then agree."""

_JOINT_READ = 2
"""Boxes are read together where that takes at most so many times the voxels of all of them."""

_AXES = "zyx"


@dataclass(frozen=True, kw_only=True)
class CropSpec:
    """What a crop looks like, whatever the scan it is cut from."""

    box_mm: tuple[float, float, float]
    """Size along ``(z, y, x)`` of the crop, in mm."""

    spacing_mm: tuple[float, float, float]
    """Distance of samples along ``(z, y, x)``, in mm."""

    orientation: str = "LPS"
    """Sides towards which x, y and z of the crop grow; the axes stay those of the scan."""

    air_hu: float = AIR_HU
    """Value of places outside the scan."""

    anchor: Literal["scan", "centre"] = "scan"
    """``scan``: samples on the grid that starts at the first voxel, the box's centre rounded to it;
    ``centre``: samples symmetric about the exact centre."""

    def __post_init__(self) -> None:
        """Refuse sizes that hold no sample."""
        for axis, box, spacing in zip(_AXES, self.box_mm, self.spacing_mm, strict=True):
            if not (spacing > 0 and box >= spacing / 2):
                raise ValueError(
                    f"box_mm {self.box_mm} with spacing_mm {self.spacing_mm} holds no sample "
                    f"along {axis}"
                )

    @property
    def shape_zyx(self) -> tuple[int, int, int]:
        """Number of samples along ``(z, y, x)``."""
        counts = [round(b / s) for b, s in zip(self.box_mm, self.spacing_mm, strict=True)]
        return counts[0], counts[1], counts[2]


@dataclass(frozen=True, eq=False)
class Crop:
    """A box of a scan.

    Attributes:
        values: Hounsfield units, shape ``spec.shape_zyx``, float32.
        geometry: Where the samples lie.
        padded_share: Share of samples outside the scan, 0 to 1.
        padded_sides: Sides of the body where the box leaves the scan, such as ``I`` (towards the
            feet), sorted.
    """

    values: NDArray[np.float32]
    geometry: VolumeGeometry
    padded_share: float
    padded_sides: tuple[str, ...]


@dataclass(frozen=True)
class _AxisPlan:
    """Which voxels each sample along one axis lies between.

    Attributes:
        low: Lower voxel of each sample inside the scan, counted from ``first``.
        share: Share of the next voxel, 0 to 1.
        inside: First sample inside the scan and the one after the last.
        first: First voxel that is needed.
        stop: Voxel after the last that is needed.
        start_index: Fractional voxel index of the first sample of the box.
        step: Voxels per sample.
    """

    low: NDArray[np.int64]
    share: NDArray[np.float32]
    inside: tuple[int, int]
    first: int
    stop: int
    start_index: float
    step: float


def crop_volume(source: VolumeSource, centre_lps_mm: Sequence[float], spec: CropSpec) -> Crop:
    """Cut a box out of a scan.

    Args:
        source: The scan, in memory or on disk.
        centre_lps_mm: Centre of the box as ``(x, y, z)`` in LPS, in mm.
        spec: Size, spacing and orientation of the box.

    Raises:
        VolumeError: MV2250 if the box lies outside the scan altogether, else what reading raises.
    """
    return crop_volumes(source, [centre_lps_mm], spec)[0]


def crop_volumes(
    source: VolumeSource, centres_lps_mm: Sequence[Sequence[float]], spec: CropSpec
) -> list[Crop]:
    """Cut several boxes out of a scan, such as those of both kidneys.

    Boxes that lie near one another are read together, so that a compressed file is inflated once.

    Args:
        source: The scan, in memory or on disk.
        centres_lps_mm: Centre of each box as ``(x, y, z)`` in LPS, in mm.
        spec: Size, spacing and orientation of the boxes.

    Raises:
        VolumeError: See :func:`crop_volume`.
    """
    order = source.geometry.axis_order(spec.orientation)
    turned = source.geometry.reordered(order)
    boxes = [_plan_box(turned, centre, spec) for centre in centres_lps_mm]
    if not boxes:
        return []
    start, stop = _hull(boxes)
    if _voxels(start, stop) > _JOINT_READ * sum(_voxels(*_hull([plans])) for plans in boxes):
        return [crop_volume(source, centre, spec) for centre in centres_lps_mm]
    low, high = order.source_box(start, stop, source.geometry.shape_zyx)
    voxels = order.apply(np.asarray(source.read_region(low, high)))
    return [_cut(voxels, start, plans, turned, spec) for plans in boxes]


def needed_box(
    geometry: VolumeGeometry, centre_lps_mm: Sequence[float], spec: CropSpec
) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Return start and stop of the voxels that a crop is interpolated from, ``(z, y, x)`` each.

    Args:
        geometry: The grid of the scan, in the order of the file.
        centre_lps_mm: Centre of the box as ``(x, y, z)`` in LPS, in mm.
        spec: Size, spacing and orientation of the box.

    Raises:
        VolumeError: MV2250 if the box lies outside the scan altogether.
    """
    order = geometry.axis_order(spec.orientation)
    plans = _plan_box(geometry.reordered(order), centre_lps_mm, spec)
    return order.source_box(*_hull([plans]), geometry.shape_zyx)


def _plan_box(
    turned: VolumeGeometry, centre_lps_mm: Sequence[float], spec: CropSpec
) -> tuple[_AxisPlan, ...]:
    centre = turned.lps_to_index([centre_lps_mm])[0]
    plans = tuple(
        _plan_axis(
            turned.shape_zyx[axis], turned.spacing_zyx_mm[axis], float(centre[axis]), spec, axis
        )
        for axis in range(3)
    )
    if any(plan.inside[0] >= plan.inside[1] for plan in plans):
        raise VolumeError(
            "MV2250",
            f"a box of {spec.box_mm} mm around {tuple(round(v, 1) for v in centre_lps_mm)} (LPS) "
            "lies outside the scan",
            expected="a centre inside the scan",
            hint="check that the mask and the scan belong together",
        )
    return plans


def _hull(
    boxes: Sequence[Sequence[_AxisPlan]],
) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Return start and stop of the voxels that all boxes need together."""
    z, y, x = (
        (min(p.first for p in along), max(p.stop for p in along))
        for along in zip(*boxes, strict=True)
    )
    return (z[0], y[0], x[0]), (z[1], y[1], x[1])


def _voxels(start: tuple[int, int, int], stop: tuple[int, int, int]) -> int:
    return math.prod(high - low for low, high in zip(start, stop, strict=True))


def _cut(
    voxels: NDArray[np.generic],
    start: tuple[int, int, int],
    plans: Sequence[_AxisPlan],
    turned: VolumeGeometry,
    spec: CropSpec,
) -> Crop:
    """Interpolate one box from voxels that begin at ``start`` of the turned scan."""
    own = voxels[
        tuple(slice(p.first - at, p.stop - at) for p, at in zip(plans, start, strict=True))
    ]
    values = np.full(spec.shape_zyx, spec.air_hu, dtype=np.float32)
    _interpolate(own, plans, values[tuple(slice(*plan.inside) for plan in plans)])
    covered = float(np.prod([plan.inside[1] - plan.inside[0] for plan in plans]))
    return Crop(
        values,
        _crop_geometry(turned, plans, spec),
        1.0 - covered / values.size,
        _padded_sides(plans, spec),
    )


def _plan_axis(
    voxels: int, spacing_mm: float, centre_index: float, spec: CropSpec, axis: int
) -> _AxisPlan:
    samples = spec.shape_zyx[axis]
    step = spec.spacing_mm[axis] / round(spacing_mm, _SPACING_DIGITS)
    if spec.anchor == "scan":
        # As Spacingd: samples at 0, step, 2 step, ...; the last may lie just past the last voxel.
        first_sample = round(centre_index / step) - samples // 2
        reach = round((voxels - 1) / step + 1.0)
        inside = (min(max(-first_sample, 0), samples), max(min(reach - first_sample, samples), 0))
        index = (np.arange(*inside, dtype=np.float64) + first_sample) * step
        start_index = first_sample * step
    else:
        start_index = centre_index - (samples - 1) / 2 * step
        every = np.arange(samples, dtype=np.float64) * step + start_index
        held = np.flatnonzero((every >= -0.5) & (every <= voxels - 0.5))
        inside = (int(held[0]), int(held[-1]) + 1) if len(held) else (0, 0)
        index = every[inside[0] : inside[1]]
    index = np.minimum(np.maximum(index, 0.0), float(voxels - 1))
    low = np.minimum(np.floor(index).astype(np.int64), max(voxels - 2, 0))
    share = (index - low).astype(np.float32)
    first, stop = (int(low[0]), min(int(low[-1]) + 2, voxels)) if len(low) else (0, 0)
    return _AxisPlan(low - first, share, inside, first, stop, start_index, step)


def _interpolate(
    voxels: NDArray[np.generic], plans: Sequence[_AxisPlan], out: NDArray[np.float32]
) -> None:
    """Interpolate linearly along z, y and x in turn, one plane of the crop at a time.

    Interpolating along the axes in turn is the trilinear interpolation; the order does not matter
    but for rounding.
    """
    z_plan, y_plan, x_plan = plans
    y_share, x_share = y_plan.share[:, None], x_plan.share
    y_next, x_next = _next(y_plan.low, voxels.shape[1]), _next(x_plan.low, voxels.shape[2])
    z_next = _next(z_plan.low, voxels.shape[0])
    for z, (low, high, share) in enumerate(zip(z_plan.low, z_next, z_plan.share, strict=True)):
        plane = voxels[low].astype(np.float32)
        if share > 0:
            plane += (voxels[high].astype(np.float32) - plane) * share
        lower = plane[y_plan.low]
        rows = lower + (plane[y_next] - lower) * y_share
        left = rows[:, x_plan.low]
        out[z] = left + (rows[:, x_next] - left) * x_share


def _next(low: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    return np.minimum(low + 1, size - 1)


def _crop_geometry(
    turned: VolumeGeometry, plans: Sequence[_AxisPlan], spec: CropSpec
) -> VolumeGeometry:
    x_mm, y_mm, z_mm = turned.index_to_lps([[plan.start_index for plan in plans]])[0]
    return VolumeGeometry(
        spec.shape_zyx, spec.spacing_mm, turned.direction, (float(x_mm), float(y_mm), float(z_mm))
    )


def _padded_sides(plans: Sequence[_AxisPlan], spec: CropSpec) -> tuple[str, ...]:
    opposite = dict(zip("LRAPIS", "RLPASI", strict=True))
    sides = []
    for axis, plan in enumerate(plans):
        letter = spec.orientation[2 - axis]
        if plan.inside[0] > 0:
            sides.append(opposite[letter])
        if plan.inside[1] < spec.shape_zyx[axis]:
            sides.append(letter)
    return tuple(sorted(sides))
