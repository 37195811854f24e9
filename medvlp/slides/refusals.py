"""Why a file cannot be opened as a slide: empty, cut off, a placeholder, a picture."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from medvlp.errors import SlideError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["check_slide_file", "explain_refusal"]

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_PICTURES = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a ZIP archive",
}
_CONVERT = (
    "convert it to a tiled pyramidal TIFF first, for example with "
    "'vips tiffsave IN OUT.tif --tile --pyramid --compression jpeg'"
)
# TIFF header: byte order, version (42 classic, 43 BigTIFF), offset of the first directory.
_TIFF_CLASSIC, _TIFF_BIG = 42, 43


def check_slide_file(path: Path) -> None:
    """Refuse what is no readable, filled file before a C library sees it.

    Args:
        path: The slide's main file.

    Raises:
        SlideError: MV1208 if the file is absent, a folder or unreadable; MV1202 if it is empty or
            the text that Git LFS leaves in place of a file.
    """
    try:
        if path.is_dir():
            raise SlideError(
                "MV1208", f"{path.name} is a folder", expected="the main file of a slide"
            )
        with path.open("rb") as file:
            head = file.read(len(_LFS_POINTER))
    except OSError as error:
        raise SlideError(
            "MV1208",
            f"{path.name} cannot be read: {error.strerror}",
            hint="check that the file is still there and that you may read it",
        ) from error
    if not head:
        raise SlideError("MV1202", f"{path.name} is empty (0 bytes)", hint="copy the file again")
    if head == _LFS_POINTER:
        raise SlideError(
            "MV1202",
            f"{path.name} is a Git LFS pointer, a short text that stands for a slide",
            hint="fetch the slide itself with 'git lfs pull'",
        )


def explain_refusal(path: Path, reason: str) -> SlideError:
    """Build the error for a file that the decoder refused.

    Args:
        path: The slide's main file.
        reason: What the decoder said.

    Returns:
        MV1202 if the file is a TIFF that ends before its own directory, else MV1201.

    Raises:
        SlideError: MV1202 or MV1208 if the file is no readable, filled file any more.
    """
    check_slide_file(path)
    reason = reason.replace(str(path), path.name)
    with path.open("rb") as file:
        head = file.read(132)
    size_bytes = path.stat().st_size
    directory_offset = _first_directory_offset(head)
    if directory_offset is not None and directory_offset >= size_bytes:
        return SlideError(
            "MV1202",
            f"{path.name} is cut off: its image directory starts at byte {directory_offset}, "
            f"the file ends at {size_bytes}",
            hint="copy or download the file again",
        )
    for magic, kind in _PICTURES.items():
        if head.startswith(magic):
            return SlideError(
                "MV1201", f"{path.name} is {kind}, not a whole-slide image", hint=_CONVERT
            )
    hint = _CONVERT
    if "transfer syntax" in reason:
        hint = "convert it to a DICOM slide compressed with JPEG or JPEG 2000"
    elif head[128:] == b"DICM":
        return SlideError(
            "MV1201",
            f"{path.name} is a DICOM file, but no whole-slide image with pixels that can be read",
            expected="SOP class VL Whole Slide Microscopy Image",
        )
    return SlideError("MV1201", f"{path.name} cannot be opened as a slide: {reason}", hint=hint)


def _first_directory_offset(head: bytes) -> int | None:
    """Return the byte offset of a TIFF's first directory, or None where the file is no TIFF."""
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 16:
        return None
    version = int(struct.unpack(f"{order}H", head[2:4])[0])
    if version == _TIFF_CLASSIC:
        return int(struct.unpack(f"{order}I", head[4:8])[0])
    if version == _TIFF_BIG:
        return int(struct.unpack(f"{order}Q", head[8:16])[0])
    return None
