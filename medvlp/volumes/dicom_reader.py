"""Open a DICOM series as one volume: headers first, pixels slice by slice when asked for."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from medvlp.errors import VolumeError
from medvlp.io.codestreams import NATIVE_SYNTAXES
from medvlp.io.pixel_layout import native_frame_bytes
from medvlp.volumes.dicom_checks import check_kind, check_pixels, rescale_findings
from medvlp.volumes.dicom_pixels import read_stored_frame, rescale_frame
from medvlp.volumes.limits import VolumeLimits
from medvlp.volumes.regular_grid import resample_stack
from medvlp.volumes.slice_stack import stack_slices
from medvlp.volumes.volume import Finding, Volume

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from medvlp.volumes.dicom_slices import SliceHeader
    from medvlp.volumes.geometry import VolumeGeometry
    from medvlp.volumes.slice_stack import SliceStack

__all__ = ["DicomSource", "IrregularChoice", "open_series"]

_CT_ONLY = ("CT",)
_MAX_THREADS = 8
_FRAMES_BYTES = 256 << 20
"""Frames that are decoded at a time take no more memory than this together, or one is."""

_DEFAULT_LIMITS = VolumeLimits()

IrregularChoice = Literal["refuse", "resample"]


@dataclass(frozen=True, eq=False)
class DicomSource:
    """A regular series of slices, read box by box.

    Attributes:
        name: The series, for messages.
        stack: The slices in order and their grid.
        findings: What was noticed while the headers were read.
        limits: Caps of size.
    """

    name: str
    stack: SliceStack
    findings: tuple[Finding, ...]
    limits: VolumeLimits

    @property
    def geometry(self) -> VolumeGeometry:
        """Where the voxels lie."""
        return self.stack.geometry

    @property
    def modality(self) -> str:
        """DICOM's word for the modality."""
        return self.stack.headers[0].modality or "CT"

    @property
    def phase(self) -> str:
        """Contrast phase that the header hints at, or an empty string."""
        return self.stack.headers[0].phase

    def read(self) -> Volume:
        """Return the whole volume.

        Raises:
            VolumeError: MV2200, MV2202 (a slice is cut off) or MV2212 (it does not decode).
        """
        values = self.read_region((0, 0, 0), self.geometry.shape_zyx)
        return Volume(values, self.geometry, self.modality, self.findings, self.phase)

    def read_region(
        self, start_zyx: tuple[int, int, int], stop_zyx: tuple[int, int, int]
    ) -> NDArray[np.int16] | NDArray[np.float32]:
        """Return a box of values; slices outside are not opened. See :meth:`read` for errors."""
        shape = tuple(high - low for low, high in zip(start_zyx, stop_zyx, strict=True))
        values: NDArray[np.int16] | NDArray[np.float32] = np.empty(shape, dtype=np.int16)

        def read_plane(header: SliceHeader) -> NDArray[np.generic]:
            stored = read_stored_frame(header, (start_zyx[1], stop_zyx[1]), self.limits)
            return rescale_frame(stored[:, start_zyx[2] : stop_zyx[2]], header)

        headers = self.stack.headers[start_zyx[0] : stop_zyx[0]]
        for z, plane in enumerate(_in_threads(read_plane, headers)):
            if plane.dtype != values.dtype and values.dtype == np.int16:
                values = values.astype(np.float32)
            values[z] = plane
        return values


def _in_threads(
    read_plane: Callable[[SliceHeader], NDArray[np.generic]], headers: Sequence[SliceHeader]
) -> Iterator[NDArray[np.generic]]:
    """Yield the planes in order; compressed ones are decoded on several cores, few at a time."""
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(2)
    largest = max((native_frame_bytes(item.pixels) for item in headers), default=0)
    cores = min(len(usable), _MAX_THREADS, max(_FRAMES_BYTES // max(largest, 1), 1))
    if cores == 1 or all(item.pixels.transfer_syntax in NATIVE_SYNTAXES for item in headers):
        yield from map(read_plane, headers)
        return
    with ThreadPoolExecutor(cores) as pool:
        waiting: deque[Future[NDArray[np.generic]]] = deque()
        try:
            for header in headers:
                waiting.append(pool.submit(read_plane, header))
                if len(waiting) > 2 * cores:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def open_series(
    name: str,
    headers: Sequence[SliceHeader],
    *,
    modalities: Collection[str] = _CT_ONLY,
    irregular: IrregularChoice = "refuse",
    limits: VolumeLimits = _DEFAULT_LIMITS,
) -> DicomSource | Volume:
    """Open the slices of one series.

    Args:
        name: The series, for messages.
        headers: Its slices, in any order.
        modalities: DICOM's words for what is accepted; values of others than CT are no HU.
        irregular: What to do with missing slices, uneven spacing or a gantry tilt: ``refuse``, or
            ``resample`` (linear interpolation to a regular upright grid, told in the findings).
        limits: Caps of size.

    Returns:
        A source that reads slices when asked; a volume in memory where it was resampled.

    Raises:
        VolumeError: MV2202, MV2203, MV2210 to MV2221.
    """
    if not headers:
        raise ValueError("a series needs at least one slice")
    if len(headers) > limits.series_slices:
        raise VolumeError(
            "MV2203", f"{name} has {len(headers)} slices", expected=f"{limits.series_slices}"
        )
    for header in headers:
        check_kind(name, header, modalities)
        check_pixels(name, header, limits)
    stack = stack_slices(name, headers)
    limits.check_volume(name, int(np.prod(stack.geometry.shape_zyx, dtype=object)), 2)
    findings = rescale_findings(name, stack.headers)
    if stack.irregularity is None:
        return DicomSource(name, stack, findings, limits)
    if irregular == "refuse":
        raise stack.irregularity
    limits.check_volume(name, int(np.prod(stack.geometry.shape_zyx, dtype=object)), 4)
    told = Finding(stack.irregularity.code, f"resampled: {stack.irregularity.what}")
    first = stack.headers[0]
    return Volume(
        resample_stack(stack, limits),
        stack.geometry,
        first.modality or "CT",
        (*findings, told),
        first.phase,
    )
