"""Tell by its content what a file is: slide, scan, radiograph, mask, or nothing to diagnose."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from medvlp.errors import VolumeError, WorkerError
from medvlp.jobs.workers import WorkerLimits, run_in_worker, stream_in_worker
from medvlp.volumes.files import read_start
from medvlp.volumes.label_maps import is_label_map
from medvlp.volumes.series import GRID_KINDS, FileLook, look_at_file, series_tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from medvlp.types import Modality

__all__ = ["HEADER_LIMITS", "Sniffed", "sniff_file", "sniff_files", "sniff_tree"]

HEADER_LIMITS = WorkerLimits(memory_bytes=2 * 2**30, stall_s=300.0)
"""What looking at files may take; an archive is unpacked without a sign of life."""

SLIDE_SUFFIXES = frozenset(
    ".svs .tif .tiff .ndpi .mrxs .scn .vms .vmu .bif .svslide .qptiff .czi".split()
)
_SCAN_SUFFIXES = (".dcm", ".nii", ".nii.gz", ".nrrd", ".mha", ".b2nd")
_OTHER_ARCHIVES = frozenset(".docx .xlsx .pptx .odt .ods .npz .jar .whl .epub .kmz".split())
_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_IMAGE_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"BM")
_UNKNOWN = "not an image of a known kind"
_CHUNK = 64


@dataclass(frozen=True)
class Sniffed:
    """What one file is.

    Attributes:
        path: The file.
        modality: Of a file that is a case by itself, else None.
        look: Its slices, where it is DICOM and can be read.
        is_mask: Whether it is a label map.
        inner: Names of the scans inside an archive.
        is_damaged: Whether it is, or by its name should be, a scan that cannot be read.
        why: In words, what the file is, or why it cannot be read.
    """

    path: Path
    modality: Modality | None = None
    look: FileLook | None = field(default=None, repr=False)
    is_mask: bool = False
    inner: tuple[str, ...] = ()
    is_damaged: bool = False
    why: str = ""


def sniff_tree(files: Sequence[Path]) -> list[Sniffed]:
    """Look at files in a worker process; one that breaks the process is that file's damage.

    Args:
        files: The files.

    Returns:
        What each is, in the order of the files.
    """
    found: list[Sniffed] = []
    while len(found) < len(files):
        try:
            for batch in stream_in_worker(sniff_files, files[len(found) :], limits=HEADER_LIMITS):
                found.extend(batch)
        except WorkerError:
            found.extend(_sniff_alone(path) for path in files[len(found) : len(found) + _CHUNK])
    return found


def sniff_files(files: Sequence[Path]) -> Iterator[list[Sniffed]]:
    """Look at files, some at a time; meant to run in a worker process.

    Args:
        files: The files.

    Yields:
        What each is, in the order of the files.
    """
    for start in range(0, len(files), _CHUNK):
        yield [sniff_file(path) for path in files[start : start + _CHUNK]]


def sniff_file(path: Path) -> Sniffed:
    """Look at the first bytes of a file, at its header where it is DICOM, then at its suffix.

    Args:
        path: The file.
    """
    if path.exists() and not path.is_file():
        return Sniffed(path, why="no regular file but a pipe, a socket or a device")
    look = look_at_file(path)
    if look.kind == "dicom":
        return Sniffed(path, look=look, is_damaged=bool(look.code), why=_told(look))
    if look.kind in GRID_KINDS:
        if is_label_map(path, look.kind):
            return Sniffed(path, is_mask=True, why="a label map")
        return Sniffed(path, "ct", why="a scan")
    if look.kind == "zip" and path.suffix.lower() not in _OTHER_ARCHIVES:
        return _sniff_archive(path)
    return _sniff_picture(path, look)


def _sniff_picture(path: Path, look: FileLook) -> Sniffed:
    """Tell slides and flat images; a name that promises a slide or a scan makes a case."""
    is_unreadable = look.code == "MV2200"
    head = b"" if is_unreadable else read_start(path, 16)
    if head.startswith(_TIFF_MAGIC) or path.suffix.lower() in SLIDE_SUFFIXES:
        return Sniffed(path, "slide", why="a slide")
    if head.startswith(_IMAGE_MAGIC):
        return Sniffed(path, "radiograph", why="a flat image")
    if path.name.lower().endswith(_SCAN_SUFFIXES):
        return Sniffed(path, is_damaged=True, why=_told(look))
    return Sniffed(path, why=f"unreadable: {look.reason}" if is_unreadable else _UNKNOWN)


def _sniff_alone(path: Path) -> Sniffed:
    try:
        return run_in_worker(sniff_file, path, limits=HEADER_LIMITS)
    except WorkerError as error:
        return Sniffed(path, is_damaged=True, why=f"{error.code}: {error.reason}")


def _sniff_archive(path: Path) -> Sniffed:
    """Look for scans in an archive; one without any is left alone."""
    if _is_document(path):
        return Sniffed(path, why="an archive that is a document")
    try:
        with series_tree(path) as tree:
            inner = tuple(
                series.name
                for series in tree.series
                if series.kind == "volume" and series.modality in {"", "CT"}
            )
    except VolumeError as error:
        return Sniffed(path, is_damaged=True, why=f"{error.code}: {error.reason}")
    return Sniffed(path, "ct" if inner else None, inner=inner, why="an archive without a scan")


def _is_document(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name in {"[Content_Types].xml", "mimetype"} for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RecursionError):
        return False


def _told(look: FileLook) -> str:
    return f"{look.code}: {look.reason}" if look.code else ""
