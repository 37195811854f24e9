"""Sort the files of a tree, whose content is known, into cases, masks and the rest."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pydicom.uid import UID

from medvlp.pipelines.scan_masks import FoundMask, ScanPlace, bare_stem, group_organs
from medvlp.radiographs.dicom_image import is_radiograph
from medvlp.volumes.dicom_checks import is_ct_image
from medvlp.volumes.series import gather_series

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from medvlp.pipelines.sniff import Sniffed
    from medvlp.types import Modality
    from medvlp.volumes.dicom_slices import SliceHeader
    from medvlp.volumes.series import FileLook, FoundSeries

__all__ = ["WHOLE_SLIDE_UID", "CaseFiles", "Skipped", "SortedFiles", "sort_files"]

WHOLE_SLIDE_UID = "1.2.840.10008.5.1.4.1.1.77.1.6"
_WHAT = {
    "scout": "a localizer, no volume",
    "capture": "a secondary capture, no slices of a body",
}


@dataclass(frozen=True)
class Skipped:
    """A file or series that is no case.

    Attributes:
        name: Path below the input folder.
        why: What it is, in words.
    """

    name: str
    why: str


@dataclass(frozen=True, kw_only=True)
class CaseFiles:
    """The files of one case.

    Attributes:
        case_id: Path below the input folder.
        path: The file, or the first file.
        modality: What kind of case it is.
        companions: Its other files.
        series: Which scan of ``path`` it is where that holds several, else empty.
        place: Where a scan lies, to find its mask by; None for other cases.
    """

    case_id: str
    path: Path
    modality: Modality
    companions: tuple[Path, ...] = ()
    series: str = ""
    place: ScanPlace | None = None


@dataclass
class SortedFiles:
    """What the files of a tree are.

    Attributes:
        cases: Cases of all modalities.
        masks: Label maps, and folders with one file for each organ.
        skipped: The rest, with reasons.
    """

    cases: list[CaseFiles] = field(default_factory=list)
    masks: list[FoundMask] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def sort_files(found: Sequence[Sniffed], root: Path) -> SortedFiles:
    """Sort files into cases, masks and the rest.

    Slices are joined to series wherever they lie, the levels of a slide to slides. A file that
    cannot be read goes with the series of its folder where there is one, whose reader then tells
    of it; otherwise it is a case of its own, which will fail and say why.

    Args:
        found: What each file is.
        root: Folder that names start at.
    """
    result = SortedFiles()
    slides: dict[tuple[Path, str], list[SliceHeader]] = defaultdict(list)
    slices: list[FileLook] = []
    damaged: list[Sniffed] = []
    for item in found:
        name = item.path.relative_to(root).as_posix()
        header = item.look.headers[0] if item.look and item.look.headers else None
        if item.is_damaged:
            damaged.append(item)
        elif header is not None and header.sop_class == WHOLE_SLIDE_UID:
            slides[item.path.parent, header.series_uid or name].append(header)
        elif header is not None and is_radiograph(header.modality, header.sop_class):
            result.cases.append(CaseFiles(case_id=name, path=item.path, modality="radiograph"))
        elif item.look is not None and header is None:
            result.skipped.append(Skipped(name, "an index of other DICOM files"))
        elif item.look is not None:
            slices.append(item.look)
        elif item.is_mask:
            result.masks.append(FoundMask(path=item.path, place=item.path))
        elif item.modality is None:
            result.skipped.append(Skipped(name, item.why))
        else:
            result.cases.extend(_file_cases(item, name))
    result.cases.extend(_slide(headers, root) for headers in slides.values())
    _add_series(result, slices, root)
    _add_damaged(result, damaged, root)
    result.masks = group_organs(result.masks)
    return result


def _file_cases(item: Sniffed, name: str) -> list[CaseFiles]:
    """Return the case of a file, or those of an archive."""
    modality = item.modality or "ct"
    if modality != "ct":
        return [CaseFiles(case_id=name, path=item.path, modality=modality)]
    stem = bare_stem(item.path.name)
    place = ScanPlace(case_id=name, folder=item.path.parent, stem=stem)
    one = CaseFiles(case_id=name, path=item.path, modality="ct", place=place)
    if len(item.inner) < 2:
        return [replace(one, series=item.inner[0])] if item.inner else [one]
    return [
        replace(one, case_id=f"{name}/{series}", series=series, place=None) for series in item.inner
    ]


def _slide(headers: Sequence[SliceHeader], root: Path) -> CaseFiles:
    """Join the levels of a DICOM slide; the one of full resolution names it."""
    paths = {header.path: "VOLUME" in header.image_type[2:3] for header in headers}
    first = min(paths, key=lambda path: (not paths[path], path.name))
    return CaseFiles(
        case_id=first.relative_to(root).as_posix(),
        path=first,
        modality="slide",
        companions=tuple(path for path in paths if path != first),
    )


def _add_series(result: SortedFiles, slices: Sequence[FileLook], root: Path) -> None:
    """Join slices to series, and sort those."""
    tree = gather_series(slices, root)
    result.skipped.extend(Skipped(entry.name, entry.reason) for entry in tree.skipped)
    taken = {case.case_id for case in result.cases}
    shared = Counter(header.path for series in tree.series for header in series.headers[:1])
    for series in tree.series:
        first = series.headers[0]
        if series.kind == "segmentation":
            mask = FoundMask(
                path=first.path, place=first.path, frame_uid=first.frame_of_reference_uid
            )
            result.masks.append(mask)
        elif (why := _why_no_scan(series)) is not None:
            result.skipped.append(Skipped(series.name, why))
        else:
            name = series.name if series.name not in taken else f"{series.name}#1"
            result.cases.append(_series_case(series, name, is_part=shared[first.path] > 1))


def _series_case(series: FoundSeries, name: str, *, is_part: bool) -> CaseFiles:
    paths = list(dict.fromkeys(header.path for header in series.headers))
    first = paths[0]
    is_folder = len(paths) > 1
    place = ScanPlace(
        case_id=name,
        folder=first.parent,
        stem=first.parent.name if is_folder else bare_stem(first.name),
        is_folder=is_folder,
        frame_uid=series.headers[0].frame_of_reference_uid,
    )
    # Passes of one file are told apart by the number that they have in it.
    part = f"{first.name}#{series.name.rpartition('#')[2]}" if is_part else ""
    return CaseFiles(
        case_id=name,
        path=first,
        modality="ct",
        companions=tuple(paths[1:]),
        series=part,
        place=place,
    )


def _why_no_scan(series: FoundSeries) -> str | None:
    """Say why a series is no scan to encode, or return None where it is one."""
    header = series.headers[0]
    count = len(series.headers)
    if series.kind in _WHAT:
        return _WHAT[series.kind]
    if series.kind == "other":
        name = UID(header.sop_class).name
        return f"a DICOM object: {name}" if name else "a DICOM object that tells no class"
    if series.modality != "CT" and not is_ct_image(header):
        word = series.modality[:16] if series.modality.isalnum() else "unknown"
        return f"a series of modality {word} ({count} images), no CT"
    if series.derivation == "projection":
        return f"a projection computed from a scan ({count} images), no original slices"
    return None


def _add_damaged(result: SortedFiles, damaged: Sequence[Sniffed], root: Path) -> None:
    """Hand damaged files to the only series of their folder, or make them cases that fail."""
    by_folder: dict[Path, list[int]] = defaultdict(list)
    for at, case in enumerate(result.cases):
        if case.place is not None and case.place.is_folder:
            by_folder[case.path.parent].append(at)
    for item in damaged:
        owners = by_folder.get(item.path.parent, [])
        name = item.path.relative_to(root).as_posix()
        if len(owners) == 1 and item.path.suffix == result.cases[owners[0]].path.suffix:
            case = result.cases[owners[0]]
            result.cases[owners[0]] = replace(case, companions=(*case.companions, item.path))
        else:
            result.cases.append(CaseFiles(case_id=name, path=item.path, modality="ct"))
