"""Values of a table of crops are looked at one by one."""

import math
from pathlib import Path

import pytest

from medvlp.data.scan_checks import check_rows, check_splits, read_samples_table
from medvlp.errors import DataError
from tests.data.scan_samples import ATTRIBUTES, make_records, write_samples


def rows(**changes: object) -> list[dict[str, object]]:
    found = [
        {**vars(record), "crop": number, "crop_crc32": 0}
        for number, record in enumerate(make_records(2))
    ]
    found[1] |= changes
    return found


def test_check_rows__takes_what_a_crop_can_have() -> None:
    check_rows("here", rows(), ATTRIBUTES)
    check_rows("here", rows(months=math.nan, event=-1, report="", attributes={}), ATTRIBUTES)


@pytest.mark.parametrize(
    ("column", "value"),
    [("side", "Left"), ("attributes", {"mass": True + 1}), ("attributes", {"mass": -2})],
)
def test_check_rows__names_row_column_and_value(column: str, value: object) -> None:
    with pytest.raises(DataError, match=f"MV1725: here: row 1: {column} is"):
        check_rows("here", rows(**{column: value}), ATTRIBUTES)


def test_check_rows__refuses_no_rows() -> None:
    with pytest.raises(DataError, match="MV1725"):
        check_rows("here", [], ATTRIBUTES)


def test_check_splits__refuses_a_patient_in_two() -> None:
    check_splits("here", [("a", "train"), ("b", "test"), ("a", "train")])
    with pytest.raises(DataError, match=r"MV1726.*'a' is in 'train' and in 'test'"):
        check_splits("here", [("a", "train"), ("b", "test"), ("a", "test")])


def test_read_samples_table__gives_rows_with_dictionaries(tmp_path: Path) -> None:
    table = read_samples_table(write_samples(tmp_path) / "samples.parquet")
    assert table[0]["attributes"] == {"mass": 0, "pole": -1}
    (tmp_path / "bad.parquet").write_text("nothing")
    with pytest.raises(DataError, match="MV1720"):
        read_samples_table(tmp_path / "bad.parquet")
