import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medvlp.errors import DataError, UsageError
from medvlp.pipelines.text_tables import BadRow, TextRow, read_texts


def write(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_read_texts__reads_three_formats_alike(tmp_path: Path) -> None:
    rows = [{"id": "a", "caption": "one"}, {"id": "b", "caption": "two"}]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    write(tmp_path / "t.jsonl", lines)
    write(tmp_path / "t.csv", "\ufeffid;caption\na;one\nb;two\n")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    for suffix in ("jsonl", "csv", "parquet"):
        table = read_texts(tmp_path / f"t.{suffix}")
        assert table.rows == (TextRow("a", "one"), TextRow("b", "two"))
        assert (table.text_column, table.id_column, table.bad_rows) == ("caption", "id", ())


def test_read_texts__takes_named_columns_and_numbers_rows_without_id(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "words,key\none,\ntwo,k\n")
    assert read_texts(path, text_column="words", id_column="key").rows == (
        TextRow("2", "one"),
        TextRow("k", "two"),
    )
    assert read_texts(path, text_column="words").id_column is None


def test_read_texts__lists_bad_rows_by_name(tmp_path: Path) -> None:
    lines = [
        b'{"id": "a", "text": "one"}',
        b"{broken",
        b"[1]",
        b'{"id": "b", "text": ""}',
        b'{"id": "c", "text": 3}',
        b'{"id": "d"}',
        b'{"id": "e", "text": "  "}',
        b'{"id": "f", "text": "\xff"}',
        b'{"id": "g", "text": "\\ud800"}',
        b'{"id": "h", "text": null}',
    ]
    table = read_texts(write(tmp_path / "t.jsonl", b"\n".join(lines)))
    assert table.rows == (TextRow("a", "one"),)
    assert table.bad_rows == (
        BadRow(2, "", "no JSON, or not UTF-8"),
        BadRow(3, "", "no JSON object"),
        BadRow(4, "b", "no text"),
        BadRow(5, "c", "the text is a int"),
        BadRow(6, "d", "no text"),
        BadRow(7, "e", "no text but spaces"),
        BadRow(8, "", "no JSON, or not UTF-8"),
        BadRow(9, "g", "the text is not UTF-8"),
        BadRow(10, "h", "no text"),
    )


def test_read_texts__lists_bad_lines_of_a_csv_file(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", b"id,text\na,one\nb\nc,\xff\n\nd,\n")
    table = read_texts(path)
    assert table.rows == (TextRow("a", "one"),)
    assert [(bad.row, bad.reason) for bad in table.bad_rows] == [
        (3, "1 cells, the header has 2"),
        (4, "the text is not UTF-8"),
        (6, "no text"),
    ]


def test_read_texts__takes_cells_beyond_the_usual_limit(tmp_path: Path) -> None:
    limit = csv.field_size_limit()
    path = write(tmp_path / "t.csv", "text\n" + "a" * (limit + 1) + "\n")
    assert len(read_texts(path).rows[0].text) == limit + 1
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("t.txt", "text\none\n", "MV2030"),
        ("t.parquet", "no parquet", "MV2030"),
        ("t.csv", "", "MV2031"),
        ("t.csv", "words\none\n", "MV2031"),
        ("t.csv", "text\n \n", "MV2032"),
        ("t.jsonl", "{\n", "MV2031"),
    ],
)
def test_read_texts__refuses_a_file_without_texts(
    tmp_path: Path, name: str, content: str, code: str
) -> None:
    with pytest.raises((DataError, UsageError)) as caught:
        read_texts(write(tmp_path / name, content))
    assert caught.value.code == code


def test_read_texts__names_the_nearest_column(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "caption\none\n")
    with pytest.raises(UsageError, match="did you mean 'caption'"):
        read_texts(path, text_column="captoin")
    with pytest.raises(DataError, match="cannot be read"):
        read_texts(tmp_path / "absent.csv")
