"""Find the cases in a folder, a file or a manifest, sorted by content and not by suffix."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medvlp.errors import UsageError
from medvlp.io import case_keys
from medvlp.jobs.workers import run_in_worker
from medvlp.pipelines.manifest import ManifestRow, read_case_manifest
from medvlp.pipelines.scan_masks import ScanPlace, bare_stem, masks_below, pair_masks
from medvlp.pipelines.sniff import HEADER_LIMITS, sniff_tree
from medvlp.pipelines.sort_files import CaseFiles, Skipped, sort_files
from medvlp.types import Case
from medvlp.volumes.dicom_directory import directory_files
from medvlp.volumes.limits import VolumeLimits

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from medvlp.pipelines.sniff import Sniffed
    from medvlp.types import Modality

__all__ = ["Discovery", "Skipped", "discover_cases"]

_LINK = "a link to a folder, which is not followed; name the folder itself as the input"


@dataclass(frozen=True)
class Discovery:
    """What was found: the cases in the order of their ids, and what was left aside."""

    cases: tuple[Case, ...]
    skipped: tuple[Skipped, ...]


def discover_cases(
    source: Path,
    *,
    exclude: Iterable[Path] = (),
    slide_mpp: float | None = None,
    masks: Path | None = None,
) -> Discovery:
    """Find the cases of an input.

    A file is taken as it is; a ``.csv`` or ``.parquet`` file is a manifest; a folder is walked
    (hidden entries and ``exclude`` left out) and every file is judged by its content. The levels of
    one DICOM slide are one case, and so are the slices of one series. Missing files of a manifest
    stay cases: their reader reports them.

    Args:
        source: A file, a folder or a manifest.
        exclude: Folders below ``source`` that are outputs and not inputs.
        slide_mpp: Micrometres per level-0 pixel for slides whose metadata states none; the
            manifest's column of the same name goes first.
        masks: A folder of label maps that mirrors ``source``, or the one label map of one scan; the
            manifest's column ``mask`` goes first.

    Raises:
        UsageError: MV1101 if the input or ``masks`` does not exist, MV1102 if it holds no case,
            MV1121 if no mask fits a scan.
    """
    if not source.exists():
        raise UsageError(
            "MV1101",
            f"input {source} does not exist",
            expected="a file, a folder or a manifest (.csv, .parquet)",
        )
    if source.is_dir():
        left_out = {path.resolve() for path in (*exclude, *([masks] if masks else ()))}
        files, links = _walk(source, left_out)
        rows, skipped = _sort_tree(source, files, masks)
        skipped += [Skipped(link.relative_to(source).as_posix(), _LINK) for link in links]
    elif source.suffix.lower() in {".csv", ".parquet"}:
        rows, skipped = _rows_of_manifest(read_case_manifest(source), source.parent, masks), []
    else:
        rows, skipped = _single_file(source, masks)
    if not rows:
        raise UsageError(
            "MV1102",
            f"no slide, scan or image was found in {source} ({len(skipped)} other files)",
            expected="at least one image file",
            hint="check the path, or pass a manifest with a column 'path'",
        )
    return Discovery(
        _name_cases(rows, slide_mpp), tuple(sorted(skipped, key=lambda entry: entry.name))
    )


@dataclass(frozen=True)
class _Row:
    files: CaseFiles
    slide_mpp: float | None = None
    mask: Path | None = None


def _name_cases(rows: Sequence[_Row], slide_mpp: float | None) -> tuple[Case, ...]:
    ordered = sorted(rows, key=lambda row: row.files.case_id)
    keys = case_keys([row.files.case_id for row in ordered])
    return tuple(
        Case(
            case_id=row.files.case_id,
            case_key=keys[row.files.case_id],
            path=row.files.path,
            modality=row.files.modality,
            slide_mpp=row.slide_mpp or slide_mpp,
            companions=row.files.companions,
            mask=row.mask,
            series=row.files.series,
        )
        for row in ordered
    )


def _walk(folder: Path, exclude: set[Path]) -> tuple[list[Path], list[Path]]:
    """Return the files of a folder, and the links to folders, which could lead in circles."""
    found: list[Path] = []
    links: list[Path] = []
    for root, folders, files in os.walk(folder):
        here = Path(root)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and (here / name).resolve() not in exclude
        )
        links += [here / name for name in folders if (here / name).is_symlink()]
        found += [here / name for name in sorted(files) if not name.startswith(".")]
    return found, links


def _sort_tree(
    folder: Path, found: Sequence[Path], masks: Path | None
) -> tuple[list[_Row], list[Skipped]]:
    """Sort the files of a folder into cases, each with its mask, and the rest."""
    result = sort_files(sniff_tree(found), folder)
    given = _given_masks(result.cases, masks, folder)
    places = [case.place for case in result.cases if case.place and case.case_id not in given]
    beside, unused = pair_masks(places, result.masks)
    chosen = {**beside, **given}
    skipped = [
        *result.skipped,
        *(Skipped(path.relative_to(folder).as_posix(), why) for path, why in unused.items()),
    ]
    return [_Row(case, mask=chosen.get(case.case_id)) for case in result.cases], skipped


def _rows_of_manifest(rows: Sequence[ManifestRow], folder: Path, masks: Path | None) -> list[_Row]:
    looked_at = sniff_tree([row.path for row in rows if row.path.is_file()])
    by_path = {item.path: item for item in looked_at}
    cases = []
    for row in rows:
        is_folder = row.path.is_dir()
        modality = "ct" if is_folder else _modality_of_file(by_path.get(row.path))
        place = ScanPlace(
            case_id=row.case_id,
            folder=row.path if is_folder else row.path.parent,
            stem=row.path.name if is_folder else bare_stem(row.path.name),
            is_folder=is_folder,
        )
        cases.append(CaseFiles(case_id=row.case_id, path=row.path, modality=modality, place=place))
    given = _given_masks(cases, masks, folder)
    return [
        _Row(case, row.slide_mpp, row.mask or given.get(row.case_id))
        for case, row in zip(cases, rows, strict=True)
    ]


def _single_file(path: Path, masks: Path | None) -> tuple[list[_Row], list[Skipped]]:
    """Return the case of one file; an archive or a DICOMDIR may hold several."""
    (item,) = sniff_tree([path])
    if _is_directory_file(item):
        listed = run_in_worker(directory_files, path, VolumeLimits(), limits=HEADER_LIMITS)
        files = [file for file in listed or [] if file.is_file()]
        return _sort_tree(path.parent, files, masks)
    if item.inner:
        return _sort_tree(path.parent, [path], masks)
    place = ScanPlace(case_id=path.name, folder=path.parent, stem=bare_stem(path.name))
    case = CaseFiles(case_id=path.name, path=path, modality=_modality_of_file(item), place=place)
    given = _given_masks([case], masks, path.parent)
    return [_Row(case, mask=given.get(path.name))], []


def _is_directory_file(item: Sniffed) -> bool:
    """Say whether a file is a DICOMDIR: it has a header and no image."""
    return (
        item.look is not None
        and item.look.kind == "dicom"
        and not (item.look.headers or item.look.code)
    )


def _modality_of_file(item: Sniffed | None) -> Modality:
    """Return the modality of a named file; what is not recognised is a slide to refuse."""
    if item is None or not (item.look or item.is_damaged or item.is_mask):
        return (item.modality if item else None) or "slide"
    sorted_alone = sort_files([item], item.path.parent)
    return sorted_alone.cases[0].modality if sorted_alone.cases else "ct"


def _given_masks(cases: Sequence[CaseFiles], masks: Path | None, folder: Path) -> dict[str, Path]:
    """Pair scans with the masks that the user gave."""
    places = [case.place for case in cases if case.place is not None and case.modality == "ct"]
    if masks is None or not places:
        return {}
    if masks.is_file() and len(places) == 1:
        return {places[0].case_id: masks}
    chosen, _ = pair_masks(places, masks_below(masks, folder))
    if not chosen:
        raise UsageError(
            "MV1121",
            f"no label map in --masks {masks} belongs to one of the {len(places)} scans",
            expected=f"masks with the relative names of the scans, such as {places[0].case_id}",
            hint="or name each mask in the column 'mask' of a manifest",
        )
    return chosen
