"""Find every scan in a folder, a zip or a DICOMDIR, by content; say what else lies there."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from medvlp.errors import VolumeError
from medvlp.volumes.archives import unpacked_zip
from medvlp.volumes.dicom_checks import is_ct_image, object_kind
from medvlp.volumes.dicom_directory import directory_files
from medvlp.volumes.dicom_slices import read_slice_headers
from medvlp.volumes.files import FileKind, file_kind, refuse_kind
from medvlp.volumes.grouping import drop_copies, group_slices
from medvlp.volumes.limits import VolumeLimits

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from medvlp.volumes.dicom_slices import SliceHeader

__all__ = [
    "GRID_KINDS",
    "FileLook",
    "FoundSeries",
    "SeriesKind",
    "SeriesTree",
    "SkippedFile",
    "find_series",
    "gather_series",
    "look_at_file",
    "series_tree",
]

SeriesKind = Literal["volume", "scout", "capture", "segmentation", "single slice", "other"]

GRID_KINDS: frozenset[FileKind] = frozenset(("nifti", "nifti-gzip", "nrrd", "metaimage", "stored"))
"""Kinds of files that hold one volume each."""

_DEFAULT_LIMITS = VolumeLimits()
_PROJECTIONS = frozenset({"MIP", "MINIP", "MIN_IP", "PROJECTION IMAGE", "AVERAGE", "VRT"})
_REFORMATS = frozenset({"MPR", "REFORMATTED", "CSAMANIPULATED", "CURVED", "CSA MPR"})


@dataclass(frozen=True)
class FoundSeries:
    """One series, or one file that holds a volume.

    Attributes:
        name: Path below the searched folder, ``#2`` and so on where several share it; never text
            from DICOM tags.
        kind: What it is.
        format: Kind of its files.
        path: The file, or the folder of the slices.
        headers: The slices of a DICOM series; empty for other formats.
        modality: DICOM's word, or an empty string.
        phase: Contrast phase that the header hints at, or an empty string.
        derivation: ``original``, ``reformatted`` or ``projection``.
        parted_by: What tells it apart from the other passes of its series, or an empty string.
    """

    name: str
    kind: SeriesKind
    format: FileKind
    path: Path
    headers: tuple[SliceHeader, ...] = field(default=(), repr=False)
    modality: str = ""
    phase: str = ""
    derivation: str = "original"
    parted_by: str = ""


@dataclass(frozen=True)
class SkippedFile:
    """A file that belongs to no series.

    Attributes:
        name: Path below the searched folder.
        code: Code of the error catalogue.
        reason: Why, in words.
    """

    name: str
    code: str
    reason: str


@dataclass(frozen=True)
class SeriesTree:
    """What was found.

    Attributes:
        series: All series, in the order of their files.
        skipped: Files that belong to none.
    """

    series: tuple[FoundSeries, ...]
    skipped: tuple[SkippedFile, ...]


@dataclass(frozen=True)
class FileLook:
    """What one file is.

    Attributes:
        path: The file.
        kind: What its first bytes say.
        headers: Its slices, where it is DICOM and can be read.
        code: Code of the error catalogue where it holds no scan, else empty.
        reason: Why it holds none, in words.
    """

    path: Path
    kind: FileKind
    headers: tuple[SliceHeader, ...] = field(default=(), repr=False)
    code: str = ""
    reason: str = ""


@contextmanager
def series_tree(path: Path, limits: VolumeLimits = _DEFAULT_LIMITS) -> Iterator[SeriesTree]:
    """Find the series of a file, folder, zip or DICOMDIR; a zip lies unpacked meanwhile.

    Args:
        path: Where to look.
        limits: Caps of size and number.

    Yields:
        What was found; the series of a zip can be opened inside the ``with`` block only.

    Raises:
        VolumeError: MV2200 to MV2204 if the file, folder or archive itself cannot be read.
    """
    if path.is_file() and file_kind(path) == "zip":
        with unpacked_zip(path, limits) as folder:
            yield find_series(folder, limits)
    else:
        yield find_series(path, limits)


def find_series(path: Path, limits: VolumeLimits = _DEFAULT_LIMITS) -> SeriesTree:
    """Find every series in a folder, in the files that a DICOMDIR lists, or in one file.

    Args:
        path: A folder or a file.
        limits: Caps of size and number.

    Raises:
        VolumeError: MV2200 if the path cannot be read, MV2203 if the folder holds too many files.
    """
    root = path if path.is_dir() else path.parent
    listed: list[SkippedFile] = []
    files = _files_below(path, limits) if path.is_dir() else _files_of(path, root, limits, listed)
    tree = gather_series((look_at_file(file, limits) for file in files), root)
    return SeriesTree(tree.series, (*listed, *tree.skipped))


def look_at_file(file: Path, limits: VolumeLimits = _DEFAULT_LIMITS) -> FileLook:
    """Say what one file is; what is wrong with it is told and not raised.

    Args:
        file: The file.
        limits: Caps of size.
    """
    kind: FileKind = "other"
    try:
        kind = file_kind(file)
        if kind == "dicom":
            return FileLook(file, kind, tuple(_image_headers(file, limits)))
    except VolumeError as error:
        return FileLook(file, kind, (), error.code, error.reason)
    if kind in GRID_KINDS:
        return FileLook(file, kind)
    refusal = refuse_kind(file, kind)
    return FileLook(file, kind, (), refusal.code, refusal.reason)


def gather_series(looks: Iterable[FileLook], root: Path) -> SeriesTree:
    """Sort files that were looked at into series.

    Args:
        looks: What each file is.
        root: Folder that names start at.
    """
    skipped: list[SkippedFile] = []
    slices: list[SliceHeader] = []
    found: list[FoundSeries] = []
    for look in looks:
        name = _relative(look.path, root)
        if look.code:
            skipped.append(SkippedFile(name, look.code, look.reason))
        elif look.kind in GRID_KINDS:
            found.append(FoundSeries(name, "volume", look.kind, look.path))
        slices.extend(look.headers)
    kept, copies = drop_copies(slices)
    for name, why in dict(_told_copy(*pair, root) for pair in copies).items():
        skipped.append(SkippedFile(name, "MV2215", why))
    found.extend(_dicom_series(kept, root))
    return SeriesTree(tuple(sorted(found, key=lambda series: series.name)), tuple(skipped))


def _told_copy(copy: SliceHeader, original: SliceHeader, root: Path) -> tuple[str, str]:
    is_cut = copy.path.stat().st_size < original.path.stat().st_size
    what = "a copy, cut off," if is_cut else "a copy"
    return _relative(copy.path, root), f"{what} of {_relative(original.path, root)}"


def _files_below(folder: Path, limits: VolumeLimits) -> list[Path]:
    """List the files of a folder, sorted; links to folders are not followed."""
    files: list[Path] = []
    for parent, folders, names in os.walk(folder):
        folders.sort()
        files.extend(Path(parent, name) for name in sorted(names))
        if len(files) > limits.tree_files:
            raise VolumeError("MV2203", f"{folder.name} holds more than {limits.tree_files} files")
    return [file for file in files if file.is_file()]


def _files_of(
    path: Path, root: Path, limits: VolumeLimits, skipped: list[SkippedFile]
) -> list[Path]:
    """Return the file itself, or the files that it lists where it is a DICOMDIR."""
    if file_kind(path) != "dicom":
        return [path]
    listed = directory_files(path, limits)
    if listed is None:
        return [path]
    missing = [file for file in listed if not file.is_file()]
    skipped.extend(
        SkippedFile(_relative(file, root), "MV2200", "the DICOMDIR lists it, but it is not there")
        for file in missing
    )
    return [file for file in listed if file.is_file()]


def _image_headers(file: Path, limits: VolumeLimits) -> list[SliceHeader]:
    """Read the slices of a file; an index of other files is none."""
    headers = read_slice_headers(file, limits)
    kind = object_kind(headers[0])
    if kind == "no image" and is_ct_image(headers[0]):
        raise VolumeError(
            "MV2202",
            f"{file.name} is cut off: a CT image that ends before its pixels",
            hint="copy the file again",
        )
    return [] if kind == "directory" else headers


def _dicom_series(headers: Sequence[SliceHeader], root: Path) -> list[FoundSeries]:
    groups = group_slices(headers)
    bases = [_base_name(group, root) for _, group in groups]
    shared = Counter(bases)
    numbers: Counter[str] = Counter()
    found = []
    for base, (parted_by, group) in zip(bases, groups, strict=True):
        numbers[base] += 1
        first = group[0]
        found.append(
            FoundSeries(
                name=f"{base}#{numbers[base]}" if shared[base] > 1 else base,
                kind=_series_kind(group),
                format="dicom",
                path=first.path if len({item.path for item in group}) == 1 else first.path.parent,
                headers=tuple(group),
                modality=first.modality,
                phase=first.phase,
                derivation=_derivation(first),
                parted_by=parted_by,
            )
        )
    return found


def _base_name(group: Sequence[SliceHeader], root: Path) -> str:
    paths = {header.path for header in group}
    if len(paths) == 1:
        return _relative(next(iter(paths)), root)
    return _relative(Path(os.path.commonpath(sorted(paths))), root)


def _series_kind(group: Sequence[SliceHeader]) -> SeriesKind:
    kind = object_kind(group[0])
    if kind == "slice":
        return "volume" if len(group) > 1 else "single slice"
    if kind in {"scout", "capture", "segmentation"}:
        return kind
    return "other"


def _derivation(header: SliceHeader) -> str:
    words = set(header.image_type)
    if words & _PROJECTIONS:
        return "projection"
    return "reformatted" if words & _REFORMATS else "original"


def _relative(path: Path, root: Path) -> str:
    name = os.path.relpath(path, root)
    return root.name if name == "." else Path(name).as_posix()
