"""Read a DICOM segmentation into a label map; slices that it leaves out are empty."""

from __future__ import annotations

import itertools
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medvlp.errors import VolumeError
from medvlp.io.codestreams import NATIVE_SYNTAXES
from medvlp.io.dicom_header import (
    DICOM_FAULTS,
    damaged_dicom,
    inflated_data_set,
    parse_header,
)
from medvlp.volumes.dicom_checks import object_kind
from medvlp.volumes.dicom_pixels import read_stored_frame
from medvlp.volumes.dicom_slices import read_slice_headers
from medvlp.volumes.files import read_start
from medvlp.volumes.geometry import VolumeGeometry
from medvlp.volumes.slice_stack import plane_axes
from medvlp.volumes.volume import Finding

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from medvlp.volumes.dicom_slices import SliceHeader
    from medvlp.volumes.limits import VolumeLimits

__all__ = ["Segmentation", "read_segmentation"]

_WANTED = ("SegmentationType", "SegmentSequence", "PerFrameFunctionalGroupsSequence")
_OFF_GRID = 0.05
"""A frame may lie off a plane of the grid by this share of the spacing."""


@dataclass(frozen=True, eq=False)
class Segmentation:
    """A segmentation as a label map.

    Attributes:
        labels: Segment number of each voxel, shape ``(Z, Y, X)``, uint8 or uint16.
        geometry: Where the voxels lie.
        names: Label of each segment.
        findings: What was noticed.
    """

    labels: NDArray[np.uint8] | NDArray[np.uint16]
    geometry: VolumeGeometry
    names: dict[int, str]
    findings: tuple[Finding, ...]


def read_segmentation(
    path: Path, *, like: VolumeGeometry | None, limits: VolumeLimits
) -> Segmentation:
    """Read a binary or label-map segmentation object.

    Args:
        path: The file.
        like: Grid of the scan; frames are laid on its planes, and the result has its voxels in
            the order of the frames' axes. None makes the smallest grid that holds all frames.
        limits: Caps of size.

    Raises:
        VolumeError: MV2202 (cut off), MV2203, MV2207, MV2219, MV2240 (frames off the grid),
            MV2244 (not a segmentation of whole labels).
    """
    headers = read_slice_headers(path, limits)
    if object_kind(headers[0]) != "segmentation":
        raise VolumeError(
            "MV2244", f"{path.name} is no DICOM segmentation", expected="an object of modality SEG"
        )
    kind, names, segments = _segments(path, len(headers), limits)
    if kind not in {"BINARY", "LABELMAP"}:
        raise VolumeError(
            "MV2244",
            f"{path.name} is a segmentation of type {kind[:16]!r}",
            expected="BINARY or LABELMAP",
            hint="fractional segmentations must be cut at a threshold first",
        )
    if like is None:
        grid = _grid(headers)
    else:
        grid = like.reordered(like.axis_order(_frame_geometry(headers[0]).axis_codes))
    limits.check_volume(path.name, int(np.prod(grid.shape_zyx, dtype=object)), 2)
    largest = max([255, *segments, *names])
    dtype = np.uint8 if largest == 255 else np.uint16
    labels = np.zeros(grid.shape_zyx, dtype=dtype)
    bits = _packed_bits(headers[0], limits) if headers[0].pixels.bits_allocated == 1 else None
    overlaps = 0
    for header, segment in zip(headers, segments, strict=True):
        pixels = _frame(header, bits, limits)
        plane = _plane(path.name, header, grid)
        values = pixels if kind == "LABELMAP" else np.where(pixels, segment, 0)
        overlaps += int(np.count_nonzero((labels[plane] > 0) & (values > 0)))
        labels[plane] = np.where(values > 0, values, labels[plane])
    findings: tuple[Finding, ...] = ()
    if overlaps:
        text = f"{overlaps} voxels belong to several segments; the last one counts"
        findings = (Finding("MV2244", text),)
    kept: NDArray[np.uint8] | NDArray[np.uint16] = labels
    return Segmentation(kept, grid, names, findings)


def _segments(
    path: Path, frames: int, limits: VolumeLimits
) -> tuple[str, dict[int, str], list[int]]:
    """Return the type, the label of each segment, and the segment of each frame (0: none)."""
    parsed = parse_header(path, _WANTED, limits.rules)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kind = str(parsed.data_set.get("SegmentationType", "")).upper()
            names = {
                int(item.SegmentNumber): str(item.get("SegmentLabel", ""))
                for item in parsed.data_set.get("SegmentSequence") or []
            }
            segments = []
            for item in parsed.data_set.get("PerFrameFunctionalGroupsSequence") or []:
                which = item.get("SegmentIdentificationSequence")
                segments.append(int(which[0].ReferencedSegmentNumber) if which else 0)
    except DICOM_FAULTS as error:
        raise damaged_dicom(path, error, limits.rules) from error
    if len(segments) != frames or (kind == "BINARY" and not all(segments)):
        raise VolumeError(
            "MV2244",
            f"{path.name} describes {len(segments)} frames of {frames}",
            expected="a place and a segment for each frame",
        )
    return kind, names, segments


def _packed_bits(header: SliceHeader, limits: VolumeLimits) -> NDArray[np.uint8]:
    """Return the bits of all frames, which follow one another without gaps."""
    layout = header.pixels
    count_bits = layout.rows * layout.columns * layout.frames
    limits.check_volume(header.path.name, count_bits, 1)
    if layout.transfer_syntax not in NATIVE_SYNTAXES:
        raise VolumeError(
            "MV2212",
            f"{header.path.name} compresses single bits",
            expected="an uncompressed or deflated segmentation",
        )
    count = (count_bits + 7) // 8
    if layout.is_inflated:
        raw = inflated_data_set(header.path, limits.rules)[layout.offset : layout.offset + count]
    else:
        raw = read_start(header.path, count, layout.offset)
    if len(raw) < count:
        raise VolumeError(
            "MV2202", f"{header.path.name} is cut off: {len(raw)} of {count} bytes of its frames"
        )
    packed = np.frombuffer(raw, dtype=np.uint8)
    if not layout.is_little_endian and len(packed) % 2 == 0:
        packed = packed.reshape(-1, 2)[:, ::-1].ravel()
    return np.unpackbits(packed, bitorder="little")


def _frame(
    header: SliceHeader, bits: NDArray[np.uint8] | None, limits: VolumeLimits
) -> NDArray[np.integer]:
    layout = header.pixels
    if bits is None:
        if layout.bits_allocated not in {8, 16}:
            raise VolumeError(
                "MV2244", f"{header.path.name} stores {layout.bits_allocated} bits a pixel"
            )
        return read_stored_frame(header, None, limits)
    count = layout.rows * layout.columns
    return bits[header.frame * count : (header.frame + 1) * count].reshape(
        layout.rows, layout.columns
    )


def _grid(headers: list[SliceHeader]) -> VolumeGeometry:
    """Return the smallest regular grid that holds all frames."""
    first = headers[0]
    frame = _frame_geometry(first)
    places = (
        np.asarray([header.position_mm or (0, 0, 0) for header in headers]) @ frame.direction[:, 2]
    )
    along = np.unique(np.round(places, 3))
    gaps = np.diff(along)
    step = float(gaps.min()) if len(gaps) else 1.0
    count = round(float(along[-1] - along[0]) / step) + 1
    return VolumeGeometry(
        (count, *frame.shape_zyx[1:]),
        (step, *frame.spacing_zyx_mm[1:]),
        frame.direction,
        _frame_geometry(headers[int(np.argmin(places))]).origin_lps_mm,
    )


def _frame_geometry(header: SliceHeader) -> VolumeGeometry:
    """Return a frame as a grid of one plane."""
    axes, spacing = plane_axes(header), header.pixel_spacing_mm or (1.0, 1.0)
    x_mm, y_mm, z_mm = header.position_mm or (0.0, 0.0, 0.0)
    shape = (1, header.pixels.rows, header.pixels.columns)
    return VolumeGeometry(shape, (1.0, spacing[0], spacing[1]), axes, (x_mm, y_mm, z_mm))


def _plane(name: str, header: SliceHeader, grid: VolumeGeometry) -> int:
    """Return which plane of the grid a frame is.

    Raises:
        VolumeError: MV2240 if the frame is no plane of the grid.
    """
    frame = _frame_geometry(header)
    corners = grid.lps_to_index(frame.corners_lps_mm())
    expected = np.asarray(list(itertools.product(*((0, size - 1) for size in frame.shape_zyx))))
    z = float(corners[0, 0])
    expected += [round(z), 0, 0]
    fits = frame.shape_zyx[1:] == grid.shape_zyx[1:] and 0 <= round(z) < grid.shape_zyx[0]
    if not fits or float(np.abs(corners - expected).max()) > _OFF_GRID:
        raise VolumeError(
            "MV2240",
            f"{name}: frame {header.frame} is no plane of the scan: its corners lie at indices "
            f"{corners[0].round(2).tolist()} to {corners[-1].round(2).tolist()} of "
            f"{grid.shape_zyx} (z, y, x)",
            expected="a segmentation drawn on this scan",
            hint="check that both belong together",
        )
    return round(z)
