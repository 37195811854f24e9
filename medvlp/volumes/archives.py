"""Unpack a zip from an untrusted place: names are refused, not repaired, and sizes are capped."""

from __future__ import annotations

import shutil
import stat
import tempfile
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from medvlp.errors import VolumeError
from medvlp.io.reading_rules import format_bytes
from medvlp.volumes.limits import VolumeLimits

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["unpacked_zip"]

_CHUNK_BYTES = 1 << 20
_ENCRYPTED = 0x1
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_DEFAULT_LIMITS = VolumeLimits()


@contextmanager
def unpacked_zip(path: Path, limits: VolumeLimits = _DEFAULT_LIMITS) -> Iterator[Path]:
    """Unpack an archive into a temporary folder that is removed at the end.

    Args:
        path: The archive.
        limits: Caps of size and number.

    Yields:
        The folder; the files keep their relative paths.

    Raises:
        VolumeError: MV2200 (unreadable), MV2202 (damaged), MV2203 (too large), MV2204 (a name
            that leads out of the archive, a link, encryption, an odd method).
    """
    folder = Path(tempfile.mkdtemp(prefix="medvlp-zip-"))
    try:
        _unpack(path, folder, limits)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unpack(path: Path, folder: Path, limits: VolumeLimits) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if len(entries) > limits.archive_files:
                raise VolumeError(
                    "MV2203",
                    f"{path.name} holds {len(entries)} files",
                    expected=f"at most {limits.archive_files}",
                )
            for entry in entries:
                _check_entry(path, entry)
            names = [entry.filename for entry in entries]
            if len(set(names)) != len(names):
                raise VolumeError("MV2204", f"{path.name} holds two files of one name")
            total = 0
            for entry in entries:
                if not entry.is_dir():
                    total += _extract(archive, entry, folder, limits)
                    _check_total(path, total, limits)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise VolumeError(
            "MV2202", f"{path.name} is a damaged archive: {error}", hint="copy the file again"
        ) from error
    except OSError as error:
        raise VolumeError(
            "MV2200", f"{path.name} cannot be unpacked: {error.strerror or error}"
        ) from error


def _check_entry(path: Path, entry: zipfile.ZipInfo) -> None:
    """Refuse an entry that could leave the folder or that is no plain file."""
    raw, parts = entry.orig_filename, PurePosixPath(entry.filename).parts
    why = ""
    if entry.flag_bits & _ENCRYPTED:
        why = "is encrypted"
    elif stat.S_ISLNK(entry.external_attr >> 16):
        why = "is a link"
    elif entry.compress_type not in _METHODS:
        why = f"is compressed by method {entry.compress_type}"
    elif (
        raw.startswith("/")
        or "\\" in raw
        or "\0" in raw
        or ".." in parts
        or (parts and ":" in parts[0])
        or not parts
    ):
        why = "leads out of the archive"
    if why:
        raise VolumeError(
            "MV2204",
            f"{path.name} is refused: entry {raw[:80]!a} {why}",
            expected="plain files below the archive's own folder",
            hint="unpack it with a tool you trust and look at what it holds",
        )


def _extract(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path, limits: VolumeLimits
) -> int:
    target = folder / entry.filename
    target.parent.mkdir(parents=True, exist_ok=True)
    produced = 0
    with archive.open(entry) as source, target.open("xb") as sink:
        while chunk := source.read(_CHUNK_BYTES):
            produced += len(chunk)
            limits.check_inflated(target.name, produced, max(entry.compress_size, 1))
            sink.write(chunk)
    return produced


def _check_total(path: Path, total_bytes: int, limits: VolumeLimits) -> None:
    by_ratio = int(path.stat().st_size * limits.inflate_ratio)
    cap = min(limits.archive_bytes, max(limits.inflate_floor_bytes, by_ratio))
    if total_bytes > cap:
        raise VolumeError(
            "MV2203",
            f"{path.name} grows beyond {format_bytes(cap)}",
            expected=f"a ratio below {limits.inflate_ratio:g}",
            hint="a scan does not compress like this; check where the file comes from",
        )
