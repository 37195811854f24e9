"""A table of radiographs holds what pictures can have, and nothing else."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medvlp.data.radiograph_checks import check_rows, read_samples_table
from medvlp.data.radiograph_manifest import SAMPLES_FILE
from medvlp.errors import DataError
from tests.data.radiograph_samples import FINDINGS, SIZE, write_samples

BOX = {"finding": "nodule", "side": "left", "row0": 1.0, "row1": 4.0, "col0": 2.0, "col1": 9.0}
ROW = {
    "sample_id": "a",
    "image": 0,
    "image_crc32": 5,
    "patient": "p",
    "view": "PA",
    "height_px": 40,
    "width_px": 30,
    "split": "train",
    "report": "",
    "report_group": -1,
    "turned_group": -1,
    "labels": {"nodule": 1},
    "boxes": [BOX],
    "notes": "",
}


def code_of(*rows: dict[str, Any]) -> str:
    with pytest.raises(DataError) as caught:
        check_rows("t", rows, FINDINGS, SIZE)
    return caught.value.code


def test_check_rows__takes_good_ones() -> None:
    check_rows("t", [ROW, ROW | {"sample_id": "b", "image": 1}], FINDINGS, SIZE)


@pytest.mark.parametrize(
    "changes",
    [
        {"sample_id": "a b"},
        {"sample_id": None},
        {"patient": ""},
        {"image": 1},
        {"image_crc32": None},
        {"view": "LL"},
        {"view": None},
        {"height_px": 0},
        {"width_px": None},
        {"split": "val"},
        {"report": None},
        {"report": "x" * 50_001},
        {"report_group": -2},
        {"turned_group": None},
        {"labels": {"nodule": 2}},
        {"labels": {"nodule": -2}},
        {"labels": {"nodule": None}},
        {"boxes": [BOX | {"side": "up"}]},
        {"boxes": [BOX | {"row1": 1.0}]},
        {"boxes": [BOX | {"col1": 33.0}]},
        {"boxes": [BOX | {"col0": float("nan")}]},
        {"boxes": [BOX | {"row0": None}]},
    ],
)
def test_check_rows__refuses_a_value_that_no_picture_can_have(changes: dict[str, Any]) -> None:
    assert code_of(ROW | changes) == "MV1793"


def test_check_rows__refuses_rows_that_do_not_go_together() -> None:
    assert code_of() == "MV1793"
    assert code_of(ROW, ROW | {"image": 1}) == "MV1793"
    assert code_of(ROW, ROW | {"sample_id": "b", "image": 1, "split": "test"}) == "MV1726"


def test_check_rows__refuses_unknown_findings_with_the_nearest_name() -> None:
    for changes in ({"labels": {"nodul": 1}}, {"boxes": [BOX | {"finding": "nodul"}]}):
        with pytest.raises(DataError, match=r"MV1795.*did you mean 'nodule'"):
            check_rows("t", [ROW | changes], FINDINGS, SIZE)


def test_read_samples_table__refuses_other_files(tmp_path: Path) -> None:
    path = write_samples(tmp_path) / SAMPLES_FILE
    assert read_samples_table(path)[1]["labels"]["right pleural effusion"] == 0
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(["view"]), path)
    with pytest.raises(DataError, match=r"MV1771.*'view'"):
        read_samples_table(path)
    column = table.schema.get_field_index("labels")
    pq.write_table(table.set_column(column, "labels", pa.array(["x"] * len(table))), path)
    with pytest.raises(DataError, match="MV1790"):
        read_samples_table(path)
    path.write_text("no table")
    with pytest.raises(DataError, match="MV1790"):
        read_samples_table(path)
