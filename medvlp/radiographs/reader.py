"""Read an X-ray of any format, told by its content, as it is displayed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medvlp.errors import MedvlpError, RadiographError
from medvlp.io.dicom_header import is_dicom_start
from medvlp.io.reading_rules import read_bytes
from medvlp.radiographs.dicom_image import is_radiograph_header, read_dicom_radiograph
from medvlp.radiographs.display import Window, is_blank
from medvlp.radiographs.header import read_radiograph_header
from medvlp.radiographs.limits import RadiographLimits
from medvlp.radiographs.pictures import picture_head, read_picture

if TYPE_CHECKING:
    from pathlib import Path

    from medvlp.radiographs.image import Radiograph

__all__ = ["is_radiograph_file", "read_radiograph"]

_DEFAULT_LIMITS = RadiographLimits()
_START_BYTES = 4096
_HEAD_BYTES = 1 << 20
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_MAGICS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
_WHOLE_BITS = frozenset({8, 16})


def read_radiograph(
    path: Path,
    *,
    frame: int | None = None,
    window: tuple[float, float] | None = None,
    limits: RadiographLimits = _DEFAULT_LIMITS,
) -> Radiograph:
    """Read an X-ray as it is displayed: values in [0, 1], bright where the body is dense.

    DICOM: the caller's window, else the first table of values of interest, else the first window of
    the header, else all values of up to 8 stored bits, else percentiles
    (:func:`medvlp.radiographs.display.percentile_range`); ``MONOCHROME1`` is turned over, padding
    is black, and the picture is turned upright where the header says how it lies. PNG and JPEG: the
    caller's window, else the full range of up to 8 bits, else percentiles; turned as EXIF says.
    Overlays are not drawn.

    Args:
        path: The file: DICOM (CR, DX, RG, PX, IO, MG), PNG or JPEG, whatever its name.
        frame: Which frame of several, from 0; None where there is one.
        window: ``(center, width)`` in values after the rescale, linear as DICOM defines it; None
            for what the file states.
        limits: Caps of size.

    Raises:
        ValueError: If the window is not finite or narrower than 1.
        RadiographError: MV2400 not readable, MV2401 unknown format, MV2402 empty, cut off or
            damaged, MV2403 beyond a cap, MV2404 damaged header, MV2405 not a radiograph, MV2406
            several frames, MV2407 coloured, MV2408 too small, MV2409 blank, MV2410 not decodable,
            MV2411 values that cannot be told.
    """
    chosen = None if window is None else Window(*window)
    if chosen is not None and not chosen.is_usable:
        raise ValueError(f"a window needs a finite center and a width of at least 1, got {window}")
    start = read_bytes(path, _START_BYTES, limits.rules)
    limits.check_file(path.name, path.stat().st_size)
    if start.startswith(_MAGICS):
        data = read_bytes(path, limits.file_bytes, limits.rules)
        found = read_picture(data, path.name, frame=frame, window=chosen, limits=limits)
    elif is_dicom_start(start):
        found = read_dicom_radiograph(path, frame=frame, window=chosen, limits=limits)
    else:
        raise _unknown_format(path, start)
    if is_blank(found.pixels):
        raise RadiographError(
            "MV2409",
            f"{path.name} shows nothing: nearly all its pixels have one gray level",
            hint="state another window if the picture is not blank"
            if found.value_range in {"window", "voi-lut"}
            else "",
        )
    return found


def is_radiograph_file(path: Path, limits: RadiographLimits = _DEFAULT_LIMITS) -> bool:
    """Say by its content whether a file is an X-ray: DICOM of such a modality, PNG or JPEG.

    A picture is taken for an X-ray by its format alone (8 or 16 bits a sample); whether it is
    coloured or blank is seen when it is read.

    Args:
        path: The file; one that cannot be read is none.
        limits: Caps of size.
    """
    try:
        start = read_bytes(path, _START_BYTES, limits.rules)
        if start.startswith(_MAGICS):
            head = picture_head(read_bytes(path, _HEAD_BYTES, limits.rules))
            return head is not None and head.bits in _WHOLE_BITS
        return is_dicom_start(start) and is_radiograph_header(
            read_radiograph_header(path, limits.rules)
        )
    except MedvlpError:
        return False


def _unknown_format(path: Path, start: bytes) -> RadiographError:
    if start.startswith(_LFS_POINTER):
        return RadiographError(
            "MV2401",
            f"{path.name} is a Git LFS pointer, a short text that stands for a file",
            hint="fetch the file itself with 'git lfs pull'",
        )
    return RadiographError(
        "MV2401",
        f"{path.name} is no picture of a known format",
        expected="DICOM, PNG or JPEG",
        hint="a file that lost its first bytes must be exported again",
    )
