"""Write and read a folder of radiographs: pictures, their table, and what they have in common.

The files are ``images.b2nd``, ``samples.parquet`` and ``radiograph_pairs.json``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from medvlp import __version__
from medvlp.config.documents import parse_yaml
from medvlp.config.strict import load_yaml_model
from medvlp.data.radiograph_checks import check_rows, read_samples_table
from medvlp.data.radiograph_manifest import (
    BOOK_FILE,
    IMAGES_FILE,
    INFO_FILE,
    SAMPLES_FILE,
    SAMPLES_SCHEMA,
    FindingPlace,
    RadiographPairsInfo,
    RadiographPairsManifest,
    RadiographRow,
)
from medvlp.data.row_store import RowLayout, RowStore, write_rows
from medvlp.data.scan_texts import number_reports
from medvlp.errors import DataError, MedvlpError
from medvlp.io import content_sha256, publish_file, write_json
from medvlp.knowledge.facets import load_finding_book, parse_finding_book
from medvlp.text.reports.side_words import swap_sides

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Gray = NDArray[np.uint8] | NDArray[np.uint16]

__all__ = [
    "RadiographRecord",
    "image_layout",
    "open_images",
    "read_radiograph_pairs",
    "write_radiograph_pairs",
]


@dataclass(frozen=True, kw_only=True)
class RadiographRecord:
    """One picture to write, but for its values; columns as in ``SAMPLES_SCHEMA``.

    Attributes:
        sample_id: Its name.
        patient: Hash of the patient's name.
        split: ``train``, ``validation`` or ``test``.
        height_px: Rows of the picture before it was framed.
        width_px: Columns of it.
        view: ``PA``, ``AP``, ``LATERAL``, or empty where not known.
        report: The report.
        labels: Finding -> 1, 0 or -1; leaves out what is not mentioned.
        places: Where findings are, if that is known.
        notes: What the reader noticed.
    """

    sample_id: str
    patient: str
    split: str
    height_px: int
    width_px: int
    view: str = ""
    report: str = ""
    labels: dict[str, int] = field(default_factory=dict)
    places: tuple[FindingPlace, ...] = ()
    notes: str = ""


def write_radiograph_pairs(
    folder: Path,
    records: Sequence[RadiographRecord],
    images: Iterable[Gray],
    describe: dict[str, Any],
    book: str = "",
) -> RadiographPairsInfo:
    """Write a folder of radiographs; ``radiograph_pairs.json``, written last, makes it one.

    Args:
        folder: The folder; what it holds of these files is replaced.
        records: The pictures, in the order of the array.
        images: Their framed gray levels, one for each record, shape ``(size_px, size_px)``, uint8
            or uint16 as ``bits`` says, the whole range used.
        describe: Fields of :class:`RadiographPairsInfo` but for hashes and sizes.
        book: The YAML text of a book of findings that goes with the folder; empty for none.

    Raises:
        ConfigError: If the book is none.
        DataError: If a record holds what no picture can have (MV1793, MV1795, MV1726).
        ValueError: If pictures and records do not fit together.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = _rows_of(records)
    size, bits = int(describe["size_px"]), int(describe.get("bits", 8))
    check_rows(str(folder), rows, tuple(describe["findings"]), size)
    for name in (INFO_FILE, BOOK_FILE):
        (folder / name).unlink(missing_ok=True)
    if book:
        described = parse_finding_book(parse_yaml(book, source=BOOK_FILE), source=BOOK_FILE)
        describe = describe | {
            "book_name": described.name,
            "book_sha256": described.content_sha256,
        }
        with publish_file(folder / BOOK_FILE) as partial:
            partial.write_text(book, encoding="utf-8")
    checksums = write_rows(folder / IMAGES_FILE, images, len(rows), image_layout(size, bits))
    for row, checksum in zip(rows, checksums, strict=True):
        row["image_crc32"] = checksum
    table = pa.Table.from_pylist(
        [{**row, "labels": list(row["labels"].items())} for row in rows], schema=SAMPLES_SCHEMA
    )
    with publish_file(folder / SAMPLES_FILE) as partial:
        pq.write_table(table, partial, compression="zstd", store_schema=False)
    info = RadiographPairsInfo(
        **describe,
        samples_sha256=content_sha256(folder / SAMPLES_FILE),
        images_sha256=content_sha256(folder / IMAGES_FILE),
        images_bytes=(folder / IMAGES_FILE).stat().st_size,
        medvlp_version=__version__,
    )
    write_json(folder / INFO_FILE, info.model_dump())
    return info


def read_radiograph_pairs(folder: Path, *, verify_images: bool = False) -> RadiographPairsManifest:
    """Read the table of a folder of radiographs, and look at the array without reading pictures.

    Args:
        folder: The folder.
        verify_images: Whether the array is hashed as well; else its size is compared here, and the
            checksum of each picture when it is read.

    Raises:
        DataError: MV1790 if a file is missing, damaged or not what the other files were written
            with, MV1792 for the array, MV1793 for a value that no picture can have, MV1795 for an
            unknown finding, MV1726 for a patient in two splits.
    """
    try:
        info = load_yaml_model(folder / INFO_FILE, RadiographPairsInfo)
        found = content_sha256(folder / SAMPLES_FILE)
    except MedvlpError as error:
        raise _refuse(folder, error.what) from error
    if found != info.samples_sha256:
        raise _refuse(folder, f"{SAMPLES_FILE} is not the one that {INFO_FILE} was written with")
    own = folder / BOOK_FILE
    if own.is_file() and load_finding_book(own).content_sha256 != info.book_sha256:
        raise _refuse(folder, f"{BOOK_FILE} is not the one that {INFO_FILE} was written with")
    rows = read_samples_table(folder / SAMPLES_FILE)
    check_rows(str(folder / SAMPLES_FILE), rows, info.findings, info.size_px)
    manifest = _manifest(folder, info, rows)
    _check_array(manifest, verify_images=verify_images)
    return manifest


def image_layout(size_px: int, bits: int) -> RowLayout[Any]:
    """Return what the rows of the array of pictures are.

    Args:
        size_px: Side of the square.
        bits: 8 or 16.
    """
    return RowLayout(
        dtype=np.uint8 if bits == 8 else np.uint16,
        shape=(size_px, size_px),
        name="picture",
        code="MV1792",
        hint="copy the whole folder again, or prepare the radiographs again",
    )


def open_images(manifest: RadiographPairsManifest) -> RowStore[Any]:
    """Return the pictures of a folder, to be read one by one.

    Args:
        manifest: The folder.
    """
    layout = image_layout(manifest.info.size_px, manifest.info.bits)
    return RowStore(manifest.folder / IMAGES_FILE, manifest.num_images, layout)


def _rows_of(records: Sequence[RadiographRecord]) -> list[dict[str, Any]]:
    reports = [record.report for record in records]
    numbers = number_reports([*reports, *(swap_sides(report) or "" for report in reports)])
    rows = []
    for number, record in enumerate(records):
        row = {name: value for name, value in vars(record).items() if name != "places"}
        boxes = []
        for place in record.places:
            names = ("row0", "row1", "col0", "col1")
            edges = dict(zip(names, (float(edge) for edge in place.box), strict=True))
            boxes.append({"finding": place.finding, "side": place.side, **edges})
        rows.append(
            {
                **row,
                "image": number,
                "image_crc32": 0,
                "report_group": numbers[number],
                "turned_group": numbers[len(records) + number],
                "boxes": boxes,
            }
        )
    return rows


def _check_array(manifest: RadiographPairsManifest, *, verify_images: bool) -> None:
    path, info = manifest.folder / IMAGES_FILE, manifest.info
    size = path.stat().st_size if path.is_file() else -1
    is_same = size == info.images_bytes
    if is_same and verify_images:
        is_same = content_sha256(path) == info.images_sha256
    if not is_same:
        raise DataError(
            "MV1792",
            f"{path} ({size} bytes) is not the array that {INFO_FILE} was written with",
            expected=f"{info.images_bytes} bytes with hash {info.images_sha256[:12]}",
            hint="copy the whole folder again, or prepare the radiographs again",
        )
    open_images(manifest).check()


def _manifest(
    folder: Path, info: RadiographPairsInfo, rows: list[dict[str, Any]]
) -> RadiographPairsManifest:
    splits: dict[str, list[RadiographRow]] = {}
    for row in rows:
        splits.setdefault(row["split"], []).append(
            RadiographRow(
                sample_id=row["sample_id"],
                image=row["image"],
                image_crc32=row["image_crc32"],
                patient=row["patient"],
                view=row["view"],
                shape=(row["height_px"], row["width_px"]),
                split=row["split"],
                report=row["report"],
                report_group=row["report_group"],
                turned_group=row["turned_group"],
                labels=row["labels"],
                places=tuple(_place(box) for box in row["boxes"]),
            )
        )
    return RadiographPairsManifest(
        folder=folder,
        info=info,
        splits={name: tuple(own) for name, own in splits.items()},
        patients=tuple(dict.fromkeys(row["patient"] for row in rows)),
    )


def _place(box: dict[str, Any]) -> FindingPlace:
    edges = (box["row0"], box["row1"], box["col0"], box["col1"])
    return FindingPlace(finding=box["finding"], side=box["side"], box=edges)


def _refuse(folder: Path, why: str) -> DataError:
    return DataError(
        "MV1790",
        f"{folder} is not a folder of radiographs: {why}",
        expected=f"{INFO_FILE}, {SAMPLES_FILE} and {IMAGES_FILE}",
        hint="prepare the radiographs again, or check the path",
    )
