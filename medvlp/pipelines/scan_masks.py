"""Which label map belongs to which scan: by name, by folder, by the patient's coordinate system."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from medvlp.errors import UsageError, VolumeError
from medvlp.volumes.files import file_kind
from medvlp.volumes.organ_masks import is_organ_folder, mask_stem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["FoundMask", "ScanPlace", "bare_stem", "group_organs", "masks_below", "pair_masks"]

_Key = TypeVar("_Key")

_CHANNEL = re.compile(r"_0000$")
_MASK_KINDS = frozenset({"nifti", "nifti-gzip", "nrrd", "metaimage", "dicom"})


@dataclass(frozen=True, kw_only=True)
class ScanPlace:
    """Where a scan lies.

    Attributes:
        case_id: Name of the case.
        folder: Folder of its file, or of its slices.
        stem: Name of its file without the suffix, or of the folder of its slices.
        is_folder: Whether it is the slices of a folder.
        frame_uid: UID of the patient's coordinate system, or empty.
    """

    case_id: str
    folder: Path
    stem: str
    is_folder: bool = False
    frame_uid: str = ""


@dataclass(frozen=True, kw_only=True)
class FoundMask:
    """A label map, or a folder with one file for each organ.

    Attributes:
        path: The file or folder.
        place: Where it counts as lying: the same, or its place below ``--masks`` in the input.
        frame_uid: UID of the coordinate system of a DICOM segmentation, or empty.
        is_given: Whether it lies below ``--masks``, where the name alone can tell its scan.
        case_id: Name of the case that its path below ``--masks`` spells, or empty.
    """

    path: Path
    place: Path
    frame_uid: str = ""
    is_given: bool = False
    case_id: str = ""


def masks_below(folder: Path, root: Path) -> list[FoundMask]:
    """Find the masks of a folder that mirrors the input.

    Args:
        folder: What ``--masks`` names.
        root: The input folder whose tree the masks follow.

    Raises:
        UsageError: MV1101 if the folder does not exist, MV1121 if it holds no mask.
    """
    if not folder.is_dir():
        raise UsageError(
            "MV1101", f"--masks {folder} is no folder", expected="a folder of label maps"
        )
    files = [
        Path(parent, name)
        for parent, folders, names in os.walk(folder)
        if not folders.sort()
        for name in sorted(names)
        if not name.startswith(".") and _may_be_mask(Path(parent, name))
    ]
    if not files:
        raise UsageError(
            "MV1121",
            f"--masks {folder} holds no label map",
            expected="NIfTI, NRRD, MetaImage or DICOM SEG files named as the scans",
        )
    return group_organs(_given_mask(file, file.relative_to(folder), root) for file in files)


def _given_mask(path: Path, below: Path, root: Path) -> FoundMask:
    case_id = below.with_name(bare_stem(below.name)).as_posix()
    return FoundMask(path=path, place=root / below, is_given=True, case_id=case_id)


def group_organs(masks: Iterable[FoundMask]) -> list[FoundMask]:
    """Take the files of a folder as one mask where each is named after an organ."""
    by_folder: dict[Path, list[FoundMask]] = defaultdict(list)
    for mask in masks:
        by_folder[mask.path.parent].append(mask)
    found: list[FoundMask] = []
    for folder, inside in by_folder.items():
        if is_organ_folder([mask.path.name for mask in inside]):
            first = inside[0]
            whose = first.case_id.rpartition("/")[0]
            found.append(replace(first, path=folder, place=first.place.parent, case_id=whose))
        else:
            found.extend(inside)
    return found


def pair_masks(
    scans: Sequence[ScanPlace], masks: Sequence[FoundMask]
) -> tuple[dict[str, Path], dict[Path, str]]:
    """Give each scan the mask that belongs to it.

    A DICOM segmentation belongs to the scans in its coordinate system. Other masks belong to the
    scan beside them whose name theirs begins with, else to the only scan beside them; beside means
    the same folder, the folder above, or a folder of masks next to that of the scan. A mask below
    ``--masks`` goes to the case whose name its path spells; where it lies beside none, it belongs
    to the only scan of its name, wherever that lies.

    Args:
        scans: The scans.
        masks: The masks.

    Returns:
        The mask of each case that has one, and why the other masks are not used.
    """
    near = _Neighbourhood(scans)
    chosen: dict[str, Path] = {}
    unused: dict[Path, str] = {}
    for mask in sorted(masks, key=lambda mask: mask.path):
        owners = near.owners(mask)
        if not owners:
            unused[mask.path] = "a label map that belongs to no scan by place and name"
        for owner in owners:
            if owner.case_id in chosen:
                unused[mask.path] = f"a further label map of {owner.case_id}"
            else:
                chosen[owner.case_id] = mask.path
    return chosen, unused


class _Neighbourhood:
    """The scans, by where they lie.

    Args:
        scans: The scans.
    """

    def __init__(self, scans: Sequence[ScanPlace]) -> None:
        self._by_folder = _grouped((scan.folder, scan) for scan in scans)
        self._by_parent = _grouped((scan.folder.parent, scan) for scan in scans)
        self._by_grandparent = _grouped((scan.folder.parent.parent, scan) for scan in scans)
        self._by_frame = _grouped((scan.frame_uid, scan) for scan in scans if scan.frame_uid)
        self._by_stem = _grouped((scan.stem, scan) for scan in scans)
        self._by_case = _grouped((scan.case_id, scan) for scan in scans)

    def owners(self, mask: FoundMask) -> list[ScanPlace]:
        """Return the scans that a mask belongs to."""
        in_frame = self._by_frame.get(mask.frame_uid, [])
        if in_frame:
            return list(in_frame)
        if mask.case_id in self._by_case:
            return self._by_case[mask.case_id]
        folder, stem = mask.place.parent, bare_stem(mask.place.name)
        beside = [*self._by_folder.get(folder, []), *self._folders_in(folder)]
        named = _named_after(stem, beside)
        if named:
            return named
        if len(beside) == 1:
            return beside
        inside = [
            scan for scan in self._by_folder.get(folder.parent, []) if scan.stem == folder.name
        ]
        if inside:
            return inside if len(inside) == 1 else []
        next_to = [] if beside else self._in_folders_of(folder.parent)
        namesakes = [scan for scan in next_to if scan.stem == stem]
        if not namesakes and mask.is_given:
            namesakes = self._by_stem.get(stem, [])
        return namesakes if len(namesakes) == 1 else []

    def _in_folders_of(self, folder: Path) -> list[ScanPlace]:
        """Return the scans in the folders of a folder: files there, and series in a folder."""
        series = self._by_grandparent.get(folder, [])
        return [*self._by_parent.get(folder, []), *(scan for scan in series if scan.is_folder)]

    def _folders_in(self, folder: Path) -> list[ScanPlace]:
        return [scan for scan in self._by_parent.get(folder, []) if scan.is_folder]


def _grouped(pairs: Iterable[tuple[_Key, ScanPlace]]) -> Mapping[_Key, list[ScanPlace]]:
    found: dict[_Key, list[ScanPlace]] = defaultdict(list)
    for key, scan in pairs:
        found[key].append(scan)
    return found


def _named_after(stem: str, scans: Sequence[ScanPlace]) -> list[ScanPlace]:
    """Return the scan whose name a mask's name begins with; the longest name wins."""
    fitting = [
        scan
        for scan in scans
        if stem == scan.stem or (stem.startswith(scan.stem) and not stem[len(scan.stem)].isalnum())
    ]
    longest = max((len(scan.stem) for scan in fitting), default=0)
    best = [scan for scan in fitting if len(scan.stem) == longest]
    return best if len(best) == 1 else []


def bare_stem(name: str) -> str:
    """Return a file's name without its suffix and without the channel of nnU-Net (``_0000``)."""
    return _CHANNEL.sub("", mask_stem(name))


def _may_be_mask(path: Path) -> bool:
    try:
        return file_kind(path) in _MASK_KINDS
    except VolumeError:
        return False
