"""Tables, folders and groups are read as rows; what has no form is refused."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medvlp.errors import DataError
from medvlp.pipelines.pairing.settings import SourceColumns
from medvlp.pipelines.pairing.source import SourceRow, read_source

COLUMNS = SourceColumns()
RECORDS = [
    {"image": "a.png", "caption": "one", "labels": "DOID:1; DOID:2", "split": "val"},
    {"image": "b.png", "caption": None, "labels": None, "split": None},
]


def write(tmp_path: Path, suffix: str) -> Path:
    path = tmp_path / f"pairs{suffix}"
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(RECORDS), path)
    elif suffix == ".jsonl":
        path.write_text("\n\n".join(json.dumps(record) for record in RECORDS), encoding="utf-8")
    else:
        lines = [",".join(RECORDS[0])]
        lines += [",".join(value or "" for value in record.values()) for record in RECORDS]
        path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_read_source__gives_the_same_rows_of_any_table(tmp_path: Path, suffix: str) -> None:
    first, second = read_source(write(tmp_path, suffix), COLUMNS)
    assert first == SourceRow(
        number=1,
        image="a.png",
        path=tmp_path / "a.png",
        caption="one",
        split="validation",
        labels=("DOID:1", "DOID:2"),
    )
    assert (second.caption, second.labels, second.split) == ("", (), "")


def test_read_source__takes_other_names_of_columns_and_another_root(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    record = {"file": "x.png", "text": "two", "dois": ["DOID:3", None], "video": "v1"}
    path.write_text(json.dumps(record), encoding="utf-8")
    names = SourceColumns(image="file", caption="text", labels="dois", scope="video")
    (row,) = read_source(path, names, images=tmp_path / "elsewhere")
    assert row.path == tmp_path / "elsewhere" / "x.png"
    assert (row.caption, row.labels, row.scope) == ("two", ("DOID:3",), "v1")


def test_read_source__makes_a_row_of_each_caption_of_a_list(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    records = [{"image": "a", "caption": ["one", "two"]}, {"image": "b", "caption": []}]
    path.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    found = [(row.number, row.image, row.caption) for row in read_source(path, COLUMNS)]
    assert found == [(1, "a", "one"), (2, "a", "two"), (3, "b", "")]


def test_read_source__takes_a_folder_with_texts_beside_images(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("b.png", "sub/a.JPG", "sub/notes.md"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "b.txt").write_text("a caption", encoding="utf-8")
    found = [(row.image, row.caption) for row in read_source(tmp_path, COLUMNS)]
    assert found == [("b.png", "a caption"), ("sub/a.JPG", "")]


def test_read_source__takes_semantic_groups(tmp_path: Path) -> None:
    path = tmp_path / "groups.json"
    group = {
        "images": ["a.jpg", "b.jpg"],
        "merged_caption": ["x y", "z w"],
        "labels": {"DOID:1": {}, "normal": {}},
    }
    path.write_text(json.dumps({"g1": group}), encoding="utf-8")
    rows = read_source(path, COLUMNS, images=tmp_path / "img")
    assert [(r.image, r.caption) for r in rows] == [
        ("a.jpg", "x y"),
        ("a.jpg", "z w"),
        ("b.jpg", "x y"),
        ("b.jpg", "z w"),
    ]
    assert {(r.group, r.labels) for r in rows} == {("g1", ("DOID:1", "normal"))}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "picture,caption\nx,y\n", "has no column 'image'"),
        ("a.csv", "image,captions\nx,y\n", "did you mean 'captions'"),
        ("a.csv", "image,caption,split\nx,y,trian\n", "row 1: split is 'trian'"),
        ("a.jsonl", '{"image": 1,\n', "line 1"),
        ("a.jsonl", "[1]\n", "line 1: it holds"),
        ("a.parquet", "no parquet", "cannot be read"),
        ("a.xlsx", "", "is no source of pairs"),
    ],
)
def test_read_source__refuses_by_name(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message) as caught:
        read_source(path, COLUMNS)
    assert caught.value.code == "MV2130"


def test_read_source__refuses_a_column_that_was_named_and_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no column 'video'"):
        read_source(write(tmp_path, ".csv"), SourceColumns(scope="video"))
