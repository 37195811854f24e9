import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medvlp.errors import DataError, MedvlpError
from medvlp.probing.label_table import read_label_table
from tests.probing.probe_samples import write_rows


def test_read_label_table__reads_csv_and_parquet_alike(tmp_path):
    rows = [
        {"case_id": "a", "label": "1", "months": "2.5"},
        {"case_id": "b", "label": "", "months": "3"},
    ]
    found = read_label_table(write_rows(tmp_path / "labels.csv", rows))
    table = pa.table({"case_id": ["a", "b"], "label": [1.0, float("nan")], "months": [2.5, 3.0]})
    pq.write_table(table, tmp_path / "labels.parquet")
    assert read_label_table(tmp_path / "labels.parquet").rows == found.rows == tuple(rows)
    assert found.columns == ("case_id", "label", "months")
    assert found.unit_column is None


@pytest.mark.parametrize(
    ("rows", "code", "words"),
    [
        ([{"case": "a", "label": "x"}], "MV2320", "no column 'case_id'.*did you mean 'case'"),
        ([{"case_id": " ", "label": "x"}], "MV2320", "row 1 names no case"),
        (
            [{"case_id": "a", "label": "x"}, {"case_id": "a", "label": "y"}],
            "MV2321",
            "such as a with 2 that differ in label",
        ),
        (
            [{"case_id": "a", "label": "x"}, {"case_id": "a", "label": "x"}],
            "MV2321",
            "such as a with 2 that agree",
        ),
        (
            [{"case_id": "a", "side": "L", "n": "1"}, {"case_id": "a", "side": "L", "n": "1"}],
            "MV2321",
            "such as a L",
        ),
    ],
)
def test_read_label_table__refuses(tmp_path, rows, code, words):
    with pytest.raises(DataError, match=words) as caught:
        read_label_table(write_rows(tmp_path / "labels.csv", rows))
    assert caught.value.code == code


def test_read_label_table__takes_two_sides_of_a_case(tmp_path):
    rows = [{"case_id": "a", "side": "L"}, {"case_id": "a", "side": "R"}]
    assert read_label_table(write_rows(tmp_path / "labels.csv", rows)).unit_column == "side"


def test_read_label_table__refuses_what_holds_no_table(tmp_path):
    (tmp_path / "empty.csv").write_text("case_id,label\n")
    with pytest.raises(DataError, match=r"MV2320.*no rows"):
        read_label_table(tmp_path / "empty.csv")
    (tmp_path / "no.parquet").write_bytes(b"text")
    with pytest.raises(MedvlpError, match="MV1107"):
        read_label_table(tmp_path / "no.parquet")
    with pytest.raises(MedvlpError, match="MV1101"):
        read_label_table(tmp_path / "gone.parquet")
