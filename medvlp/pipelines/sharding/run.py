"""Pairs in, a folder of shards out: shard by shard, in any number of processes, with equal bytes.

Every finished shard is kept with its hash beside the output until all are there; then the folder
appears as a whole. The same call goes on after a kill.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medvlp.data.quarantine import QUARANTINE_FILE, BadSample
from medvlp.data.shards import Place, ShardReader, ShardWriter
from medvlp.errors import DataError, MedvlpError, OutputError
from medvlp.io import (
    AlreadyPublishedError,
    content_sha256,
    json_sha256,
    publish_folder,
    read_csv,
    write_csv,
    write_json,
)
from medvlp.jobs.outcomes import JobItem, JobReport, Outcome
from medvlp.jobs.progress import NullProgress
from medvlp.jobs.runner import LeaseSettings, run_items
from medvlp.jobs.shared_runs import beside, rotated
from medvlp.jobs.workers import WorkerLimits, stream_in_worker
from medvlp.pipelines.part_notes import file_stamps, read_note
from medvlp.pipelines.sharding.folder import publish_shards
from medvlp.pipelines.sharding.images import ready_images
from medvlp.pipelines.sharding.sources import ShardSample

if TYPE_CHECKING:
    from medvlp.jobs.progress import ProgressSink
    from medvlp.pipelines.sharding.settings import ShardSettings

__all__ = ["PLAN_FILE", "shard_pairs", "state_folder"]

PLAN_FILE = "sharding.json"
_NOTE = "note.json"
Item = JobItem[tuple[ShardSample, ...]]


@dataclass(frozen=True)
class _Plan:
    """What all processes of a run are told."""

    samples: tuple[ShardSample, ...]
    settings: ShardSettings
    out: Path
    lease: LeaseSettings
    processes: int
    sha256: str

    def is_published(self) -> bool:
        """Tell whether a process has published the folder of this plan."""
        path = self.out / PLAN_FILE
        return path.exists() and read_note(path).get("plan_sha256") == self.sha256


def state_folder(out: Path) -> Path:
    """Return where finished shards wait until all are there."""
    return out.parent / f".{out.name}.shards"


def shard_pairs(
    samples: Sequence[ShardSample],
    settings: ShardSettings,
    out: Path,
    *,
    progress: ProgressSink,
    lease: LeaseSettings,
    processes: int = 1,
) -> JobReport:
    """Write a folder of pairs; bad images are left out, counted and named in ``quarantine.csv``.

    Args:
        samples: What :func:`medvlp.pipelines.sharding.sources.plan_samples` gave.
        settings: How they are written.
        out: The new folder.
        progress: Told of every shard.
        lease: How long a silent process keeps its shard.
        processes: Number of processes; the bytes do not depend on it.

    Returns:
        What became of each shard, and each bad sample as a failure.

    Raises:
        DataError: If more samples are bad than may be (MV1819).
        MedvlpError: If the folder exists and is not of this plan (MV1605).
    """
    sha256 = json_sha256([settings.model_dump(), [_described(s) for s in samples]])
    plan = _Plan(tuple(samples), settings, out, lease, processes, sha256)
    items = _items(plan)
    if _is_taken(out):
        report = _reused(items, plan)
        progress.skip(len(items))
        return report
    try:
        return _made(items, plan, progress)
    except (AlreadyPublishedError, FileNotFoundError, OutputError):
        if not _is_taken(out):
            raise
        return _reused(items, plan)  # another process was the first, and has tidied up


def _is_taken(out: Path) -> bool:
    return out.exists() and any(out.iterdir())


def _made(items: Sequence[Item], plan: _Plan, progress: ProgressSink) -> JobReport:
    helpers = max(min(plan.processes, len(items)) - 1, 0)
    with beside(_help, plan, num_helpers=helpers):
        report = _run(items, plan, progress)
    if report.failures:
        return report
    parts = [_Part(plan, item) for item in items]
    bad = [BadSample(*entry) for part in parts for entry in part.note()["bad"]]
    _check_share(bad, len(plan.samples), plan.settings.most_bad, plan.out)
    _publish(plan, parts, bad)
    shutil.rmtree(state_folder(plan.out), ignore_errors=True)
    return _with_bad(report, bad)


def _described(sample: ShardSample) -> list[Any]:
    return [str(value) if isinstance(value, Path) else value for value in _values(sample)]


def _values(sample: ShardSample) -> list[Any]:
    return [getattr(sample, name) for name in sample.__slots__ if name != "place"]


def _items(plan: _Plan) -> list[Item]:
    size = plan.settings.samples_per_shard
    starts = range(0, len(plan.samples), size)
    return [
        JobItem(f"{number:06d}", f"shard {number:06d}", plan.samples[start : start + size])
        for number, start in enumerate(starts)
    ]


def _help(plan: _Plan, number: int) -> None:
    """Write shards beside the calling process, silently; it lists what fails."""
    items = _items(plan)
    order = [items[place] for place in rotated(len(items), number, plan.processes)]
    _run(order, plan, NullProgress())


def _run(items: Sequence[Item], plan: _Plan, progress: ProgressSink) -> JobReport:
    return run_items(
        items,
        lambda item, note_stage: _Part(plan, item).write(note_stage),
        is_done=lambda item: _Part(plan, item).is_whole(),
        state_folder=state_folder(plan.out),
        progress=progress,
        lease=plan.lease,
    )


class _Part:
    """One shard as it waits for the others: a folder with the tar and a note of what is in it."""

    def __init__(self, plan: _Plan, item: Item) -> None:
        self._plan = plan
        self._settings = plan.settings
        self._samples = item.payload
        self._key = item.key
        self.folder = state_folder(plan.out) / "parts" / item.key
        self.tar = self.folder / f"{item.key}.tar"
        entries = [_described(sample) for sample in item.payload]
        self._made_of = json_sha256([plan.settings.model_dump(exclude={"most_bad"}), entries])

    def note(self) -> dict[str, Any]:
        """Return what is known of the finished shard; FileNotFoundError where it is not there."""
        return read_note(self.folder / _NOTE)

    def is_whole(self) -> bool:
        """Tell whether the shard is finished, of these samples, and unchanged; or even published.

        A shard without a file that could not be read is made again when that file has changed.
        """
        try:
            is_kept = self._is_kept()
        except FileNotFoundError:
            is_kept = False
        return is_kept or self._plan.is_published()

    def _is_kept(self) -> bool:
        note = self.note()
        if note.get("made_of") != self._made_of or note["files"] != self._stamps(note["bad"]):
            return False
        found = content_sha256(self.tar) if self.tar.exists() else ""
        return bool(found == note["sha256"])

    def _stamps(self, bad: Sequence[Sequence[str]]) -> list[list[int]]:
        names = {entry[0] for entry in bad}
        return file_stamps(s.path for s in self._samples if s.sample_id in names)

    def write(self, note_stage: Callable[[str], None]) -> None:
        """Write the shard, and read every sample back through its offset."""
        settings = self._settings
        bad: list[tuple[str, str, str]] = []
        rows: list[dict[str, Any]] = []
        shutil.rmtree(self.folder, ignore_errors=True)
        with publish_folder(self.folder) as partial:
            note_stage("write")
            writer = ShardWriter(partial, len(self._samples), first=int(self._key))
            images = stream_in_worker(
                ready_images,
                self._samples,
                settings.encoding,
                settings.longest_px,
                limits=WorkerLimits(),
            )
            for number, (sample, image) in enumerate(zip(self._samples, images, strict=True)):
                if image.code:
                    bad.append((sample.sample_id, image.code, image.reason))
                    continue
                place = writer.add(sample.sample_id, image.content, image.encoding)
                rows.append({"number": number, "size_px": image.size_px, **asdict(place)})
            writer.close()
            note_stage("read back")
            _read_back(partial, rows)
            tar = partial / self.tar.name
            note: dict[str, Any] = {"made_of": self._made_of, "rows": rows, "bad": bad}
            note["files"] = self._stamps(bad)
            note["sha256"] = content_sha256(tar) if rows else ""
            write_json(partial / _NOTE, note)


def _read_back(folder: Path, rows: Sequence[dict[str, Any]]) -> None:
    reader = ShardReader(folder)
    for row in rows:
        reader.read(Place(row["shard"], row["offset"], row["size"], row["crc32"]))
    reader.close()


def _check_share(bad: Sequence[BadSample], count: int, most: float, out: Path) -> None:
    if len(bad) <= most * count:
        return
    path = out.parent / f"{out.name}.{QUARANTINE_FILE}"
    write_csv(path, [asdict(sample) for sample in bad], tuple(asdict(bad[0])))
    raise DataError(
        "MV1819",
        f"{len(bad)} of {count} samples are bad, the first: {bad[0].sample}: {bad[0].reason}",
        expected=f"a share of {most} at most, as most_bad says",
        hint=f"see {path}; mend the images or raise most_bad: finished shards are kept",
    )


def _publish(plan: _Plan, parts: Sequence[_Part], bad: Sequence[BadSample]) -> None:
    rows: list[dict[str, Any]] = []
    size = plan.settings.samples_per_shard
    for number, part in enumerate(parts):
        for row in part.note()["rows"]:
            rows.append({**row, "sample": plan.samples[number * size + row["number"]]})
    with publish_folder(plan.out) as partial:
        for part in parts:
            if part.tar.exists():
                _link(part.tar, partial / part.tar.name)
        publish_shards(partial, rows, plan.settings)
        write_csv(partial / QUARANTINE_FILE, [asdict(b) for b in bad], ("sample", "code", "reason"))
        counts = {"samples": len(plan.samples), "written": len(rows), "bad": len(bad)}
        counts["shards"] = sum(part.tar.exists() for part in parts)
        write_json(partial / PLAN_FILE, {"plan_sha256": plan.sha256, "counts": counts})


def _link(path: Path, target: Path) -> None:
    try:
        os.link(path, target)
    except OSError:  # no hard links here, as on some network drives
        shutil.copyfile(path, target)


def _reused(items: Sequence[Item], plan: _Plan) -> JobReport:
    if not plan.is_published():
        raise MedvlpError(
            "MV1605",
            f"{plan.out} exists, but does not belong to this run",
            expected="no output, or one of the same samples and settings",
            hint="choose another output folder, or move the old output away",
        )
    shutil.rmtree(state_folder(plan.out), ignore_errors=True)
    report = JobReport(tuple(Outcome(i.key, i.case_id, "reused", 0.0) for i in items))
    listed = read_csv(plan.out / QUARANTINE_FILE)
    return _with_bad(report, [BadSample(**row) for row in listed])


def _with_bad(report: JobReport, bad: Sequence[BadSample]) -> JobReport:
    failed = [
        Outcome(b.sample, f"sample {b.sample}", "failed", 0.0, "read", b.code, b.reason)
        for b in bad
    ]
    return JobReport((*report.outcomes, *failed))
