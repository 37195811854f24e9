"""Say what a file or folder is: slide, scan, features, model bundle, task, run, manifest."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from medvlp.config.run_selections import parse_run_selection
from medvlp.config.run_tables import read_predictions
from medvlp.config.task import load_task
from medvlp.errors import MedvlpError, UsageError
from medvlp.io import content_sha256, read_csv
from medvlp.io.hdf5_checks import open_checked, read_attributes
from medvlp.jobs.workers import run_in_worker
from medvlp.models.bundle_kinds import read_any_bundle_meta
from medvlp.pipelines.identify_findings import finding_book_facts, is_finding_book
from medvlp.pipelines.identify_scans import (
    read_mask_facts,
    read_scan_facts,
    read_series_facts,
    volume_feature_facts,
)
from medvlp.pipelines.manifest import read_case_manifest
from medvlp.pipelines.sniff import sniff_tree
from medvlp.pipelines.sort_files import WHOLE_SLIDE_UID
from medvlp.slides.features import read_features
from medvlp.slides.reader import open_slide
from medvlp.volumes.feature_meta import FORMAT as VOLUME_FORMAT

if TYPE_CHECKING:
    from pathlib import Path

    from medvlp.config.selection import SelectionRecord

__all__ = ["Identified", "identify"]


@dataclass(frozen=True)
class Identified:
    """What something is.

    Attributes:
        kind: slide, scan, scans, mask, features, model, task, findings, run, manifest.
        facts: Name of a fact -> its value, plain values in reading order.
    """

    kind: str
    facts: dict[str, Any]


def identify(path: Path) -> Identified:
    """Look at a file or folder and return what it is and what it holds.

    Args:
        path: Anything medvlp reads or writes.

    Raises:
        UsageError: MV1101 if it does not exist, MV1108 if it is nothing medvlp knows.
        MedvlpError: If it is of a known kind but damaged.
    """
    if not path.exists():
        raise UsageError("MV1101", f"{path} does not exist", expected="a file or folder")
    if path.is_dir():
        return _identify_folder(path)
    suffix = path.suffix.lower()
    if suffix in {".h5", ".hdf5"}:
        return _features(path)
    if suffix in {".yaml", ".yml"}:
        return _book_or_task(path)
    if suffix in {".csv", ".parquet"}:
        return _manifest(path)
    return _image(path)


def _image(path: Path) -> Identified:
    """Tell scans, masks and archives of scans from slides."""
    (found,) = sniff_tree([path])
    if found.is_mask:
        return Identified("mask", run_in_worker(read_mask_facts, path))
    if len(found.inner) > 1:
        return Identified("scans", run_in_worker(read_series_facts, path))
    is_slide = found.look is not None and any(
        header.sop_class == WHOLE_SLIDE_UID for header in found.look.headers
    )
    if found.modality == "ct" or (found.look is not None and not is_slide):
        return Identified("scan", run_in_worker(read_scan_facts, path))
    return _slide(path)


def _identify_folder(path: Path) -> Identified:
    if (path / "medvlp.json").exists():
        return _model(path)
    if (path / "predictions.csv").exists():
        return _run(path)
    facts = run_in_worker(read_series_facts, path)
    if facts["series"]:
        return Identified("scans", facts)
    raise UsageError(
        "MV1108",
        f"folder {path} is neither a model bundle nor a run folder, and holds no scan",
        expected="medvlp.json, predictions.csv or series of slices in it",
        hint="give one file of it, or run 'medvlp zero-shot' on it",
    )


def read_slide_facts(path: Path) -> dict[str, Any]:
    """Read what a slide says of itself; meant to run in a worker process.

    Descriptions, labels and other free text are left out, because they may name a patient.
    """
    with open_slide(path) as reader:
        facts: dict[str, Any] = {
            "format": reader.vendor,
            "reader": reader.reader_id,
            "size (width x height)": "{} x {} px".format(*reader.size_px0),
            "levels": len(reader.level_downsamples),
            "downsamples": [round(value, 3) for value in reader.level_downsamples],
        }
        try:
            scale = reader.scale
        except MedvlpError as error:
            return {**facts, "scale": str(error)}
        x, y = scale.mpp_xy
        facts["scale"] = f"{x:.4g} x {y:.4g} um per pixel ({scale.source})"
        width_mm, height_mm = (
            side * mpp / 1000 for side, mpp in zip(reader.size_px0, (x, y), strict=True)
        )
        facts["area"] = f"{width_mm:.2f} x {height_mm:.2f} mm"
        return facts


def _slide(path: Path) -> Identified:
    facts = run_in_worker(read_slide_facts, path)
    return Identified("slide", {**facts, "sha256": content_sha256(path)})


def _features(path: Path) -> Identified:
    with open_checked(path) as file:
        is_scan = read_attributes(file).get("format") == VOLUME_FORMAT
    if is_scan:
        return Identified("features of a scan", volume_feature_facts(path))
    found = read_features(path)
    facts: dict[str, Any] = {
        "features": "{} x {}".format(*found.features.shape),
        "failed tiles": len(found.failed_coords),
        **asdict(found.meta),
    }
    return Identified("features", facts)


def _model(path: Path) -> Identified:
    meta = read_any_bundle_meta(path)
    facts: dict[str, Any] = meta.model_dump(mode="json")
    chosen = meta.provenance.selection
    facts["chosen"] = "not on record" if chosen is None else _told(chosen)
    if chosen is not None:  # the hashes of thousands of cases say nothing to a reader
        facts["provenance"]["selection"] = chosen.told()
    return Identified("model", facts)


def _told(chosen: SelectionRecord) -> str:
    """Return a choice in words; one that was made on the test set says so."""
    return chosen.summary() + (" (the test set, as was allowed)" if chosen.on_test else "")


def _book_or_task(path: Path) -> Identified:
    if is_finding_book(path):
        return Identified("findings", finding_book_facts(path))
    return Identified("task", load_task(path).model_dump(mode="json"))


def _manifest(path: Path) -> Identified:
    rows = read_case_manifest(path)
    missing = sum(not row.path.exists() for row in rows)
    scaled = sum(row.slide_mpp is not None for row in rows)
    return Identified(
        "manifest", {"cases": len(rows), "missing files": missing, "with slide_mpp": scaled}
    )


def _run(path: Path) -> Identified:
    rows = read_predictions(path)
    failures = read_csv(path / "failures.csv")
    record = json.loads((path / "run.json").read_text(encoding="utf-8"))
    return Identified(
        "run",
        {
            "cases": len({row.case_id for row in rows}) + len(failures),
            "predictions": dict(Counter(row.prediction or row.status for row in rows)),
            "failures": dict(Counter(row["code"] for row in failures)),
            "models": [model["name"] for model in record["models"]],
            "tasks": [task["name"] for task in record["tasks"]],
            "version": record["medvlp_version"],
            "chosen": [
                _told(parse_run_selection(found, str(path / "run.json")).record)
                for found in record.get("selections") or ()
            ],
        },
    )
