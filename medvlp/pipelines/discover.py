"""Find the cases in a folder, a file or a manifest, sorted by content and not by suffix."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medvlp.errors import UsageError, WorkerError
from medvlp.io import case_keys
from medvlp.jobs.workers import WorkerLimits, run_in_worker
from medvlp.pipelines.manifest import ManifestRow, read_case_manifest
from medvlp.pipelines.sniff import DicomHead, read_dicom_heads, sniff_file
from medvlp.types import Case

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from medvlp.types import Modality

__all__ = ["Discovery", "Skipped", "discover_cases"]

_HEADER_LIMITS = WorkerLimits(memory_bytes=2 * 2**30, stall_s=60.0)


@dataclass(frozen=True)
class Skipped:
    """A file that is no case.

    Attributes:
        name: Path below the input folder.
        why: What the file is, in words.
    """

    name: str
    why: str


@dataclass(frozen=True)
class Discovery:
    """What was found: the cases in the order of their ids, and the files left aside."""

    cases: tuple[Case, ...]
    skipped: tuple[Skipped, ...]


def discover_cases(
    source: Path, *, exclude: Iterable[Path] = (), slide_mpp: float | None = None
) -> Discovery:
    """Find the cases of an input.

    A file is taken as it is; a ``.csv`` or ``.parquet`` file is a manifest; a folder is walked
    (hidden entries and ``exclude`` left out) and every file is judged by its content. The levels of
    one DICOM slide are one case. Missing files of a manifest stay cases: their reader reports them.

    Args:
        source: A file, a folder or a manifest.
        exclude: Folders below ``source`` that are outputs and not inputs.
        slide_mpp: Micrometres per level-0 pixel for slides whose metadata states none; the
            manifest's column of the same name goes first.

    Raises:
        UsageError: MV1101 if the input does not exist, MV1102 if it holds no case.
    """
    if not source.exists():
        raise UsageError(
            "MV1101",
            f"input {source} does not exist",
            expected="a file, a folder or a manifest (.csv, .parquet)",
        )
    if source.is_dir():
        found = _walk(source, {path.resolve() for path in exclude})
        rows, skipped = _sort_by_content(source, found)
    elif source.suffix.lower() in {".csv", ".parquet"}:
        rows, skipped = _rows_of_manifest(read_case_manifest(source)), []
    else:
        rows, skipped = _single_file(source), []
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
    manifest: ManifestRow
    modality: Modality
    companions: tuple[Path, ...] = ()


def _name_cases(rows: Sequence[_Row], slide_mpp: float | None) -> tuple[Case, ...]:
    ordered = sorted(rows, key=lambda row: row.manifest.case_id)
    keys = case_keys([row.manifest.case_id for row in ordered])
    return tuple(
        Case(
            case_id=row.manifest.case_id,
            case_key=keys[row.manifest.case_id],
            path=row.manifest.path,
            modality=row.modality,
            slide_mpp=row.manifest.slide_mpp or slide_mpp,
            companions=row.companions,
        )
        for row in ordered
    )


def _walk(folder: Path, exclude: set[Path]) -> list[Path]:
    found: list[Path] = []
    for root, folders, files in os.walk(folder):
        here = Path(root)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and (here / name).resolve() not in exclude
        )
        found += [here / name for name in sorted(files) if not name.startswith(".")]
    return found


def _rows_of_manifest(rows: Sequence[ManifestRow]) -> list[_Row]:
    return [_Row(row, _modality_of_file(row.path)) for row in rows]


def _single_file(path: Path) -> list[_Row]:
    return [_Row(ManifestRow(case_id=path.name, path=path), _modality_of_file(path))]


def _modality_of_file(path: Path) -> Modality:
    """Return the modality of a named file; what is not recognised is a slide to refuse."""
    try:
        sniffed = sniff_file(path)
    except OSError:
        return "slide"
    if sniffed.is_dicom:
        return _read_heads([path])[path].modality or "slide"
    return sniffed.modality or "slide"


def _sort_by_content(folder: Path, found: Sequence[Path]) -> tuple[list[_Row], list[Skipped]]:
    rows: list[_Row] = []
    skipped: list[Skipped] = []
    dicom: list[Path] = []

    def row(path: Path, modality: Modality, companions: tuple[Path, ...] = ()) -> _Row:
        case_id = path.relative_to(folder).as_posix()
        return _Row(ManifestRow(case_id=case_id, path=path), modality, companions)

    for path in found:
        try:
            sniffed = sniff_file(path)
        except OSError as error:
            skipped.append(Skipped(path.relative_to(folder).as_posix(), f"unreadable: {error}"))
            continue
        if sniffed.is_dicom:
            dicom.append(path)
        elif sniffed.modality is not None:
            rows.append(row(path, sniffed.modality))
        else:
            skipped.append(Skipped(path.relative_to(folder).as_posix(), sniffed.why))

    heads = _read_heads(dicom)
    series: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    for path, head in heads.items():
        if head.modality is None:
            skipped.append(Skipped(path.relative_to(folder).as_posix(), head.why))
        elif head.series_uid and head.modality != "radiograph":
            series[path.parent, head.series_uid].append(path)
        else:
            rows.append(row(path, head.modality))
    for paths in series.values():
        first = min(paths, key=lambda path: (not heads[path].is_volume_level, path.name))
        others = tuple(path for path in paths if path != first)
        rows.append(row(first, heads[first].modality or "slide", others))
    return rows, skipped


def _read_heads(paths: Sequence[Path]) -> dict[Path, DicomHead]:
    """Read DICOM headers in a worker; where one file breaks the worker, ask for each alone."""
    if not paths:
        return {}
    try:
        return dict(
            zip(paths, run_in_worker(read_dicom_heads, paths, limits=_HEADER_LIMITS), strict=True)
        )
    except WorkerError as error:
        if len(paths) == 1:
            head = DicomHead("slide", "", is_volume_level=False, why=f"unreadable DICOM: {error}")
            return {paths[0]: head}
        return {path: _read_heads([path])[path] for path in paths}
