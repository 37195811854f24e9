"""Keep scans as int16 Hounsfield units in compressed chunks, so that crops read fast.

One file holds one volume: a Blosc2 array of shape ``(Z, Y, X)`` with its geometry beside it as
JSON. A crop reads the chunks it touches, wherever in the volume it lies; a gzip file would have to
be inflated from the start.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import blosc2
import numpy as np

from medvlp.errors import VolumeError
from medvlp.io import publish_file
from medvlp.volumes.files import read_start
from medvlp.volumes.geometry import VolumeGeometry
from medvlp.volumes.limits import VolumeLimits
from medvlp.volumes.volume import Finding, Volume

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["STORE_SUFFIX", "StoredSource", "open_stored", "write_stored"]

STORE_SUFFIX = ".b2nd"
_FORMAT = "medvlp-volume/1"
_META = "medvlp"
_CHUNK_ZYX, _BLOCK_ZYX = (32, 128, 128), (8, 64, 64)
_INT16 = np.iinfo(np.int16)
_DEFAULT_LIMITS = VolumeLimits()
_FAULTS = (
    ArithmeticError,
    KeyError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""What Blosc2 raises on damaged files."""


@dataclass(frozen=True, eq=False)
class StoredSource:
    """A stored scan, read box by box.

    Attributes:
        array: The open array.
        name: The file, for messages.
        geometry: Where the voxels lie.
        modality: DICOM's word for the modality, or an empty string.
        findings: What was noticed when the scan was read.
        phase: Contrast phase that the header hinted at, or an empty string.
        source_sha256: Hash of the files that the scan was read from.
    """

    array: Any
    name: str
    geometry: VolumeGeometry
    modality: str
    findings: tuple[Finding, ...]
    phase: str
    source_sha256: str

    def read(self) -> Volume:
        """Return the whole volume.

        Raises:
            VolumeError: MV2252 if a chunk is damaged.
        """
        values = self.read_region((0, 0, 0), self.geometry.shape_zyx)
        return Volume(values, self.geometry, self.modality, self.findings, self.phase)

    def read_region(
        self, start_zyx: tuple[int, int, int], stop_zyx: tuple[int, int, int]
    ) -> NDArray[np.int16]:
        """Return a box of values; only the chunks it touches are read."""
        box = tuple(slice(low, high) for low, high in zip(start_zyx, stop_zyx, strict=True))
        try:
            values: NDArray[np.int16] = np.asarray(self.array[box], dtype=np.int16)
        except _FAULTS as error:
            raise _damaged(self.name, str(error)) from error
        return values


def write_stored(path: Path, volume: Volume, *, source_sha256: str = "") -> float:
    """Write a volume; the file appears under its name only when it is complete.

    Args:
        path: File to write, with the suffix ``.b2nd``.
        volume: The scan. Fractions are rounded and values beyond int16 are clipped.
        source_sha256: Hash of the files it was read from.

    Returns:
        Largest change of a value by rounding or clipping, in Hounsfield units.

    Raises:
        OutputError: If the file cannot be written.
        VolumeError: MV2233 if a value is not finite.
    """
    values, change = _as_int16(path.name, volume.hu)
    chunk = tuple(min(c, n) for c, n in zip(_CHUNK_ZYX, values.shape, strict=True))
    block = tuple(min(b, c) for b, c in zip(_BLOCK_ZYX, chunk, strict=True))
    with publish_file(path) as temporary:
        temporary.unlink()  # blosc2 makes the file itself
        array = blosc2.asarray(
            values,
            urlpath=str(temporary),
            mode="w",
            chunks=chunk,
            blocks=block,
            cparams=blosc2.CParams(codec=blosc2.Codec.ZSTD, clevel=5, nthreads=1),
        )
        array.schunk.vlmeta[_META] = json.dumps(
            _described(volume, source_sha256, change), sort_keys=True
        )
    return change


def open_stored(path: Path, *, limits: VolumeLimits = _DEFAULT_LIMITS) -> StoredSource:
    """Open a stored volume; no chunk is read yet.

    Args:
        path: The file.
        limits: Caps of size.

    Raises:
        VolumeError: MV2200 (unreadable), MV2203 (too large), MV2252 (not a stored volume, or a
            damaged one).
    """
    read_start(path, 1)
    try:
        array = blosc2.open(
            str(path), mode="r", deserialize="safe", dparams=blosc2.DParams(nthreads=1)
        )
        if not isinstance(array, blosc2.NDArray) or _META not in array.schunk.vlmeta:
            raise _damaged(path.name, "it is another kind of Blosc2 file")
        text = array.schunk.vlmeta[_META]
        fields = json.loads(text) if isinstance(text, str) else None
    except _FAULTS as error:
        raise _damaged(path.name, f"{type(error).__name__}: {error}") from error
    shape, itemsize = tuple(int(size) for size in array.shape), int(array.dtype.itemsize)
    limits.check_volume(path.name, math.prod(shape), itemsize)
    limits.check_volume(path.name, math.prod(array.chunks), itemsize)
    if array.dtype != np.int16 or len(shape) != 3 or min(shape) < 1:
        raise _damaged(path.name, f"it holds {array.dtype} of shape {shape}")
    return _source(path.name, array, fields, (shape[0], shape[1], shape[2]))


def _as_int16(
    name: str, values: NDArray[np.int16] | NDArray[np.float32]
) -> tuple[NDArray[np.int16], float]:
    if values.dtype == np.int16:
        return np.ascontiguousarray(values, dtype=np.int16), 0.0
    whole = np.empty(values.shape, dtype=np.int16)
    change = 0.0
    for z, plane in enumerate(values):
        if not np.isfinite(plane).all():
            raise VolumeError("MV2233", f"{name}: slice {z} holds values that are not finite")
        rounded = np.clip(np.rint(plane), _INT16.min, _INT16.max)
        change = max(change, float(np.abs(rounded - plane).max()))
        whole[z] = rounded
    return whole, change


def _described(volume: Volume, source_sha256: str, change: float) -> dict[str, object]:
    return {
        "format": _FORMAT,
        "spacing_zyx_mm": list(volume.geometry.spacing_zyx_mm),
        "direction_lps": volume.geometry.direction.tolist(),
        "origin_lps_mm": list(volume.geometry.origin_lps_mm),
        "geometry_sha256": volume.geometry_sha256,
        "modality": volume.modality,
        "phase": volume.phase,
        "findings": [[finding.code, finding.text] for finding in volume.findings],
        "largest_change_hu": change,
        "source_sha256": source_sha256,
    }


def _source(
    name: str, array: object, fields: object, shape_zyx: tuple[int, int, int]
) -> StoredSource:
    try:
        known = dict(fields) if isinstance(fields, dict) else {}
        if known["format"] != _FORMAT:
            raise _damaged(name, f"its format is {known['format']!r}, not {_FORMAT!r}")
        z_mm, y_mm, x_mm = (float(value) for value in known["spacing_zyx_mm"])
        x_lps, y_lps, z_lps = (float(value) for value in known["origin_lps_mm"])
        direction = np.asarray(known["direction_lps"], dtype=np.float64).reshape(3, 3)
        geometry = VolumeGeometry(shape_zyx, (z_mm, y_mm, x_mm), direction, (x_lps, y_lps, z_lps))
        if geometry.geometry_sha256 != known["geometry_sha256"]:
            raise _damaged(name, "its geometry does not have the hash that was written with it")
        findings = tuple(Finding(str(code), str(text)) for code, text in known["findings"])
        words = [str(known[field]) for field in ("modality", "phase", "source_sha256")]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _damaged(name, f"its description lacks a part: {error}") from error
    return StoredSource(array, name, geometry, words[0], findings, words[1], words[2])


def _damaged(name: str, why: str) -> VolumeError:
    return VolumeError(
        "MV2252", f"{name} is no stored volume, or a damaged one: {why}", hint="convert it again"
    )
