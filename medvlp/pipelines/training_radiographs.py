"""Radiographs, reports and labels in, a folder of framed pictures to train from out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from medvlp.config.run_tables import write_case_rows
from medvlp.config.runs import CaseRow
from medvlp.data.radiograph_pairs import (
    RadiographRecord,
    image_layout,
    write_radiograph_pairs,
)
from medvlp.data.row_store import RowStore, write_rows
from medvlp.errors import DataError
from medvlp.io import case_keys, content_sha256, json_sha256, write_json
from medvlp.jobs.progress import NullProgress
from medvlp.jobs.runner import JobItem, run_items
from medvlp.jobs.shared_runs import beside, rotated
from medvlp.jobs.workers import WorkerLimits
from medvlp.pipelines.cases import failure_rows
from medvlp.pipelines.part_notes import file_stamps, read_note, refuse_repeated
from medvlp.pipelines.radiograph_framing import FramingWorker, RadiographFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from medvlp.data.radiograph_manifest import RadiographPairsInfo
    from medvlp.jobs.outcomes import JobReport
    from medvlp.jobs.progress import ProgressSink
    from medvlp.jobs.runner import LeaseSettings
    from medvlp.pipelines.radiograph_rows import TrainingRadiograph

__all__ = ["RadiographSettings", "prepare_radiographs"]

_STATE = ".medvlp/radiographs"


@dataclass(frozen=True, kw_only=True)
class RadiographSettings:
    """How radiographs become a folder to train from.

    Attributes:
        size_px: Side of the square.
        bits: 8 or 16 bits of a stored gray level.
        findings: Names of the findings that labels may be about.
        book: YAML text of the book of findings that goes with the folder; empty for none.
        book_name: Name of the book that the names are from.
        book_sha256: Hash of its content.
        schema_name: The rules that labels were read by; empty for none.
        limits: Memory and time that one file may take.
    """

    size_px: int
    bits: int
    findings: tuple[str, ...]
    book: str = ""
    book_name: str = ""
    book_sha256: str = ""
    schema_name: str = ""
    limits: WorkerLimits = field(default_factory=WorkerLimits)


def prepare_radiographs(
    rows: Sequence[TrainingRadiograph],
    settings: RadiographSettings,
    out: Path,
    *,
    progress: ProgressSink,
    lease: LeaseSettings,
    processes: int = 1,
) -> JobReport:
    """Frame every radiograph of a manifest, and gather them into one folder.

    ``out`` then holds ``images.b2nd``, ``samples.parquet`` and ``radiograph_pairs.json`` (see
    :mod:`medvlp.data.radiograph_manifest`) of the files that could be read, ``cases.csv`` and
    ``failures.csv``. Every framed picture is kept below ``.medvlp``: the same call goes on after a
    stop, and several processes may share the folder.

    Args:
        rows: The rows of the manifest.
        settings: How they are framed.
        out: Output folder.
        progress: Shows rate and time left.
        lease: How long a silent process keeps its file.
        processes: Number of processes that read files here.

    Returns:
        What became of each file.

    Raises:
        DataError: MV1798 if no radiograph could be used.
    """
    items = _items(rows)
    parts = _Parts(out / _STATE / "parts", settings, items)
    shared = _Shared(tuple(rows), settings, out, lease, processes)
    helpers = max(min(processes, len(items)) - 1, 0)
    with beside(_help, shared, num_helpers=helpers):
        report = _run(items, parts, shared, progress)
    report = refuse_repeated(
        items,
        report,
        lambda key: f"{parts.note(key)['sha256']}:{parts.note(key)['frame']}",
        code="MV1811",
        hint="list each picture once, for one patient",
    )
    _gather(items, report, parts, out)
    cases = [
        CaseRow(case_id=i.case_id, case_key=i.key, path=str(i.payload.path.resolve()))
        for i in items
    ]
    write_case_rows(out, failure_rows(report), cases)
    return report


def _items(rows: Sequence[TrainingRadiograph]) -> list[JobItem[TrainingRadiograph]]:
    keys = case_keys(row.case_id for row in rows)
    return [JobItem(keys[row.case_id], row.case_id, row) for row in rows]


@dataclass(frozen=True)
class _Shared:
    """What all processes of a run are told."""

    rows: tuple[TrainingRadiograph, ...]
    settings: RadiographSettings
    out: Path
    lease: LeaseSettings
    processes: int


def _help(shared: _Shared, number: int) -> None:
    """Frame pictures beside the calling process, silently; it lists what fails."""
    items = _items(shared.rows)
    order = [items[place] for place in rotated(len(items), number, shared.processes)]
    parts = _Parts(shared.out / _STATE / "parts", shared.settings, order)
    _run(order, parts, shared, NullProgress())


def _run(
    items: Sequence[JobItem[TrainingRadiograph]],
    parts: _Parts,
    shared: _Shared,
    progress: ProgressSink,
) -> JobReport:
    try:
        return run_items(
            items,
            parts.work,
            is_done=parts.is_done,
            state_folder=shared.out / _STATE,
            progress=progress,
            lease=shared.lease,
        )
    finally:
        parts.reading.close()


class _Parts:
    """Framed pictures of single files, as they lie until they are gathered.

    Args:
        folder: Where they are.
        settings: How they are framed.
        items: The files, in the order in which they are worked on.
    """

    def __init__(
        self,
        folder: Path,
        settings: RadiographSettings,
        items: Sequence[JobItem[TrainingRadiograph]],
    ) -> None:
        self.folder = folder
        self.settings = settings
        files = [
            RadiographFile(item.key, item.payload.path, item.payload.frame)
            for item in items
            if item.payload.fault is None
        ]
        self.reading = FramingWorker(files, settings.size_px, settings.bits, settings.limits)
        self._layout = image_layout(settings.size_px, settings.bits)
        self._settings_sha256 = json_sha256([settings.size_px, settings.bits])

    def work(self, item: JobItem[TrainingRadiograph], note_stage: Callable[[str], None]) -> None:
        """Frame one picture."""
        row = _usable(item.payload)
        note_stage("read")
        framed = self.reading.framed(item.key)
        note_stage("store")
        self.folder.mkdir(parents=True, exist_ok=True)
        (checksum,) = write_rows(self._array(item.key), [framed.gray], 1, self._layout)
        described = {name: value for name, value in vars(framed).items() if name != "gray"} | {
            "checksum": checksum,
            "frame": row.frame,
            "settings_sha256": self._settings_sha256,
            "files": file_stamps((row.path,)),
        }
        write_json(self._note(item.key), described)

    def is_done(self, item: JobItem[TrainingRadiograph]) -> bool:
        """Tell whether the picture is there, framed as it would be framed now."""
        row = _usable(item.payload)
        if not self._note(item.key).exists():
            return False
        note = self.note(item.key)
        is_same = note.get("files") == file_stamps((row.path,)) or (
            row.path.is_file() and note.get("sha256") == content_sha256(row.path)
        )
        wanted = (self._settings_sha256, row.frame)
        if (note.get("settings_sha256"), note.get("frame")) != wanted or not is_same:
            raise DataError(
                "MV1799",
                f"{item.case_id} was framed from another file or with other settings",
                expected="the files and settings of this run",
                hint="choose another output folder, or delete its folder .medvlp",
            )
        return True

    def note(self, key: str) -> dict[str, Any]:
        """Return what was written beside a picture."""
        return read_note(self._note(key))

    def gray(self, key: str) -> NDArray[Any]:
        """Return a framed picture."""
        return RowStore(self._array(key), 1, self._layout).read(0, self.note(key)["checksum"])

    def _array(self, key: str) -> Path:
        return self.folder / f"{key}.b2nd"

    def _note(self, key: str) -> Path:
        return self.folder / f"{key}.json"


def _usable(row: TrainingRadiograph) -> TrainingRadiograph:
    if row.fault is not None:
        raise row.fault
    return row


def _gather(
    items: Sequence[JobItem[TrainingRadiograph]], report: JobReport, parts: _Parts, out: Path
) -> RadiographPairsInfo:
    settings = parts.settings
    counts: Counter[str] = Counter(files=len(items), failed=len(report.failures))
    keys: list[str] = []
    records: list[RadiographRecord] = []
    for item, outcome in zip(items, report.outcomes, strict=True):
        if outcome.status != "failed":
            keys.append(item.key)
            records.append(_record(item, parts.note(item.key), counts))
    if not records:
        first = next((o.reason for o in report.failures), "no radiograph is listed")
        raise DataError(
            "MV1798",
            f"no radiograph is left of {len(items)}; the first failed with: {first}",
            expected="one radiograph at least that can be read",
            hint=f"see {out / 'failures.csv'}" if report.failures else "",
        )
    counts["pictures"] = len(records)
    counts["patients"] = len({record.patient for record in records})
    describe = {
        "size_px": settings.size_px,
        "bits": settings.bits,
        "findings": settings.findings,
        "book_name": settings.book_name,
        "book_sha256": settings.book_sha256,
        "schema_name": settings.schema_name,
        "counts": dict(sorted(counts.items())),
    }
    images: Iterator[NDArray[Any]] = (parts.gray(key) for key in keys)
    return write_radiograph_pairs(out, records, images, describe, book=settings.book)


def _record(
    item: JobItem[TrainingRadiograph], note: Mapping[str, Any], counts: Counter[str]
) -> RadiographRecord:
    row = item.payload
    view = row.view or note["view"]
    counts[f"view_{view or 'unknown'}"] += 1
    counts[f"values_by_{note['value_range']}"] += 1
    counts["with_report"] += bool(row.report)
    counts["labels_of_columns"] += row.from_columns
    counts["labels_of_reports"] += len(row.labels) - row.from_columns
    height, width = note["shape"]
    frame = "" if row.frame is None else f"_{row.frame}"
    return RadiographRecord(
        sample_id=f"{row.patient}_{note['sha256'][:8]}{frame}",
        patient=row.patient,
        split=row.split,
        height_px=height,
        width_px=width,
        view=view,
        report=row.report,
        labels=dict(row.labels),
        notes=" ".join(note["notes"]),
    )
