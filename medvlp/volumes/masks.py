"""Label maps that belong to a scan: read, brought to its axes, refused where they do not fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from medvlp.errors import VolumeError, nearest_name
from medvlp.volumes.bodies import read_planes
from medvlp.volumes.dicom_segmentation import read_segmentation
from medvlp.volumes.files import file_kind, refuse_kind
from medvlp.volumes.label_names import LabelScheme, label_names
from medvlp.volumes.limits import VolumeLimits
from medvlp.volumes.metaimage_reader import open_metaimage
from medvlp.volumes.nifti_reader import embedded_label_names, open_nifti
from medvlp.volumes.nrrd_reader import open_nrrd

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from medvlp.volumes.geometry import VolumeGeometry
    from medvlp.volumes.grid_source import GridSource
    from medvlp.volumes.volume import Finding

__all__ = ["MASK_LIMITS", "Label", "LabelMap", "read_mask"]

MASK_LIMITS = VolumeLimits(inflate_ratio=1100.0)
"""Caps for masks: empty planes compress a thousandfold, which is all that deflate can do."""

Label = int | str | tuple[int | str, ...]
"""A structure: its number, its name, or several of them taken together."""

_MOST_LABELS = 65535
_WHOLE = 1e-3
_OPENERS: dict[str, Callable[..., GridSource]] = {
    "nifti": open_nifti,
    "nifti-gzip": open_nifti,
    "nrrd": open_nrrd,
    "metaimage": open_metaimage,
}


@dataclass(frozen=True, eq=False)
class LabelMap:
    """Which structure each voxel belongs to.

    Attributes:
        labels: Numbers of structures, shape ``(Z, Y, X)``, uint8 or uint16; 0 is none.
        geometry: Where the voxels lie.
        names: Name of each number, as far as known.
        findings: What was noticed while reading.
    """

    labels: NDArray[np.uint8] | NDArray[np.uint16]
    geometry: VolumeGeometry
    names: Mapping[int, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    def present(self) -> list[int]:
        """Return the numbers that occur, without 0, ascending."""
        counts = np.bincount(self.labels.ravel()) if self.labels.size else np.zeros(1)
        return [int(number) for number in np.flatnonzero(counts) if number]

    def numbers_of(self, label: Label) -> list[int]:
        """Return the numbers of a structure: itself, its name, or both sides of a pair.

        Args:
            label: A number, a name such as ``kidney_left``, ``kidney`` for both sides, or several
                of these that make one structure, such as ``("kidney", "tumor")``.

        Raises:
            VolumeError: MV2243 if the name is not known.
        """
        if isinstance(label, tuple):
            return [number for part in label for number in self.numbers_of(part)]
        if isinstance(label, int):
            return [label]
        lowered = {number: name.lower() for number, name in self.names.items()}
        word = label.lower()
        found = [number for number, name in lowered.items() if name == word]
        pair = {f"{word}_left", f"{word}_right"}
        found = found or [number for number, name in lowered.items() if name in pair]
        if not found:
            raise VolumeError(
                "MV2243",
                f"no label is named {label!r}{nearest_name(word, lowered.values())}",
                expected="a number, or a name of the mask's scheme",
                hint="give the scheme ('totalsegmentator', 'kits') or the names of the labels",
            )
        return found

    def select(self, label: Label) -> NDArray[np.bool_]:
        """Return where a structure lies, shape ``(Z, Y, X)``.

        Raises:
            VolumeError: MV2241 if it lies nowhere, MV2243 if its name is not known.
        """
        numbers = self.numbers_of(label)
        chosen = np.isin(self.labels, numbers)
        if not chosen.any():
            raise VolumeError(
                "MV2241",
                f"label {label!r} has no voxel; the mask holds {self.present()[:20]}",
                expected="a mask in which the structure was drawn",
            )
        return chosen


def read_mask(
    path: Path,
    *,
    like: VolumeGeometry | None = None,
    names: LabelScheme | Mapping[int, str] | None = None,
    limits: VolumeLimits = MASK_LIMITS,
) -> LabelMap:
    """Read a label map: NIfTI, NRRD, MetaImage or DICOM SEG.

    Args:
        path: The file.
        like: Geometry of the scan; the mask is brought to the order of its axes and must then
            have the same grid. None keeps the mask's own.
        names: Names of the labels, or the scheme that they follow; a DICOM SEG and a NIfTI file of
            TotalSegmentator name their own.
        limits: Caps of size.

    Raises:
        VolumeError: MV2200 to MV2207 and MV2230 to MV2235 as for scans, MV2240 (another grid),
            MV2241 (empty), MV2242 (no whole labels), MV2244 (a SEG that cannot be read).
    """
    kind = file_kind(path)
    if kind == "dicom":
        seg = read_segmentation(path, like=like, limits=limits)
        found = LabelMap(seg.labels, seg.geometry, seg.names, seg.findings)
    elif kind in _OPENERS:
        source = _OPENERS[kind](path, limits=limits)
        known = embedded_label_names(source) if kind.startswith("nifti") else {}
        found = LabelMap(_whole_labels(source), source.geometry, known)
    else:
        raise refuse_kind(path, kind)
    if names is not None:
        found = replace(found, names=names if isinstance(names, Mapping) else label_names(names))
    if like is not None:
        found = _on_grid(path.name, found, like)
    if not found.labels.any():
        raise VolumeError(
            "MV2241",
            f"{path.name} is empty: no voxel has a label",
            expected="a mask in which the organs were drawn",
            hint="give another mask, or let an organ finder label the scan with --find-organs",
        )
    return found


def _whole_labels(source: GridSource) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Read planes into the smallest type; masks saved as float64 need no memory as such."""
    shape, name = source.geometry.shape_zyx, source.body.path.name
    labels: NDArray[np.uint8] | NDArray[np.uint16] = np.zeros(shape, dtype=np.uint8)
    for z, plane in enumerate(read_planes(source.body, ((0, 0, 0), shape))):
        values = plane
        if source.slope != 1 or source.intercept != 0 or plane.dtype.kind == "f":
            values = plane.astype(np.float64) * source.slope + source.intercept
        _check_whole(name, z, values)
        if labels.dtype == np.uint8 and values.max() > 255:
            labels = labels.astype(np.uint16)
        labels[z] = np.rint(values) if values.dtype.kind == "f" else values
    return labels


def _check_whole(name: str, z: int, values: NDArray[np.generic]) -> None:
    numbers = np.asarray(values)
    if numbers.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            off = ~(np.abs(numbers - np.rint(numbers)) <= _WHOLE)
        if off.any():
            raise VolumeError(
                "MV2242",
                f"{name}: slice {z} holds {numbers[off][0]:g}",
                expected="whole numbers, one for each structure",
                hint="a map of probabilities must be cut at a threshold first",
            )
    if numbers.min() < -_WHOLE or numbers.max() > _MOST_LABELS:
        raise VolumeError(
            "MV2242",
            f"{name}: slice {z} holds values from {numbers.min():g} to {numbers.max():g}",
            expected=f"labels from 0 to {_MOST_LABELS}",
            hint="this looks like a scan, not like a mask",
        )


def _on_grid(name: str, mask: LabelMap, like: VolumeGeometry) -> LabelMap:
    """Bring a mask to the axes of a scan and insist that the grid is the same."""
    order = mask.geometry.axis_order(like.axis_codes)
    geometry = mask.geometry.reordered(order)
    difference = like.difference(geometry, tolerance_mm=_tolerance_mm(like))
    if difference:
        raise VolumeError(
            "MV2240",
            f"{name} has another grid than the scan: {difference}",
            expected="a mask drawn on this scan",
            hint="check that mask and scan belong together; resample the mask to the scan's grid",
        )
    labels: NDArray[np.uint8] | NDArray[np.uint16]
    if mask.labels.dtype == np.uint8:
        labels = order.apply(mask.labels).astype(np.uint8, copy=False)
    else:
        labels = order.apply(mask.labels).astype(np.uint16, copy=False)
    return replace(mask, labels=labels, geometry=geometry)


def _tolerance_mm(geometry: VolumeGeometry) -> float:
    """Return how far corners may lie apart: a quarter of the smallest voxel edge."""
    return 0.25 * min(geometry.spacing_zyx_mm)
