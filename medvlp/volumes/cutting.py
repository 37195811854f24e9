"""Cut the planned boxes of a scan, a few at a time; meant for a worker process.

The boxes of an organ are read together. Windows are cut slab by slab in the order in which the
file holds them, so that memory depends on the size of a window and not on the length of the scan.

Letters: b boxes of a batch, Z Y X box.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvlp.volumes.case_scan import opened_case
from medvlp.volumes.crops import crop_volume, crop_volumes, needed_box
from medvlp.volumes.held_planes import held_planes
from medvlp.volumes.units import crop_spec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from medvlp.types import Case, VolumePreprocessing
    from medvlp.volumes.crops import Crop, CropSpec
    from medvlp.volumes.dicom_reader import IrregularChoice
    from medvlp.volumes.units import ScanUnit
    from medvlp.volumes.volume import VolumeSource

__all__ = ["UnitBatch", "cut_units", "is_air"]

_TISSUE_HU = -500.0
_LEAST_SHARE = 1e-3


@dataclass(frozen=True, eq=False)
class UnitBatch:
    """Some boxes of a scan.

    Attributes:
        index: Which of the planned units these are, ``(b,)``, int64.
        hu: Hounsfield units, shape ``(b, Z, Y, X)``, float32.
        coords_mm: Centres of the boxes as cut, ``(z, y, x)`` in LPS, in mm, ``(b, 3)``, float64.
        padded_share: Share of each box outside the scan, ``(b,)``, float32.
        padded_sides: Sides of the body where each box leaves the scan, such as ``IR``.
    """

    index: NDArray[np.int64]
    hu: NDArray[np.float32]
    coords_mm: NDArray[np.float64]
    padded_share: NDArray[np.float32]
    padded_sides: tuple[str, ...]


def cut_units(
    case: Case,
    units: Sequence[ScanUnit],
    preprocessing: VolumePreprocessing,
    irregular: IrregularChoice,
    batch_size: int,
) -> Iterator[UnitBatch]:
    """Yield the boxes of a scan, each once; windows that hold only air are left out.

    Args:
        case: The scan.
        units: The boxes.
        preprocessing: How the encoder wants scans.
        irregular: What to do with missing, uneven or leaning slices.
        batch_size: Most boxes at a time.

    Yields:
        Batches of at least one box. Those of an organ come in their order; windows come in the
        order in which the file holds their planes, which ``index`` tells.

    Raises:
        VolumeError: What opening and reading raises.
    """
    spec = crop_spec(preprocessing)
    cut = _cut_windows if preprocessing.region is None else _cut_organs
    with opened_case(case, irregular=irregular) as scan:
        waiting: list[tuple[int, Crop]] = []
        for numbered in cut(scan.source, units, spec):
            waiting.append(numbered)
            if len(waiting) == batch_size:
                yield _batch(waiting)
                waiting = []
        if waiting:
            yield _batch(waiting)


def _cut_organs(
    source: VolumeSource, units: Sequence[ScanUnit], spec: CropSpec
) -> Iterator[tuple[int, Crop]]:
    """Cut the few boxes of an organ, together where they lie near one another."""
    yield from enumerate(crop_volumes(source, [unit.centre_lps_mm for unit in units], spec))


def _cut_windows(
    source: VolumeSource, units: Sequence[ScanUnit], spec: CropSpec
) -> Iterator[tuple[int, Crop]]:
    """Cut the windows that hold more than air, those of one slab of the file after another."""

    def first_plane(number: int) -> int:
        return needed_box(source.geometry, units[number].centre_lps_mm, spec)[0][0]

    held = held_planes(source)
    for number in sorted(range(len(units)), key=first_plane):
        crop = crop_volume(held, units[number].centre_lps_mm, spec)
        if not is_air(crop.values):
            yield number, crop


def is_air(hu: NDArray[np.float32]) -> bool:
    """Say whether a box holds nothing but air: under one in a thousand samples above -500 HU.

    Args:
        hu: Hounsfield units, any shape.
    """
    return int(np.count_nonzero(hu > _TISSUE_HU)) < _LEAST_SHARE * hu.size


def _batch(crops: Sequence[tuple[int, Crop]]) -> UnitBatch:
    middle = (np.asarray(crops[0][1].values.shape) - 1) / 2
    return UnitBatch(
        index=np.array([number for number, _ in crops], np.int64),
        hu=np.stack([crop.values for _, crop in crops]),
        coords_mm=np.array([crop.geometry.index_to_lps([middle])[0][::-1] for _, crop in crops]),
        padded_share=np.array([crop.padded_share for _, crop in crops], np.float32),
        padded_sides=tuple("".join(crop.padded_sides) for _, crop in crops),
    )
