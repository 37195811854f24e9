"""Tell what a file is by its content: slide, CT, radiograph, or nothing to diagnose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from medvlp.types import Modality

__all__ = ["DicomHead", "Sniffed", "read_dicom_heads", "sniff_file"]

SLIDE_SUFFIXES = frozenset(
    ".svs .tif .tiff .ndpi .mrxs .scn .vms .vmu .bif .svslide .qptiff .czi".split()
)
_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_IMAGE_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"BM")
_DICOM_PREFIX_AT = 128

_WHOLE_SLIDE_UID = "1.2.840.10008.5.1.4.1.1.77.1.6"
_CT_UIDS = frozenset({"1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1"})
_RADIOGRAPH_UIDS = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.1",  # computed radiography
        "1.2.840.10008.5.1.4.1.1.1.1",  # digital X-ray, for presentation
        "1.2.840.10008.5.1.4.1.1.1.1.1",  # digital X-ray, for processing
    }
)


@dataclass(frozen=True)
class Sniffed:
    """What the first bytes of a file say.

    Attributes:
        modality: The modality, or None where the file is nothing to diagnose or a DICOM object.
        is_dicom: Whether the file is DICOM and its header decides.
        why: In words, what the file is.
    """

    modality: Modality | None
    is_dicom: bool
    why: str


@dataclass(frozen=True)
class DicomHead:
    """The few header fields of a DICOM file that decide how it is handled.

    Attributes:
        modality: The modality, or None where the object holds no image to diagnose.
        series_uid: Series Instance UID; files of one slide share it. Never written to an output.
        is_volume_level: Whether the file is the full-resolution level of a slide.
        why: In words, what the object is, or why its header cannot be read.
    """

    modality: Modality | None
    series_uid: str
    is_volume_level: bool
    why: str


def sniff_file(path: Path) -> Sniffed:
    """Look at the first bytes of a file, then at its suffix.

    Raises:
        OSError: If the file cannot be opened.
    """
    with path.open("rb") as stream:
        head = stream.read(_DICOM_PREFIX_AT + 4)
    suffix = path.suffix.lower()
    if head[_DICOM_PREFIX_AT:] == b"DICM" or suffix == ".dcm":
        return Sniffed(None, is_dicom=True, why="a DICOM file")
    if head.startswith(_TIFF_MAGIC) or suffix in SLIDE_SUFFIXES:
        return Sniffed("slide", is_dicom=False, why="a slide")
    if head.startswith(_IMAGE_MAGIC):
        return Sniffed("radiograph", is_dicom=False, why="a flat image")
    if suffix == ".nii" or path.name.lower().endswith(".nii.gz"):
        return Sniffed("ct", is_dicom=False, why="a NIfTI volume")
    return Sniffed(None, is_dicom=False, why="not an image of a known kind")


def read_dicom_heads(paths: Sequence[Path]) -> list[DicomHead]:
    """Read the deciding header fields of DICOM files; meant to run in a worker process."""
    return [_read_dicom_head(path) for path in paths]


def _read_dicom_head(path: Path) -> DicomHead:
    wanted = ["SOPClassUID", "SeriesInstanceUID", "ImageType"]
    try:
        head = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=wanted)
        class_uid = str(head.get("SOPClassUID", ""))
        image_type = [str(value) for value in head.get("ImageType", None) or []]
        series_uid = str(head.get("SeriesInstanceUID", ""))
    except (InvalidDicomError, OSError, ValueError, RecursionError, EOFError, KeyError) as error:
        # A name ending in .dcm promises an image: it stays a case, and its reader will refuse it.
        return DicomHead("slide", "", is_volume_level=False, why=f"unreadable DICOM: {error}")
    if class_uid == _WHOLE_SLIDE_UID:
        return DicomHead("slide", series_uid, "VOLUME" in image_type[2:3], "a DICOM slide")
    if class_uid in _CT_UIDS:
        return DicomHead("ct", series_uid, is_volume_level=False, why="a DICOM CT slice")
    if class_uid in _RADIOGRAPH_UIDS:
        return DicomHead("radiograph", series_uid, is_volume_level=False, why="a DICOM radiograph")
    name = UID(class_uid).name or "a DICOM object without an image class"
    return DicomHead(None, series_uid, is_volume_level=False, why=f"a DICOM object: {name}")
