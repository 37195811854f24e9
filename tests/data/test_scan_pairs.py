"""A folder of crops is read back as written, and refused where it was changed."""

import json
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from medvlp.data.scan_pairs import read_scan_pairs, write_scan_pairs
from medvlp.data.scan_store import CropStore
from medvlp.errors import DataError, MedvlpError
from medvlp.io import content_sha256
from tests.data.scan_samples import (
    ATTRIBUTES,
    STORED,
    make_crops,
    make_records,
    patient_name,
    write_samples,
)


def refusal(folder: Path, **options: bool) -> str:
    with pytest.raises(MedvlpError) as caught:
        read_scan_pairs(folder, **options)
    return caught.value.code


def rewrite(folder: Path, change) -> None:
    """Change the rows of the table and make the description fit the new bytes."""
    path = folder / "samples.parquet"
    table = pq.read_table(path)
    rows = table.to_pylist()
    change(rows)
    pq.write_table(type(table).from_pylist(rows, schema=table.schema), path)
    info = json.loads((folder / "scan_pairs.json").read_text())
    info["samples_sha256"] = content_sha256(path)
    (folder / "scan_pairs.json").write_text(json.dumps(info))


def test_read_scan_pairs__gives_back_what_was_written(tmp_path: Path) -> None:
    records = make_records(5)
    manifest = read_scan_pairs(write_samples(tmp_path, records), verify_crops=True)
    assert manifest.info.attributes == ATTRIBUTES
    assert manifest.patients == tuple(patient_name(number) for number in range(5))
    rows = [row for split in ("train", "validation", "test") for row in manifest.rows(split)]
    crops = make_crops(len(records))
    store = CropStore(tmp_path / "crops.b2nd", len(records), STORED)
    for record, row in zip(records, rows, strict=True):
        assert (row.sample_id, row.side, row.phase) == (record.sample_id, record.side, record.phase)
        assert row.attributes == tuple(record.attributes.values())
        assert (row.malignant, row.months, row.event) == (
            record.malignant,
            record.months,
            record.event,
        )
        assert (store.read(row.crop, row.crop_crc32) == crops[row.crop]).all()


def test_read_scan_pairs__numbers_reports_that_say_the_same(tmp_path: Path) -> None:
    manifest = read_scan_pairs(write_samples(tmp_path, make_records(5)))
    groups = {}
    for row in manifest.rows("train"):
        groups.setdefault(row.report, set()).add(row.report_group)
    assert all(len(numbers) == 1 for numbers in groups.values())
    assert len(set.union(*groups.values())) == len(groups) == len(manifest.reports("train")) == 3


@pytest.mark.parametrize("name", ["scan_pairs.json", "samples.parquet", "crops.b2nd"])
def test_read_scan_pairs__wants_all_three_files(tmp_path: Path, name: str) -> None:
    (write_samples(tmp_path) / name).unlink()
    assert refusal(tmp_path) == ("MV1722" if name == "crops.b2nd" else "MV1720")


def test_read_scan_pairs__refuses_another_table_or_array(tmp_path: Path) -> None:
    one, two = write_samples(tmp_path / "one"), write_samples(tmp_path / "two", make_records(7))
    table, array = (one / "samples.parquet").read_bytes(), (one / "crops.b2nd").read_bytes()
    (one / "samples.parquet").write_bytes((two / "samples.parquet").read_bytes())
    assert refusal(one) == "MV1720"
    (one / "samples.parquet").write_bytes(table)
    (one / "crops.b2nd").write_bytes((two / "crops.b2nd").read_bytes())
    assert refusal(one) == "MV1722"
    changed = bytearray(array)
    changed[-40] ^= 1
    (one / "crops.b2nd").write_bytes(changed)
    assert refusal(one, verify_crops=True) == "MV1722"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("sample_id", "../p"),
        ("sample_id", "p00_left_N"),
        ("side", "middle"),
        ("phase", "A/.."),
        ("split", "all"),
        ("crop", 5),
        ("crop", -1),
        ("report", None),
        ("report", "x" * 60_000),
        ("malignant", 2),
        ("event", None),
        ("months", -1.0),
        ("months", float("inf")),
        ("attributes", [("mass", 2)]),
        ("attributes", [("other", 0)]),
        ("patient", ""),
    ],
)
def test_read_scan_pairs__refuses_values_that_no_crop_has(
    tmp_path: Path, column: str, value: object
) -> None:
    write_samples(tmp_path)
    rewrite(tmp_path, lambda rows: rows[0].update({column: value}))
    assert refusal(tmp_path) == "MV1725"


def test_read_scan_pairs__refuses_a_patient_in_two_splits(tmp_path: Path) -> None:
    write_samples(tmp_path)
    rewrite(tmp_path, lambda rows: rows[0].update(split="test"))
    assert refusal(tmp_path) == "MV1726"


def test_read_scan_pairs__refuses_a_table_without_a_column(tmp_path: Path) -> None:
    write_samples(tmp_path)
    path = tmp_path / "samples.parquet"
    pq.write_table(pq.read_table(path).drop(["side"]), path)
    rewrite(tmp_path, lambda rows: None)
    assert refusal(tmp_path) == "MV1771"


@pytest.mark.parametrize(
    "changes",
    [
        {"shape_zyx": [64, 64, 64]},
        {"shape_zyx": [0, 8, 8]},
        {"window_hu": [300, -200]},
        {"spacing_mm": [4, 0, 2]},
        {"orientation": "XYZ"},
        {"format_version": 2},
        {"unknown": 1},
        {"stored_shape_zyx": [6, 12, 13]},
        {"attributes": {}},
    ],
)
def test_read_scan_pairs__refuses_a_wrong_description(tmp_path: Path, changes: dict) -> None:
    path = write_samples(tmp_path) / "scan_pairs.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    assert refusal(tmp_path) in {"MV1720", "MV1722", "MV1725"}


def test_write_scan_pairs__writes_no_folder_of_what_it_refuses(tmp_path: Path) -> None:
    records = [replace(record, malignant=3) for record in make_records(1)]
    with pytest.raises(DataError, match="MV1725"):
        write_samples(tmp_path / "bad", records)
    with pytest.raises(DataError, match="MV1725"):
        write_samples(tmp_path / "none", [])
    with pytest.raises(ValueError, match="crops"):
        write_samples_short(tmp_path / "short")
    assert not list(tmp_path.rglob("scan_pairs.json"))


def write_samples_short(folder: Path) -> None:
    records = make_records(1)
    info = read_scan_pairs(write_samples(folder.with_name("whole"), records)).info
    (folder.with_name("whole") / "scan_pairs.json").unlink()
    left_out = {"samples_sha256", "crops_sha256", "crops_bytes", "medvlp_version"}
    write_scan_pairs(folder, records, make_crops(2), info.model_dump(exclude=left_out))
