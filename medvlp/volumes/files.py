"""Tell by its first bytes what a file is, whatever its name says."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Literal

from medvlp.errors import VolumeError
from medvlp.io.dicom_header import is_dicom_start
from medvlp.io.reading_rules import read_bytes
from medvlp.volumes.limits import VolumeLimits

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FileKind", "file_kind", "read_start", "refuse_kind"]

FileKind = Literal[
    "dicom",
    "nifti",
    "nifti-gzip",
    "nrrd",
    "metaimage",
    "stored",
    "zip",
    "gzip",
    "empty",
    "lfs",
    "other",
]

_HEAD_BYTES = 4096
_RULES = VolumeLimits().rules
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_NIFTI_SIZES = {348: 344, 540: 4}
"""Size that the header states about itself -> where its magic lies."""

_NIFTI_MAGIC = (b"n+1\0", b"ni1\0", b"n+2\0", b"ni2\0")


def file_kind(path: Path) -> FileKind:
    """Look at the first bytes of a file.

    Raises:
        VolumeError: MV2200 if the file cannot be read.
    """
    head = read_start(path, _HEAD_BYTES)
    tests: tuple[tuple[FileKind, bool], ...] = (
        ("empty", not head),
        ("lfs", head.startswith(_LFS_POINTER)),
        ("zip", head.startswith((b"PK\x03\x04", b"PK\x05\x06"))),
        ("nrrd", head.startswith(b"NRRD000")),
        ("nifti", _is_nifti(head)),
        ("stored", head[2:10] == b"b2frame\0"),
        ("dicom", is_dicom_start(head)),
        ("metaimage", head.lstrip().startswith((b"ObjectType", b"NDims"))),
    )
    if head.startswith(b"\x1f\x8b"):
        return "nifti-gzip" if _is_nifti(_inflate_start(head)) else "gzip"
    return next((kind for kind, is_so in tests if is_so), "other")


def read_start(path: Path, count: int, offset: int = 0) -> bytes:
    """Return up to ``count`` bytes of a file from ``offset`` on.

    Raises:
        VolumeError: MV2200 if the file cannot be read.
    """
    return read_bytes(path, count, _RULES, offset)


def refuse_kind(path: Path, kind: FileKind) -> VolumeError:
    """Build the error for a file that holds no volume.

    Args:
        path: The file.
        kind: What :func:`file_kind` said.
    """
    if kind == "empty":
        return VolumeError("MV2202", f"{path.name} is empty (0 bytes)", hint="copy the file again")
    if kind == "lfs":
        return VolumeError(
            "MV2201",
            f"{path.name} is a Git LFS pointer, a short text that stands for a file",
            hint="fetch the file itself with 'git lfs pull'",
        )
    return VolumeError(
        "MV2201",
        f"{path.name} is no scan of a known format",
        expected="DICOM, NIfTI, NRRD, MetaImage (.mha), or a zip of them",
        hint="a DICOM file that lost its first bytes must be exported again",
    )


def _is_nifti(head: bytes) -> bool:
    if len(head) < 348:
        return False
    for order in ("little", "big"):
        size = int.from_bytes(head[:4], "little" if order == "little" else "big")
        at = _NIFTI_SIZES.get(size)
        if at is not None and head[at : at + 4] in _NIFTI_MAGIC:
            return True
    return False


def _inflate_start(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(head, 1024)
    except zlib.error:
        return b""
