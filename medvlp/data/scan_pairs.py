"""Write and read a folder of crops: ``crops.b2nd``, ``samples.parquet`` and ``scan_pairs.json``."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from medvlp import __version__
from medvlp.config.strict import load_yaml_model
from medvlp.data.scan_checks import check_rows, read_samples_table
from medvlp.data.scan_manifest import (
    CROPS_FILE,
    INFO_FILE,
    SAMPLES_FILE,
    SAMPLES_SCHEMA,
    ScanPairsInfo,
    ScanPairsManifest,
    ScanRow,
)
from medvlp.data.scan_store import CropStore, write_crops
from medvlp.data.scan_texts import number_reports
from medvlp.errors import DataError, MedvlpError
from medvlp.io import content_sha256, publish_file, write_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ScanRecord", "read_scan_pairs", "write_scan_pairs"]


@dataclass(frozen=True, kw_only=True)
class ScanRecord:
    """One crop to write, but for its values; see :data:`medvlp.data.scan_manifest.SAMPLES_SCHEMA`.

    Attributes:
        sample_id: Its name.
        patient: Hash of the patient's name.
        side: ``left`` or ``right``.
        phase: Contrast phase.
        split: ``train``, ``validation`` or ``test``.
        report: What the report says of this side.
        report_origin: ``stated``, ``silent`` or ``none``.
        attributes: Attribute -> class, -1 not stated.
        malignant: 0, 1 or -1.
        months: Follow-up, NaN where not known.
        event: 0, 1 or -1.
        volume_ml: Volume of the organ.
        padded_share: Share of the crop outside the scan.
        findings: Codes of what was noticed on the scan.
    """

    sample_id: str
    patient: str
    side: str
    phase: str
    split: str
    report: str = ""
    report_origin: str = "none"
    attributes: dict[str, int] = field(default_factory=dict)
    malignant: int = -1
    months: float = math.nan
    event: int = -1
    volume_ml: float = math.nan
    padded_share: float = 0.0
    findings: str = ""


def write_scan_pairs(
    folder: Path,
    records: Sequence[ScanRecord],
    crops: Iterable[NDArray[np.number]],
    describe: dict[str, Any],
) -> ScanPairsInfo:
    """Write a folder of crops; ``scan_pairs.json``, written last, makes it one.

    Args:
        folder: The folder; what it holds of these three files is replaced.
        records: The crops, in the order of the array.
        crops: Their values in Hounsfield units, one for each record, stored as int16.
        describe: Fields of :class:`ScanPairsInfo` but for hashes and sizes.

    Raises:
        DataError: If a record holds what no crop can have (MV1725, MV1726).
        ValueError: If crops and records do not fit together.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stored = tuple(describe["stored_shape_zyx"])
    rows = [{**vars(record), "crop": row, "crop_crc32": 0} for row, record in enumerate(records)]
    check_rows(str(folder), rows, {name: tuple(v) for name, v in describe["attributes"].items()})
    (folder / INFO_FILE).unlink(missing_ok=True)
    for row, checksum in zip(
        rows, write_crops(folder / CROPS_FILE, crops, len(rows), stored), strict=True
    ):
        row["crop_crc32"] = checksum
    table = pa.Table.from_pylist(
        [{**row, "attributes": list(row["attributes"].items())} for row in rows],
        schema=SAMPLES_SCHEMA,
    )
    with publish_file(folder / SAMPLES_FILE) as partial:
        pq.write_table(table, partial, compression="zstd", store_schema=False)
    info = ScanPairsInfo(
        **describe,
        samples_sha256=content_sha256(folder / SAMPLES_FILE),
        crops_sha256=content_sha256(folder / CROPS_FILE),
        crops_bytes=(folder / CROPS_FILE).stat().st_size,
        medvlp_version=__version__,
    )
    write_json(folder / INFO_FILE, info.model_dump())
    return info


def read_scan_pairs(folder: Path, *, verify_crops: bool = False) -> ScanPairsManifest:
    """Read the table of a folder of crops, and look at the array without reading crops.

    Args:
        folder: The folder.
        verify_crops: Whether the array is hashed as well; else its size is compared here, and the
            checksum of each crop when it is read.

    Raises:
        DataError: MV1720 if a file is missing, damaged or not what the other files were written
            with, MV1722 for the array, MV1725 for a value that no crop can have, MV1726 for a
            patient in two splits.
    """
    try:
        info = load_yaml_model(folder / INFO_FILE, ScanPairsInfo)
        found = content_sha256(folder / SAMPLES_FILE)
    except MedvlpError as error:
        raise _refuse(folder, error.what) from error
    if found != info.samples_sha256:
        raise _refuse(folder, f"{SAMPLES_FILE} is not the one that {INFO_FILE} was written with")
    rows = read_samples_table(folder / SAMPLES_FILE)
    check_rows(str(folder / SAMPLES_FILE), rows, info.attributes)
    _check_array(folder, info, len(rows), verify_crops=verify_crops)
    return _manifest(folder, info, rows)


def _check_array(folder: Path, info: ScanPairsInfo, count: int, *, verify_crops: bool) -> None:
    path = folder / CROPS_FILE
    size = path.stat().st_size if path.is_file() else -1
    is_same = size == info.crops_bytes
    if is_same and verify_crops:
        is_same = content_sha256(path) == info.crops_sha256
    if not is_same:
        raise DataError(
            "MV1722",
            f"{path} ({size} bytes) is not the array that {INFO_FILE} was written with",
            expected=f"{info.crops_bytes} bytes with hash {info.crops_sha256[:12]}",
            hint="copy the whole folder again, or crop the scans again",
        )
    CropStore(path, count, info.stored_shape_zyx).check()


def _manifest(folder: Path, info: ScanPairsInfo, rows: list[dict[str, Any]]) -> ScanPairsManifest:
    groups = number_reports([row["report"] for row in rows])
    splits: dict[str, list[ScanRow]] = {}
    for row, group in zip(rows, groups, strict=True):
        splits.setdefault(row["split"], []).append(
            ScanRow(
                sample_id=row["sample_id"],
                crop=row["crop"],
                crop_crc32=row["crop_crc32"],
                patient=row["patient"],
                side=row["side"],
                phase=row["phase"],
                split=row["split"],
                report=row["report"],
                report_group=group,
                attributes=tuple(row["attributes"].get(name, -1) for name in info.attributes),
                malignant=row["malignant"],
                months=row["months"],
                event=row["event"],
            )
        )
    return ScanPairsManifest(
        folder=folder,
        info=info,
        splits={name: tuple(own) for name, own in splits.items()},
        patients=tuple(dict.fromkeys(row["patient"] for row in rows)),
    )


def _refuse(folder: Path, why: str) -> DataError:
    return DataError(
        "MV1720",
        f"{folder} is not a folder of crops: {why}",
        expected=f"{INFO_FILE}, {SAMPLES_FILE} and {CROPS_FILE}",
        hint="crop the scans again, or check the path",
    )
