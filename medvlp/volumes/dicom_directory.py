"""Read which files a DICOMDIR lists; a name in it cannot lead out of its folder."""

from __future__ import annotations

from pathlib import Path

from medvlp.io.dicom_header import DICOM_FAULTS, damaged_dicom, parse_header
from medvlp.volumes.limits import VolumeLimits

__all__ = ["directory_files"]

_DIRECTORY = "1.2.840.10008.1.3.10"
_DEFAULT_LIMITS = VolumeLimits()


def directory_files(path: Path, limits: VolumeLimits = _DEFAULT_LIMITS) -> list[Path] | None:
    """Return the files that a DICOMDIR lists, or None where the file is no DICOMDIR.

    Entries whose name leads out of the folder are left out.

    Args:
        path: The file.
        limits: Caps of size.

    Raises:
        VolumeError: MV2200, MV2203 or MV2207 if the file cannot be parsed.
    """
    parsed = parse_header(path, ["DirectoryRecordSequence"], limits.rules)
    try:
        if str(parsed.meta.get("MediaStorageSOPClassUID", "")) != _DIRECTORY:
            return None
        files = []
        for record in parsed.data_set.get("DirectoryRecordSequence") or []:
            listed = record.get("ReferencedFileID")
            if listed is None:
                continue
            parts = [listed] if isinstance(listed, str) else [str(part) for part in listed]
            if parts and all(_is_plain(part) for part in parts):
                files.append(path.parent.joinpath(*parts))
    except DICOM_FAULTS as error:
        raise damaged_dicom(path, error, limits.rules) from error
    return files


def _is_plain(part: str) -> bool:
    return bool(part) and part not in {".", ".."} and not set(part) & set("/\\\0:")
