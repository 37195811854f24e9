import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from medvlp.errors import MedvlpError
from medvlp.io import read_csv, write_csv, write_json, write_table


def test_write_json__is_read_back_by_json(tmp_path: Path) -> None:
    value = {"case": "Z\u00fcrich/1", "seconds": np.float32(0.5), "path": Path("a"), "n": [1, None]}
    write_json(tmp_path / "run.json", value)
    text = (tmp_path / "run.json").read_text(encoding="utf-8")
    assert text.endswith("}\n")
    assert "Z\u00fcrich" in text
    assert json.loads(text) == {
        "case": "Z\u00fcrich/1",
        "seconds": 0.5,
        "path": "a",
        "n": [1, None],
    }


def test_write_json__refuses_nan_and_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"a": float("inf")})
    assert json.loads(path.read_text()) == {"a": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.json"]


def test_write_csv__is_read_back_with_every_cell(tmp_path: Path) -> None:
    rows = [
        {"case_id": 'a,"b"\nc', "n": 3, "p": 0.1},
        {"case_id": "\u0436", "n": None},
    ]
    write_csv(tmp_path / "t.csv", rows, ["case_id", "n", "p"])
    assert read_csv(tmp_path / "t.csv") == [
        {"case_id": 'a,"b"\nc', "n": "3", "p": "0.1"},
        {"case_id": "\u0436", "n": "", "p": ""},
    ]


def test_write_csv__without_rows_has_a_header(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", [], ["a", "b"])
    assert (tmp_path / "t.csv").read_bytes() == b"a,b\n"
    assert read_csv(tmp_path / "t.csv") == []


def test_write_csv__refuses_a_key_that_is_no_column(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="row 1 has the key 'c'"):
        write_csv(tmp_path / "t.csv", [{"a": 1}, {"c": 2}], ["a"])
    assert not list(tmp_path.iterdir())


def test_write_table__writes_the_same_rows_twice(tmp_path: Path) -> None:
    rows = [{"case_id": "x", "prob_a": 0.25}, {"case_id": "y"}]
    csv_path, parquet_path = write_table(tmp_path / "v1.2", rows, ["case_id", "prob_a"])
    assert (csv_path.name, parquet_path.name) == ("v1.2.csv", "v1.2.parquet")
    assert pq.read_table(parquet_path).to_pylist() == [
        {"case_id": "x", "prob_a": 0.25},
        {"case_id": "y", "prob_a": None},
    ]
    assert read_csv(csv_path)[1] == {"case_id": "y", "prob_a": ""}


def test_write_table__names_the_column_that_mixes_types(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="column 'n' mixes types"):
        write_table(tmp_path / "t", [{"n": 1}, {"n": "one"}], ["n"])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffcase_id,mpp\na,0.5\n",
        "case_id;mpp\r\na;0.5\r\n",
        "case_id\tmpp\n\na\t0.5",
        " case_id , mpp\na,0.5",
    ],
)
def test_read_csv__takes_what_spreadsheets_write(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.csv").write_bytes(text.encode("utf-8"))
    assert read_csv(tmp_path / "t.csv") == [{"case_id": "a", "mpp": "0.5"}]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the header line is missing"),
        (b"\n1,2\n", "the header line is missing"),
        (b"a,a\n1,2\n", "column 'a' is there twice"),
        (b"a,b\n1,2\n3\n", "line 3 has 1 cells, the header has 2"),
        (b"a,b\n1,2,3\n", "line 2 has 3 cells"),
        (b"a,b\n1,\xff\n", "byte 6 is not UTF-8"),
        (b'a,b\n1,"2\n', "unexpected end of data"),
        (b"a,b\n1," + b"x" * (csv.field_size_limit() + 1), "field larger than field limit"),
    ],
)
def test_read_csv__says_what_is_wrong_with_a_table(
    tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(MedvlpError, match=said) as caught:
        read_csv(tmp_path / "t.csv")
    assert caught.value.code == "MV1107"
    assert "t.csv" in caught.value.what


def test_read_csv__says_that_the_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MedvlpError, match=r"MV1101: .*t\.csv cannot be read"):
        read_csv(tmp_path / "t.csv")
