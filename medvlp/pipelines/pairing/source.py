"""Read image-caption pairs: a table, a folder of images with texts beside them, or groups in JSON.

Nothing is judged here but the form: a row without a caption or with an image that does not exist is
read like any other, and dropped by name later.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from medvlp.data.manifest_checks import SPLITS
from medvlp.errors import DataError, nearest_name
from medvlp.io import read_csv
from medvlp.pipelines.pairing.semantic_groups import read_semantic_groups

if TYPE_CHECKING:
    from medvlp.pipelines.pairing.settings import SourceColumns

__all__ = ["IMAGE_SUFFIXES", "SourceRow", "read_source"]

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp"})
_SPLIT_NAMES = {**{name: name for name in SPLITS}, "val": "validation", "valid": "validation"}
_TABLES = (".csv", ".parquet", ".jsonl")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRow:
    """One image with one caption, as the source has it; absent values are empty.

    Attributes:
        number: Place in the source, from 1; a record with several captions is several rows.
        image: Name of the image in the source.
        path: Where it is.
        caption: Its caption.
        group: Semantic group that is known already.
        scope: Where near-duplicates are looked for.
        patient: Patient, slide or source image.
        source: Where the image comes from.
        split: train, validation, test, or empty.
        licence: Licence of the image.
        labels: Concepts that the source gives.
        anatomy: Part of the body that the source gives.
        sample_id: Name that the source gives to the sample.
    """

    number: int
    image: str
    path: Path
    caption: str
    group: str = ""
    scope: str = ""
    patient: str = ""
    source: str = ""
    split: str = ""
    licence: str = ""
    labels: tuple[str, ...] = ()
    anatomy: str = ""
    sample_id: str = ""


def read_source(
    source: Path, columns: SourceColumns, *, images: Path | None = None
) -> list[SourceRow]:
    """Read all rows of a source.

    Args:
        source: A table (.csv, .parquet, .jsonl), a .json file of semantic groups, or a folder whose
            images have a .txt file of the same name beside them.
        columns: Names of the columns of a table.
        images: Folder that names of images are relative to; that of the source by default.

    Raises:
        DataError: If the source cannot be read or lacks a column (MV2130), is no file of semantic
            groups (MV2131), or names a split that does not exist (MV2130).
        MedvlpError: If a CSV file is damaged (MV1101, MV1107).
    """
    if source.is_dir():
        return _read_folder(source)
    root = images or source.parent
    suffix = source.suffix.lower()
    if suffix == ".json":
        return _read_groups(source, root)
    if suffix not in _TABLES:
        raise DataError(
            "MV2130",
            f"{source} is no source of pairs",
            expected=f"a folder, or a file that ends in {', '.join(_TABLES)} or .json",
        )
    records = _read_table(source, suffix)
    names = _present_columns(source, records, columns)
    rows: list[SourceRow] = []
    for place, record in enumerate(records, start=1):
        row = _parse_row(source, place, record, names, root)
        for caption in _captions(record.get(names["caption"])):
            rows.append(replace(row, number=len(rows) + 1, caption=caption))
    return rows


def _read_folder(folder: Path) -> list[SourceRow]:
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    rows = []
    for number, path in enumerate(paths, start=1):
        text = path.with_suffix(".txt")
        caption = text.read_text(encoding="utf-8", errors="replace") if text.is_file() else ""
        name = path.relative_to(folder).as_posix()
        rows.append(SourceRow(number=number, image=name, path=path, caption=caption))
    return rows


def _read_groups(source: Path, root: Path) -> list[SourceRow]:
    rows: list[SourceRow] = []
    for group in read_semantic_groups(source):
        for image in group.images:
            for caption in group.captions or ("",):
                row = SourceRow(
                    number=len(rows) + 1,
                    image=image,
                    path=root / image,
                    caption=caption,
                    group=group.name,
                    labels=tuple(group.labels),
                    anatomy=group.anatomy or "",
                )
                rows.append(row)
    return rows


def _read_table(source: Path, suffix: str) -> list[dict[str, Any]]:
    if suffix == ".csv":
        return list(read_csv(source))
    try:
        if suffix == ".parquet":
            records: list[dict[str, Any]] = pq.read_table(source).to_pylist()
            return records
        return _read_json_lines(source)
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise DataError(
            "MV2130", f"{source} cannot be read ({error})", expected="a table of pairs"
        ) from error


def _read_json_lines(source: Path) -> list[dict[str, Any]]:
    records = []
    with source.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except (json.JSONDecodeError, RecursionError) as error:
                raise _bad_line(source, number, str(error)) from error
            if not isinstance(record, dict):
                raise _bad_line(source, number, f"it holds {line.strip()[:60]!r}")
            records.append(record)
    return records


def _bad_line(source: Path, number: int, why: str) -> DataError:
    return DataError(
        "MV2130", f"{source}: line {number}: {why}", expected="one JSON object in every line"
    )


def _present_columns(
    source: Path, records: Sequence[Mapping[str, Any]], columns: SourceColumns
) -> dict[str, str]:
    """Return field of a row to name of its column, for the columns that are there."""
    found: set[str] = set().union(*(record.keys() for record in records)) if records else set()
    present = {}
    for field, name in columns.model_dump().items():
        if name in found:
            present[field] = name
        elif records and (field in {"image", "caption"} or field in columns.model_fields_set):
            raise DataError(
                "MV2130",
                f"{source} has no column {name!r}{nearest_name(name, found)}",
                expected=f"one of {sorted(found)}",
                hint=f"name the column in columns.{field}",
            )
    return present


def _parse_row(
    source: Path, number: int, record: Mapping[str, Any], names: Mapping[str, str], root: Path
) -> SourceRow:
    values = {
        field: _text(record.get(name))
        for field, name in names.items()
        if field not in {"caption", "labels"}
    }
    split = values.get("split", "").strip().lower()
    if split and split not in _SPLIT_NAMES:
        raise DataError(
            "MV2130",
            f"{source}: row {number}: split is {values['split']!r}",
            expected=f"one of {list(_SPLIT_NAMES)}, or nothing",
        )
    values["split"] = _SPLIT_NAMES.get(split, "")
    image = values["image"].strip()
    labels = _labels(record.get(names.get("labels", "")))
    values["image"] = image
    return SourceRow(number=number, path=root / image, caption="", labels=labels, **values)


def _text(value: object) -> str:
    missing = value is None or (isinstance(value, float) and value != value)  # noqa: PLR0124 - NaN
    return "" if missing else str(value)


def _captions(value: object) -> tuple[str, ...]:
    if isinstance(value, list | tuple):
        return tuple(map(_text, value)) or ("",)
    return (_text(value),)


def _labels(value: object) -> tuple[str, ...]:
    parts = value if isinstance(value, list | tuple) else _text(value).split(";")
    return tuple(dict.fromkeys(text for part in parts if (text := _text(part).strip())))
