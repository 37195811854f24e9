"""A tree of scans in, one store file for each and a manifest out."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatch
from typing import TYPE_CHECKING

from medvlp.config.run_tables import write_case_rows
from medvlp.config.runs import CaseRow
from medvlp.errors import VolumeError
from medvlp.io import case_keys, content_sha256, json_sha256, write_csv
from medvlp.jobs.runner import JobItem, run_items
from medvlp.jobs.workers import WorkerLimits, run_in_worker
from medvlp.pipelines.cases import failure_rows
from medvlp.volumes.archives import unpacked_zip
from medvlp.volumes.dicom_reader import IrregularChoice
from medvlp.volumes.files import file_kind
from medvlp.volumes.hounsfield import require_hounsfield
from medvlp.volumes.reader import open_found
from medvlp.volumes.series import FoundSeries, SeriesTree, find_series
from medvlp.volumes.store import STORE_SUFFIX, open_stored, write_stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from medvlp.jobs.progress import ProgressSink
    from medvlp.jobs.runner import JobReport, LeaseSettings

__all__ = [
    "MANIFEST_COLUMNS",
    "ConvertSettings",
    "ScanDiscovery",
    "convert_scans",
    "discover_scans",
]

MANIFEST_COLUMNS = (
    *("case_id", "volume", "modality", "phase", "axes", "depth", "height", "width"),
    *("spacing_z_mm", "spacing_y_mm", "spacing_x_mm", "geometry_sha256", "source_sha256"),
    "findings",
)
"""Columns of ``volumes.csv``; ``volume`` is the path of the store file below the folder."""

_SKIPPED_COLUMNS = ("name", "code", "reason")


@dataclass(frozen=True, kw_only=True)
class ConvertSettings:
    """How scans are converted."""

    exclude: tuple[str, ...] = ()
    """Patterns of names that are left out, such as ``*seg*``; one with a ``/`` is compared with the
    whole path below the source, others with its last part."""

    modalities: tuple[str, ...] = ("CT",)
    """DICOM's words for what is converted; formats that do not tell always are."""

    irregular: IrregularChoice = "refuse"
    """What becomes of missing, uneven or leaning slices: ``refuse`` or ``resample``."""

    require_hounsfield: bool = True
    """Whether values that are no Hounsfield units, such as label maps, are refused."""

    limits: WorkerLimits = field(default_factory=WorkerLimits)
    """Memory and time that one scan may take."""


@dataclass(frozen=True)
class ScanDiscovery:
    """What lies in a source.

    Attributes:
        tree: All series, and files that belong to none.
        scans: The series that are converted.
    """

    tree: SeriesTree
    scans: tuple[FoundSeries, ...]


@contextmanager
def discover_scans(source: Path, settings: ConvertSettings) -> Iterator[ScanDiscovery]:
    """Find the scans of a folder, file or zip; a zip lies unpacked meanwhile.

    Args:
        source: Where to look.
        settings: What is converted.

    Yields:
        What was found; it can be converted inside the ``with`` block.

    Raises:
        VolumeError: If the source itself cannot be read.
    """
    with ExitStack() as stack:
        if source.is_file() and file_kind(source) == "zip":
            source = stack.enter_context(unpacked_zip(source))
        tree = run_in_worker(find_series, source, limits=settings.limits)
        scans = tuple(
            series
            for series in tree.series
            if series.kind == "volume"
            and (series.modality in settings.modalities or not series.modality)
            and not any(_matches(series.name, pattern) for pattern in settings.exclude)
        )
        yield ScanDiscovery(tree, scans)


def convert_scans(
    discovery: ScanDiscovery,
    settings: ConvertSettings,
    out: Path,
    *,
    progress: ProgressSink,
    lease: LeaseSettings,
) -> JobReport:
    """Convert scans to int16 Hounsfield units in chunks.

    ``out`` then holds ``volumes/<case_key>.b2nd``, ``volumes.csv`` (the manifest), ``cases.csv``,
    ``failures.csv`` and ``skipped.csv`` (files that belong to no scan).

    Args:
        discovery: The scans.
        settings: How they are converted.
        out: Output folder; several processes may share it.
        progress: Shows rate and time left.
        lease: How long a silent process keeps its scan.

    Returns:
        What became of each scan.
    """
    keys = case_keys(scan.name for scan in discovery.scans)
    items = [JobItem(keys[scan.name], scan.name, scan) for scan in discovery.scans]
    report = run_items(
        items,
        _worker(settings, out),
        is_done=_check(settings, out),
        state_folder=out / ".medvlp" / "convert",
        progress=progress,
        lease=lease,
    )
    _write_tables(out, items, discovery.tree, report)
    return report


def _matches(name: str, pattern: str) -> bool:
    return fnmatch(name if "/" in pattern else name.rpartition("/")[2], pattern)


def _worker(
    settings: ConvertSettings, out: Path
) -> Callable[[JobItem[FoundSeries], Callable[[str], None]], None]:
    def work(item: JobItem[FoundSeries], note_stage: Callable[[str], None]) -> None:
        note_stage("read and store")
        run_in_worker(
            _convert, item.payload, settings, _store_path(out, item.key), limits=settings.limits
        )

    return work


def _convert(scan: FoundSeries, settings: ConvertSettings, path: Path) -> None:
    """Read one scan and store it; runs in a process of its own."""
    source = open_found(scan, modalities=settings.modalities, irregular=settings.irregular)
    volume = source.read()
    if settings.require_hounsfield:
        require_hounsfield(scan.name, volume)
    write_stored(path, volume, source_sha256=_fingerprint(scan, settings))


def _check(settings: ConvertSettings, out: Path) -> Callable[[JobItem[FoundSeries]], bool]:
    def is_done(item: JobItem[FoundSeries]) -> bool:
        path = _store_path(out, item.key)
        if not path.exists():
            return False
        found, wanted = open_stored(path).source_sha256, _fingerprint(item.payload, settings)
        if found != wanted:
            raise VolumeError(
                "MV2253",
                f"{item.case_id} was stored from other files or with other settings ({found[:12]})",
                expected=f"files and settings of this run ({wanted[:12]})",
                hint="choose another output folder, or delete the stored file",
            )
        return True

    return is_done


def _fingerprint(scan: FoundSeries, settings: ConvertSettings) -> str:
    """Hash the bytes of a scan's files together with the settings that change its values."""
    files = sorted({header.path for header in scan.headers}) or [scan.path]
    chosen = {name: asdict(settings)[name] for name in ("modalities", "irregular")}
    hashes = sorted(content_sha256(file, companions=False) for file in files)
    return json_sha256({"files": hashes, **chosen})


def _store_path(out: Path, key: str) -> Path:
    return out / "volumes" / f"{key}{STORE_SUFFIX}"


def _write_tables(
    out: Path, items: Sequence[JobItem[FoundSeries]], tree: SeriesTree, report: JobReport
) -> None:
    failed = {outcome.key for outcome in report.failures}
    rows = [_manifest_row(out, item) for item in items if item.key not in failed]
    cases = [
        CaseRow(case_id=item.case_id, case_key=item.key, path=str(item.payload.path.resolve()))
        for item in items
    ]
    write_csv(out / "volumes.csv", rows, MANIFEST_COLUMNS)
    write_csv(out / "skipped.csv", [asdict(entry) for entry in tree.skipped], _SKIPPED_COLUMNS)
    write_case_rows(out, failure_rows(report), cases)


def _manifest_row(out: Path, item: JobItem[FoundSeries]) -> dict[str, object]:
    path = _store_path(out, item.key)
    stored = open_stored(path)
    geometry = stored.geometry
    depth, height, width = geometry.shape_zyx
    z_mm, y_mm, x_mm = geometry.spacing_zyx_mm
    return {
        "case_id": item.case_id,
        "volume": path.relative_to(out).as_posix(),
        "modality": stored.modality,
        "phase": stored.phase,
        "axes": geometry.axis_codes,
        "depth": depth,
        "height": height,
        "width": width,
        "spacing_z_mm": z_mm,
        "spacing_y_mm": y_mm,
        "spacing_x_mm": x_mm,
        "geometry_sha256": geometry.geometry_sha256,
        "source_sha256": stored.source_sha256,
        "findings": " ".join(finding.code for finding in stored.findings),
    }
