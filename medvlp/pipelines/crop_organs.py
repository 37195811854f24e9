"""Scans, masks and reports in, a folder of crops to train from out."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from medvlp.config.run_tables import write_case_rows
from medvlp.config.runs import CaseRow
from medvlp.data.scan_pairs import ScanRecord, write_scan_pairs
from medvlp.data.scan_store import CropStore, write_crops
from medvlp.errors import DataError
from medvlp.io import case_keys, json_sha256, write_json
from medvlp.jobs.runner import JobItem, run_items
from medvlp.jobs.workers import WorkerLimits, run_in_worker
from medvlp.pipelines.cases import failure_rows
from medvlp.pipelines.part_notes import file_stamps, read_note, refuse_repeated
from medvlp.pipelines.training_scans import phase_letter
from medvlp.types import Case
from medvlp.volumes.case_scan import case_content_sha256
from medvlp.volumes.organ_masks import mask_content_sha256
from medvlp.volumes.organ_sides import cut_sides

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from medvlp.jobs.outcomes import JobReport
    from medvlp.jobs.progress import ProgressSink
    from medvlp.jobs.runner import LeaseSettings
    from medvlp.pipelines.training_scans import TrainingScan
    from medvlp.types import VolumePreprocessing
    from medvlp.volumes.organ_sides import OrganPlan

__all__ = ["CropSettings", "crop_organs"]

_UNKNOWN_PHASE = "U"


@dataclass(frozen=True, kw_only=True)
class CropSettings:
    """How scans become crops.

    Attributes:
        plan: The organ and the box to store.
        preprocessing: What the model sees of the box.
        attributes: Attribute -> names of its classes.
        schema_name: Where the attributes come from.
        keep_silent: Whether a side of which its report says nothing is kept, with the sentence
            that stands for that.
        limits: Memory and time that one scan may take.
    """

    plan: OrganPlan
    preprocessing: VolumePreprocessing
    attributes: Mapping[str, tuple[str, ...]]
    schema_name: str
    keep_silent: bool = True
    limits: WorkerLimits = field(default_factory=WorkerLimits)


def crop_organs(
    scans: Sequence[TrainingScan],
    settings: CropSettings,
    out: Path,
    *,
    progress: ProgressSink,
    lease: LeaseSettings,
) -> JobReport:
    """Cut both sides of an organ out of scans, and gather them into one folder.

    ``out`` then holds ``crops.b2nd``, ``samples.parquet`` and ``scan_pairs.json`` (see
    :mod:`medvlp.data.scan_manifest`) of the scans that could be used, ``cases.csv`` and
    ``failures.csv``. The crops of each scan are kept below ``.medvlp/crop``: the same call goes on
    after a stop, and several processes may share the folder.

    Args:
        scans: The rows of the manifest.
        settings: How they are cut.
        out: Output folder.
        progress: Shows rate and time left.
        lease: How long a silent process keeps its scan.

    Returns:
        What became of each scan.

    Raises:
        DataError: MV1730 if no scan could be used.
    """
    keys = case_keys(scan.case_id for scan in scans)
    items = [JobItem(keys[scan.case_id], scan.case_id, scan) for scan in scans]
    parts = _Parts(out / ".medvlp" / "crop" / "parts", settings)
    report = run_items(
        items,
        parts.work,
        is_done=parts.is_done,
        state_folder=out / ".medvlp" / "crop",
        progress=progress,
        lease=lease,
    )
    report = refuse_repeated(
        items,
        report,
        lambda key: str(parts.note(key)["scan_sha256"]),
        code="MV1732",
        hint="list each scan once, for one patient",
    )
    _gather(items, report, parts, out)
    cases = [
        CaseRow(case_id=i.case_id, case_key=i.key, path=str(i.payload.path.resolve()))
        for i in items
    ]
    write_case_rows(out, failure_rows(report), cases)
    return report


class _Parts:
    """The crops of single scans, as they lie until they are gathered.

    Args:
        folder: Where they are.
        settings: How scans are cut.
    """

    def __init__(self, folder: Path, settings: CropSettings) -> None:
        self.folder = folder
        self.settings = settings
        self._plan_sha256 = json_sha256(asdict(settings.plan))

    def work(self, item: JobItem[TrainingScan], note_stage: Callable[[str], None]) -> None:
        """Cut one scan."""
        scan = _usable(item.payload)
        note_stage("cut boxes")
        crops = run_in_worker(
            cut_sides, _case(item), self.settings.plan, limits=self.settings.limits
        )
        note_stage("store crops")
        self.folder.mkdir(parents=True, exist_ok=True)
        checksums = write_crops(
            self._array(item.key), crops.hu, len(crops.sides), self.settings.plan.spec.shape_zyx
        )
        described = {name: value for name, value in vars(crops).items() if name != "hu"} | {
            "checksums": checksums,
            "plan_sha256": self._plan_sha256,
            "files": file_stamps((scan.path, scan.mask)),
        }
        write_json(self._note(item.key), described)

    def is_done(self, item: JobItem[TrainingScan]) -> bool:
        """Tell whether the crops of a scan are there, cut as they would be cut now."""
        scan = _usable(item.payload)
        if not self._note(item.key).exists():
            return False
        note = self.note(item.key)
        if note.get("plan_sha256") != self._plan_sha256 or not self._is_unchanged(item, scan, note):
            raise DataError(
                "MV1731",
                f"{item.case_id} was cut from other files or with other settings",
                expected="the files and settings of this run",
                hint="choose another output folder, or delete its folder .medvlp",
            )
        return True

    def note(self, key: str) -> dict[str, Any]:
        """Return what was written beside the crops of a scan."""
        return read_note(self._note(key))

    def crops(self, key: str, note: Mapping[str, Any]) -> CropStore:
        """Return the crops of a scan, to be read one by one."""
        return CropStore(self._array(key), len(note["sides"]), self.settings.plan.spec.shape_zyx)

    def _is_unchanged(
        self, item: JobItem[TrainingScan], scan: TrainingScan, note: Mapping[str, Any]
    ) -> bool:
        """Compare size and time of the files, and their bytes only where these differ."""
        if note.get("files") == file_stamps((scan.path, scan.mask)):
            return True
        case = _case(item)
        same_mask = case.mask is not None and mask_content_sha256(case.mask) == note["mask_sha256"]
        return same_mask and case_content_sha256(case) == note["scan_sha256"]

    def _array(self, key: str) -> Path:
        return self.folder / f"{key}.b2nd"

    def _note(self, key: str) -> Path:
        return self.folder / f"{key}.json"


def _usable(scan: TrainingScan) -> TrainingScan:
    if scan.fault is not None:
        raise scan.fault
    return scan


def _case(item: JobItem[TrainingScan]) -> Case:
    scan = item.payload
    return Case(
        case_id=item.case_id, case_key=item.key, path=scan.path, modality="ct", mask=scan.mask
    )


def _gather(
    items: Sequence[JobItem[TrainingScan]], report: JobReport, parts: _Parts, out: Path
) -> None:
    settings = parts.settings
    counts: Counter[str] = Counter(scans=len(items), failed=len(report.failures))
    chosen: list[tuple[ScanRecord, str, int]] = []
    for item, outcome in zip(items, report.outcomes, strict=True):
        if outcome.status != "failed":
            chosen += _records(item, parts.note(item.key), settings, counts)
    if not chosen:
        first = next((o.reason for o in report.failures), "no scan is listed")
        raise DataError(
            "MV1730",
            f"no crop is left of {len(items)} scans; the first failed with: {first}",
            expected="one scan at least with mask and report",
            hint=f"see {out / 'failures.csv'}" if report.failures else "",
        )
    counts["crops"] = len(chosen)
    counts["patients"] = len({record.patient for record, _, _ in chosen})
    seen, plan = settings.preprocessing, settings.plan
    describe = {
        "region": seen.region,
        "structures": plan.centre_on or plan.structures,
        "spacing_mm": seen.spacing_mm,
        "shape_zyx": seen.shape_zyx,
        "stored_shape_zyx": plan.spec.shape_zyx,
        "orientation": seen.orientation,
        "axes": seen.axes,
        "window_hu": seen.window_hu,
        "air_hu": seen.air_hu,
        "attributes": dict(settings.attributes),
        "schema_name": settings.schema_name,
        "counts": dict(sorted(counts.items())),
    }
    write_scan_pairs(out, [record for record, _, _ in chosen], _stored(chosen, parts), describe)


def _records(
    item: JobItem[TrainingScan],
    note: Mapping[str, Any],
    settings: CropSettings,
    counts: Counter[str],
) -> Iterator[tuple[ScanRecord, str, int]]:
    """Yield the crops of a scan that are kept: record, key of the scan, place among its crops."""
    scan = item.payload
    phase = scan.phase or phase_letter(note["phase"]) or _UNKNOWN_PHASE
    for place, side in enumerate(note["sides"]):
        if side not in scan.sides:
            continue
        said, told = scan.sides[side], scan.labels.get(side)
        counts[f"{side}_{said.origin}"] += 1
        if said.origin == "silent" and not settings.keep_silent:
            counts["left_out_silent"] += 1
            continue
        record = ScanRecord(
            sample_id=f"{scan.patient}_{side}_{phase}_{note['scan_sha256'][:8]}",
            patient=scan.patient,
            side=side,
            phase=phase,
            split=scan.split,
            report=said.text,
            report_origin=said.origin,
            attributes={**said.attributes, **({} if told is None else told.attributes)},
            malignant=-1 if told is None else told.malignant,
            months=scan.months,
            event=scan.event,
            volume_ml=float(note["volume_ml"][place]),
            padded_share=float(note["padded_share"][place]),
            findings=" ".join(note["findings"]),
        )
        yield record, item.key, place


def _stored(
    chosen: Sequence[tuple[ScanRecord, str, int]], parts: _Parts
) -> Iterator[NDArray[np.int16]]:
    for _, key, place in chosen:
        note = parts.note(key)
        yield parts.crops(key, note).read(place, note["checksums"][place])
